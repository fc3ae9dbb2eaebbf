"""The parameters of an action or a check as a playbook says them: texts and integers may be `${…}` instead.

What has a template in it is checked when it was filled in, by the part's own model (`runtime.resolve`, `runtime.bind`). What has
none is checked here, whole. Code (CEL, a query, a pattern) takes no template: what is filled in would become code. Enumerations,
numbers with fractions, booleans and durations take none either: a structural schema has no form for them that would still tell
people what belongs there.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Self, Union, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError, create_model, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from stanch.api.base import Spec
from stanch.engine.judging import Code
from stanch.engine.templates import is_template, texts

LONGEST = 253
WHOLE = r"^\$\{.+\}$"
ANYWHERE = r"\$\{"


@dataclass(frozen=True)
class MayBeTemplate:
    """Lets a text with `${` through where it only lacks the shape of what it will become. What a field says beyond that (CEL
    must hold no template: what is filled in would become code) holds for templates too."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def passing(value: Any, inner: core_schema.ValidatorFunctionWrapHandler) -> Any:
            try:
                return inner(value)
            except ValidationError as error:
                if isinstance(value, str) and is_template(value) and len(value) <= LONGEST and _of_shape(error):
                    return value
                raise

        return core_schema.no_info_wrap_validator_function(passing, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core)
        branches = [_widened(branch) for branch in schema.get("anyOf", [schema])]
        flat = [one for branch in branches for one in branch.get("anyOf", [branch])]
        if len(flat) == 1:
            return flat[0]
        return {**{key: value for key, value in schema.items() if key not in _SHAPE}, "anyOf": _merged(flat)}


_SHAPES = frozenset({"string_pattern_mismatch", "string_too_long", "int_parsing", "int_type", "int_from_float"})
_SHAPE = frozenset({"anyOf", "type", "minimum", "maximum", "minLength", "maxLength", "pattern"})


def _of_shape(error: ValidationError) -> bool:
    return all(one["type"] in _SHAPES for one in error.errors(include_url=False))


def _widened(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type") == "integer":
        bounds = {key: value for key, value in schema.items() if key in _SHAPE}
        return {"anyOf": [bounds, {"type": "string", "pattern": WHOLE, "maxLength": LONGEST}]}
    if schema.get("type") != "string":
        return schema
    pattern = {"pattern": f"{schema['pattern']}|{ANYWHERE}"} if "pattern" in schema else {}
    longest = {"maxLength": max(schema["maxLength"], LONGEST)} if "maxLength" in schema else {}
    return {**schema, **pattern, **longest}


def _merged(branches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One text branch: where a text was taken anyway, a template is too."""
    strings = [branch for branch in branches if branch.get("type") == "string"]
    rest = [branch for branch in branches if branch.get("type") != "string"]
    own = [branch for branch in strings if branch.get("pattern") != WHOLE] or strings
    return [*rest, *own[:1]]


class Said(Spec):
    """Base: the fields are those of `PART`, its rules across fields hold where there is no template."""

    PART: ClassVar[type[BaseModel]]
    OWN: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="after")
    def _as_a_whole(self) -> Self:
        if not any(is_template(text) for _, text in texts(self.said())):
            _check(self.PART, {name: value for name, value in self.said().items() if name not in self.OWN})
        return self

    def said(self) -> dict[str, Any]:
        """As JSON, with defaults."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, warnings=False)

    def unchecked(self) -> Any:
        """An instance of `PART` that was checked field by field only."""
        return self.PART.model_construct(**{name: getattr(self, name) for name in self.PART.model_fields})

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core))
        schema.update(cls.PART.model_config.get("json_schema_extra") or {})
        return schema


def _check(model: type[BaseModel], params: dict[str, Any]) -> None:
    try:
        model.model_validate(params)
    except ValidationError as error:
        raise ValueError(error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")) from error


def templated(name: str, summary: str, part: type[BaseModel], **more: Any) -> type[Said]:
    """The model of `part` in which texts and integers may be templates, with the fields `more`."""
    fields: dict[str, Any] = {field: (info.annotation, _open(info)) for field, info in part.model_fields.items()}
    model = create_model(name[0].upper() + name[1:], __base__=Said, __doc__=summary, **fields, **more)
    model.PART, model.OWN = part, frozenset(more)
    return model


def _open(info: FieldInfo) -> FieldInfo:
    opened = copy(info)
    if _takes_templates(info.annotation) and Code() not in info.metadata:
        opened.metadata = [*info.metadata, MayBeTemplate()]
    return opened


def _takes_templates(annotation: Any) -> bool:
    """Texts and integers, alone or together, maybe absent; no enumeration, no duration and no code."""
    if get_origin(annotation) is Annotated:
        plain, *marks = get_args(annotation)
        return Code() not in marks and _takes_templates(plain)
    if get_origin(annotation) in (Union, UnionType):
        return all(_takes_templates(branch) for branch in get_args(annotation) if branch is not NoneType)
    return isinstance(annotation, type) and issubclass(annotation, str | int) and not issubclass(annotation, bool | Enum)

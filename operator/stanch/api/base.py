"""What the models of the four kinds are made of: the base, the common field types, and how a CEL rule is attached.

A rule stands beside the field or model that it is about, in `x-kubernetes-validations`; `api.schema` carries it into the CRD.
"""

from __future__ import annotations

from datetime import timedelta
from inspect import getdoc
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, WithJsonSchema

from stanch.domain.duration import parse, spell
from stanch.domain.record import SHORT, TEXT, camel
from stanch.engine.durations import Duration

GROUP = "stanch.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
SUBDOMAIN_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"

Name = Annotated[str, Field(min_length=1, max_length=63, pattern=NAME_PATTERN)]
ObjectName = Annotated[str, Field(min_length=1, max_length=SHORT, pattern=SUBDOMAIN_PATTERN)]
Word = Annotated[str, Field(min_length=1, max_length=63)]
Sentence = Annotated[str, Field(min_length=1, max_length=TEXT)]
UserName = Annotated[str, Field(min_length=1, max_length=SHORT)]
# As the API server takes them for objects, so that no key or value can become another selector.
LABEL_KEY_PATTERN = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
LABEL_PATTERN = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
LabelKey = Annotated[str, Field(min_length=1, max_length=317, pattern=LABEL_KEY_PATTERN)]
LabelValue = Annotated[str, Field(max_length=63, pattern=LABEL_PATTERN)]
Labels = dict[LabelKey, LabelValue]

NAMED_LIST = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
IMMUTABLE_MESSAGE = "is fixed when the object is created; create another one instead"


class Spec(BaseModel):
    """Base of every model: camelCase outside, unknown fields refused, values never changed."""

    model_config = ConfigDict(alias_generator=camel, validate_by_name=True, validate_by_alias=True, extra="forbid", frozen=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """A generic model with its types filled in says what it said without them: Python does not inherit docstrings."""
        cls.__doc__ = getdoc(cls)


def rule(cel: str, message: str) -> dict[str, str]:
    """One CEL rule of a CRD. `message` says what was expected."""
    return {"rule": cel, "message": message}


def rules(*all_rules: dict[str, str]) -> dict[str, Any]:
    """For `json_schema_extra` of a field or a model."""
    return {"x-kubernetes-validations": list(all_rules)}


def fixed(field: str) -> dict[str, str]:
    """An optional field that may neither be set, changed nor removed later. Stands on the model that has the field."""
    same = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    return rule(same, f"{field} {IMMUTABLE_MESSAGE}")


def between(least: str, most: str) -> Any:
    """A duration type with bounds, both written as durations."""
    low, high = parse(least), parse(most)
    message = f"expected a duration from {least} to {most}, such as {spell(max(low, timedelta(minutes=1)))}"

    def check(value: timedelta) -> timedelta:
        if not low <= value <= high:
            raise ValueError(message)
        return value

    cel = f"duration(self) >= duration('{least}') && duration(self) <= duration('{most}')"
    # With the whole schema, not as a field's extra: pydantic drops that where the type stands in a union, as in `… | None`.
    schema = {**TypeAdapter(Duration).json_schema(), **rules(rule(cel, message))}
    return Annotated[Duration, AfterValidator(check), WithJsonSchema(schema)]

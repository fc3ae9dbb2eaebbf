"""Models with exactly one of several typed fields (a step's action, a check's kind, a source of evidence), from the registries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, ClassVar, Protocol, Self, TypeVar, get_args

from pydantic import BaseModel, Field, GetJsonSchemaHandler, create_model, model_validator
from pydantic_core import CoreSchema

from stanch.api.base import Name, Spec, rule
from stanch.api.templated import templated


class Part(Protocol):
    """What an action, a kind of check and a source of evidence have in common."""

    @property
    def name(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def params(self) -> type: ...


@dataclass(frozen=True)
class Alternative:
    """Marks a field as one of those of which exactly one is set."""


@dataclass(frozen=True)
class Chosen:
    """The one field that was set: the part's name, its target (empty: none), its parameters as JSON."""

    kind: str
    target: str
    params: Mapping[str, Any]


class Choice(Spec):
    """Base of a model that has exactly one of its alternatives set."""

    WHAT: ClassVar[str] = "a choice"
    RULES: ClassVar[tuple[Mapping[str, str], ...]] = ()

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        return tuple(name for name, field in cls.model_fields.items() if Alternative() in field.metadata)

    @classmethod
    def kinds_with_target(cls) -> dict[str, bool]:
        """The alternatives that have a target, and whether it must be named."""
        models = {kind: _model(cls.model_fields[kind].annotation) for kind in cls.kinds()}
        targets = {kind: model.model_fields.get("target") for kind, model in models.items()}
        return {kind: field.is_required() for kind, field in targets.items() if field is not None}

    @classmethod
    def only_one(cls) -> str:
        return f"{cls.WHAT} has exactly one of {', '.join(cls.kinds())}"

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(getattr(self, kind) is not None for kind in self.kinds()) != 1:
            raise ValueError(self.only_one())
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core))
        present = ", ".join(f"has(self.{kind})" for kind in cls.kinds())
        one = rule(f"[{present}].filter(x, x).size() == 1", cls.only_one())
        schema["x-kubernetes-validations"] = [*schema.get("x-kubernetes-validations", []), one, *cls.RULES]
        return schema

    @property
    def chosen(self) -> Chosen:
        kind = next(kind for kind in self.kinds() if getattr(self, kind) is not None)
        params = getattr(self, kind).said()
        return Chosen(kind, params.pop("target", None) or "", params)

    @property
    def parameters(self) -> Any:
        """The part's own parameters, with templates where the playbook has some: for what looks at them, never for acting."""
        return getattr(self, self.chosen.kind).unchecked()


def _model(annotation: Any) -> type[BaseModel]:
    """The model in `Model | None`."""
    return next(argument for argument in get_args(annotation) if argument is not NoneType)


def bare(part: Part) -> type[BaseModel]:
    """The part's parameters as they are."""
    return templated(part.name, part.summary, part.params)


def on_target(part: Part) -> type[BaseModel]:
    """The part's parameters and the target that they are about."""
    text = "Name of the target, one of the playbook's targets."
    return templated(part.name, part.summary, part.params, target=(Name, Field(description=text)))


def on_some_targets(part: Part) -> type[BaseModel]:
    """The part's parameters and, where wanted, the one target that they are about."""
    text = "Name of one of the playbook's targets; left out: all of them."
    return templated(part.name, part.summary, part.params, target=(Name | None, Field(default=None, description=text)))


def on_one_target(part: Part) -> type[BaseModel]:
    """The part's parameters and, where they do not say themselves what they are about, the target."""
    text = "Name of one of the playbook's targets; left out: what is named beside it."
    return templated(part.name, part.summary, part.params, target=(Name | None, Field(default=None, description=text)))


C = TypeVar("C", bound=Choice)


def choice(base: type[C], alternatives: Iterable[tuple[Part, type[BaseModel]]], rules: Iterable[Mapping[str, str]] = ()) -> type[C]:
    """`base` with one more optional field for each part, named as the part and typed by the model beside it, and more rules."""
    fields: dict[str, Any] = {
        part.name: (Annotated[model | None, Alternative()], Field(default=None, description=part.summary))
        for part, model in alternatives
    }
    model = create_model(base.__name__.partition("[")[0], __base__=base, __doc__=base.__doc__, **fields)
    model.RULES = tuple(rules)
    return model

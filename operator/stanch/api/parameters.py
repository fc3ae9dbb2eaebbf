"""A playbook's parameters: what may be given, and the values that an Incident gives. They may come from an alert: data only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic_core import SchemaError, SchemaValidator, core_schema

from stanch.api.base import Spec, rule, rules
from stanch.domain import plan
from stanch.domain.plan import FactType
from stanch.domain.record import TEXT
from stanch.engine.errors import Refused
from stanch.engine.parts import Value
from stanch.engine.values import EXPECTED, value_of

MOST = 32
# As CEL takes it after `params.` and `facts.`.
NAME = r"^[a-z][A-Za-z0-9]*$"
SHOWN = 32

VariableName = Annotated[str, Field(min_length=1, max_length=63, pattern=NAME)]
Text = Annotated[str, Field(max_length=TEXT)]
Values = Annotated[dict[VariableName, Text], Field(max_length=MOST)]

ONE_SOURCE = "a parameter is either required or has a default"
BOUNDED = "minimum and maximum are for Integer and Number"
MATCHED = "pattern is for String"
ORDERED = "minimum is not above maximum"


class Parameter(Spec):
    """One value that the Incident gives, available as params.NAME in conditions and as ${params.NAME} in parameters and names."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("self.required != has(self.default)", ONE_SOURCE),
            rule("!(has(self.minimum) || has(self.maximum)) || self.type in ['Integer', 'Number']", BOUNDED),
            rule("!has(self.pattern) || self.type == 'String'", MATCHED),
            rule("!has(self.minimum) || !has(self.maximum) || self.minimum <= self.maximum", ORDERED),
            rule("!has(self.default) || !has(self.enum) || self.default in self.enum", "default is one of enum"),
        )
    )

    name: VariableName = Field(description="Name of the parameter, in camelCase.")
    type: FactType = Field(default=FactType.String, description="What its text must say; an Integer has 64 bits.")
    description: Text = Field(default="", description="What it means, for the person who gives it.")
    required: bool = Field(default=False, description="Whether the Incident must give it; else there is a default.")
    default: Text | None = Field(default=None, description="Value where the Incident gives none, as text.")
    enum: list[Text] = Field(default=[], max_length=32, description="The only values that are taken, as text.")
    pattern: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(
        default=None, description="Regular expression (RE2, without backtracking) that the whole text must match."
    )
    minimum: float | None = Field(default=None, description="Least value.")
    maximum: float | None = Field(default=None, description="Greatest value.")


def bind_parameters(declared: Iterable[Parameter], given: Mapping[str, str]) -> tuple[plan.Parameter, ...]:
    """The parameters with their values. Raises `Refused` (ParameterInvalid): which one, what it is, what was expected."""
    known = {parameter.name: parameter for parameter in declared}
    for name in given:
        if name not in known:
            raise invalid(name, f"the playbook has no such parameter; {_meant(name, known)}")
    return tuple(_bound(parameter, given.get(parameter.name)) for parameter in known.values())


def _bound(parameter: Parameter, given: str | None) -> plan.Parameter:
    text = parameter.default if given is None else given
    if text is None:
        raise invalid(parameter.name, f"is required, expected {EXPECTED[parameter.type]}: set it in spec.parameters")
    if why := fault(parameter, text):
        raise invalid(parameter.name, why)
    return plan.Parameter(parameter.name, parameter.type, text)


def fault(parameter: Parameter, text: str) -> str:
    """Why `text` is no value of the parameter; empty: it is. Tells what kind of text it is, not the text."""
    value = value_of(text, parameter.type)
    if value is None:
        return f"is {_class_of(text)}, expected {EXPECTED[parameter.type]}"
    if hidden := next((char for char in text if not char.isprintable() and char not in "\n\t"), None):
        return f"holds U+{ord(hidden):04X}, expected characters that print"
    if parameter.enum and text not in parameter.enum:
        return f"is {_class_of(text)}, expected one of {', '.join(word[:SHOWN] for word in parameter.enum[:8])}"
    if parameter.pattern and not matches(parameter.pattern, text):
        return f"is {_class_of(text)}, expected what matches {parameter.pattern}"
    return _out_of_range(parameter, value)


def _out_of_range(parameter: Parameter, value: Value) -> str:
    if isinstance(value, str | bool):
        return ""
    low, high = parameter.minimum, parameter.maximum
    if low is not None and value < low:
        return f"is {value}, expected {low:g} or more"
    if high is not None and value > high:
        return f"is {value}, expected {high:g} or less"
    return ""


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text does. In time that grows with its length only, whoever wrote the pattern."""
    return _validator(pattern).isinstance_python(text)


def pattern_fault(pattern: str) -> str:
    """Why it is no regular expression; empty: it is one."""
    try:
        _validator(pattern)
    except SchemaError as error:
        return str(error).strip().splitlines()[-1].strip()
    return ""


@lru_cache(maxsize=256)
def _validator(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=f"^(?:{pattern})$", regex_engine="rust-regex"))


def invalid(name: str, why: str) -> Refused:
    return Refused("ParameterInvalid", f"parameter {name[:63]} {why}")


def _class_of(text: str) -> str:
    shown = text.isascii() and text.isprintable() and len(text) <= SHOWN and not text.isspace()
    return repr(text) if shown else f"a text of {len(text)} characters"


def _meant(name: str, known: Mapping[str, Parameter]) -> str:
    close = get_close_matches(name, known, 1)
    return f"did you mean {close[0]}?" if close else f"it has {', '.join(known) or 'none'}"

"""The conditions of a playbook (`when`), in CEL over an incident, its parameters and what diagnosis found. Fails closed.

Names are declared one by one, those of parameters and facts by the playbook, so that a misspelt one does not compile. A name
that has no value yet makes the whole expression `Failed`, never false: "could not be read" is not "no".
Loops (`all`, `exists`, `map`, `filter`) are left out: a condition needs none, and without them its cost is linear in its
length. https://github.com/google/cel-spec/blob/master/doc/langdef.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from cel_expr_python import cel

from stanch.domain.plan import FactType, Plan
from stanch.domain.record import TEXT
from stanch.engine.cel_library import environment, finite, readable
from stanch.engine.parts import Value
from stanch.engine.values import text_of, value_of

# What a playbook declares: `params.NAME` and `facts.NAME`, and of which type each is.
Declared = Mapping[str, FactType]
NOTHING: Declared = MappingProxyType({})

# What every condition may speak of. `facts.x.at` is the recorded time, `facts.x.age` its age when the condition is read.
NAMES = {
    "incident.name": cel.Type.STRING,
    "incident.type": cel.Type.STRING,
    "incident.severity": cel.Type.STRING,
    "incident.component": cel.Type.STRING,
    "incident.labels": cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
    "facts.lastDeploy.at": cel.Type.TIMESTAMP,
    "facts.lastDeploy.age": cel.Type.DURATION,
    "facts.lastDeploy.target": cel.Type.STRING,
    "facts.lastDeploy.revision": cel.Type.STRING,
    "facts.lastDeploy.changedBy": cel.Type.STRING,
}


TYPES = {
    FactType.String: cel.Type.STRING,
    FactType.Integer: cel.Type.INT,
    FactType.Number: cel.Type.DOUBLE,
    FactType.Boolean: cel.Type.BOOL,
}
# Enough for the playbooks of a cluster that are under way; each holds what it was made from.
ENVIRONMENTS = 64


@dataclass(frozen=True)
class Failed:
    """Why an expression has no value."""

    message: str


def declared_by(plan: Plan) -> dict[str, FactType]:
    """What the conditions of this plan may speak of, beside `NAMES`."""
    return (
        {f"params.{parameter.name}": parameter.type for parameter in plan.parameters}
        | {f"facts.{check.name}": check.fact for check in plan.diagnosis if check.fact}
        | {f"facts.{step.fact}": step.fact_type for option in plan.options for step in option.steps if step.fact}
    )


def compile_condition(text: str, declared: Declared = NOTHING) -> cel.Expression | Failed:
    """Compiles a condition: at most 1024 characters, boolean, over `NAMES` and `declared` only."""
    compiled = compile_expression(text, declared)
    if isinstance(compiled, Failed) or compiled.return_type() == cel.Type.BOOL:
        return compiled
    return Failed(f"gives {compiled.return_type().name().lower()}, not true or false; compare it with something")


def compile_expression(text: str, declared: Declared = NOTHING) -> cel.Expression | Failed:
    """Compiles an expression of any type: at most 1024 characters, over `NAMES` and `declared` only."""
    if len(text) > TEXT:
        return Failed(f"{len(text)} characters long; at most {TEXT} are taken")
    if not readable(text):
        return Failed("holds a NUL, or is no valid Unicode")
    try:
        return _environment(tuple(sorted(declared.items()))).compile(text)
    except RuntimeError as error:
        return Failed(_sentence(str(error), declared))


def evaluate_condition(text: str, variables: Mapping[str, Any], declared: Declared = NOTHING) -> bool | Failed:
    """Whether the condition is true of `variables`: nested mappings, `{"incident": {…}, "facts": {"lastDeploy": {…}}}`.

    Values are of their type, or text that says it (`engine.values`; times as datetimes or in RFC 3339). Values under names that
    are not declared are not seen.
    """
    compiled = compile_condition(text, declared)
    if isinstance(compiled, Failed):
        return compiled
    value = _value(compiled, variables, declared)
    return value if isinstance(value, bool | Failed) else Failed(f"gave {type(value).__name__}, not true or false")


def evaluate(text: str, variables: Mapping[str, Any], declared: Declared = NOTHING) -> Value | Failed:
    """The value of an expression that gives text, a number, true or false; `variables` as with `evaluate_condition`."""
    compiled = compile_expression(text, declared)
    return compiled if isinstance(compiled, Failed) else _value(compiled, variables, declared)


def _value(compiled: cel.Expression, variables: Mapping[str, Any], declared: Declared) -> Value | Failed:
    try:
        result = compiled.eval(data=dict(_known(variables, declared)))
    except RuntimeError as error:  # budgets are raised; every other failure is returned as a value
        return Failed(_sentence(str(error), declared))
    if result.type() in TYPES.values():
        value = result.value()
        return value if finite(value) else Failed(f"gives {value}, which is no number")
    if result.type() == cel.Type.ERROR:
        return Failed(_sentence(str(result.value()), declared))
    return Failed(f"gives {result.type().name().lower()}; expected text, a number, true or false, such as string(…) of it")


def constant(text: str, declared: Declared = NOTHING) -> bool | Failed | None:
    """The value of a condition that depends on nothing; None for one that does."""
    compiled = compile_condition(text, declared)
    if isinstance(compiled, Failed):
        return compiled
    value = evaluate_condition(text, {}, declared)
    return None if isinstance(value, Failed) else value


def _known(variables: Mapping[str, Any], declared: Declared) -> Iterator[tuple[str, Any]]:
    for name, kind in NAMES.items():
        value = _look_up(variables, name.split("."))
        if kind == cel.Type.TIMESTAMP and isinstance(value, str):
            value = _time(value)
        if value is not None and readable(value):
            yield name, value
    for name, said in declared.items():
        value = _look_up(variables, name.split("."))
        if value is not None and (typed := value_of(value if isinstance(value, str) else text_of(value), said)) is not None:
            yield name, typed


def _look_up(variables: Any, path: list[str]) -> Any:
    for part in path:
        if not isinstance(variables, Mapping) or part not in variables:
            return None
        variables = variables[part]
    return variables


def _time(text: str) -> datetime | None:
    """None for what is no time, or is one without a zone: it then has no value, and the condition fails."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else None


@lru_cache(maxsize=ENVIRONMENTS)
def _environment(declared: tuple[tuple[str, FactType], ...]) -> cel.Env:
    variables = NAMES | {name: TYPES[said] for name, said in declared}
    return environment("has", variables)


def _sentence(message: str, declared: Declared) -> str:
    """The library's message, with what was expected."""
    line = plain(message)
    return f"{line}; known names: {', '.join((*declared, *NAMES))}" if "undeclared reference" in line else line


def plain(message: str) -> str:
    """The library's message without its drawing of the expression and its status code."""
    line = (
        re.sub(r"^[A-Z_]+: (ERROR: )?", "", message.split("\n", 1)[0]).replace("<input>:", "at ").removesuffix(" (in container '')")
    )
    missing = re.search(r'No value with name "(.+)" found', line)
    return f"{missing[1]} is not known" if missing else line

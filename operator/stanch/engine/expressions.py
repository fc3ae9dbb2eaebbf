"""The conditions of a playbook (`when`), in CEL over what an incident is and what diagnosis found. Fails closed.

Names are declared one by one, so that a misspelt one does not compile. A name that has no value yet makes the whole
expression `Failed`, never false: "could not be read" is not "no".
Loops (`all`, `exists`, `map`, `filter`) are left out: a condition needs none, and without them its cost is linear in its
length. https://github.com/google/cel-spec/blob/master/doc/langdef.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from cel_expr_python import cel

from stanch.domain.record import TEXT

# All that a condition may speak of. `facts.x.at` is the recorded time, `facts.x.age` its age when the condition is read.
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


@dataclass(frozen=True)
class Failed:
    """Why an expression has no value."""

    message: str


def compile_condition(text: str) -> cel.Expression | Failed:
    """Compiles a condition: at most 1024 characters, boolean, over the declared names only."""
    if len(text) > TEXT:
        return Failed(f"{len(text)} characters long; at most {TEXT} are taken")
    try:
        compiled = _environment().compile(text)
    except RuntimeError as error:
        return Failed(_sentence(str(error)))
    if compiled.return_type() != cel.Type.BOOL:
        return Failed(f"gives {compiled.return_type().name().lower()}, not true or false; compare it with something")
    return compiled


def evaluate_condition(text: str, variables: Mapping[str, Any]) -> bool | Failed:
    """Whether the condition is true of `variables`: nested mappings, `{"incident": {…}, "facts": {"lastDeploy": {…}}}`.

    Times are datetimes or RFC 3339 strings. Values under names that are not declared are not seen.
    """
    compiled = compile_condition(text)
    if isinstance(compiled, Failed):
        return compiled
    try:
        result = compiled.eval(data=dict(_declared(variables)))
    except RuntimeError as error:  # budgets are raised; every other failure is returned as a value
        return Failed(_sentence(str(error)))
    if result.type() == cel.Type.BOOL:
        return bool(result.value())
    return Failed(_sentence(str(result.value())))


def constant(text: str) -> bool | Failed | None:
    """The value of a condition that depends on nothing; None for one that does."""
    compiled = compile_condition(text)
    if isinstance(compiled, Failed):
        return compiled
    value = evaluate_condition(text, {})
    return None if isinstance(value, Failed) else value


def _declared(variables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, kind in NAMES.items():
        value = _look_up(variables, name.split("."))
        if kind == cel.Type.TIMESTAMP and isinstance(value, str):
            value = _time(value)
        if value is not None:
            yield name, value


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


@cache
def _environment() -> cel.Env:
    return cel.NewEnv(config=cel.NewEnvConfigFromYaml("stdlib:\n  include_macros: [has]\n"), variables=NAMES)


def _sentence(message: str) -> str:
    """The library's message without its drawing of the expression and its status code, and with what was expected."""
    line = (
        re.sub(r"^[A-Z_]+: (ERROR: )?", "", message.split("\n", 1)[0]).replace("<input>:", "at ").removesuffix(" (in container '')")
    )
    if missing := re.search(r'No value with name "(.+)" found', line):
        return f"{missing[1]} is not known"
    return f"{line}; known names: {', '.join(NAMES)}" if "undeclared reference" in line else line

"""`${…}` in a playbook's parameters and names: CEL inside, data outside. Pure, and bounded in count, depth and size.

A text that is nothing but one `${…}` becomes the value itself, with its type; anywhere else the value is spelled into the text.
`$${` stands for a `${` that is meant. What was filled in is never looked at again: a value that looks like a template, or like
code, stays that text. A text that mentions facts is left as it is until diagnosis is over, and its place is told (`Rendered`);
`bind` fills those places and no others.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stanch.domain.plan import Check, Plan, Step
from stanch.domain.record import TEXT
from stanch.engine.expressions import Declared, Failed, compile_expression, evaluate
from stanch.engine.parts import Value
from stanch.engine.values import text_of

Json = Any

MOST = 64
DEEPEST = 16
LONGEST_TEXT = 16_384
LONGEST_IN_ALL = 65_536

_STRING = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_PART = re.compile(rf"(?P<escaped>\$\$\{{)|\$\{{(?P<inside>(?:[^{{}}'\"]|{_STRING})*)\}}|(?P<open>\$\{{)", re.DOTALL)
_FACTS = re.compile(r"(?<![A-Za-z0-9_.])facts\b", re.ASCII)


@dataclass(frozen=True)
class Rendered:
    """`unbound`: JSON pointers (RFC 6901) of the texts in `value` that still wait for facts."""

    value: Json
    unbound: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scope:
    """What expressions see: nested mappings (`{"incident": …, "params": …, "facts": …}`), and what the playbook declares."""

    variables: Mapping[str, Any]
    declared: Declared


def render(value: Json, scope: Scope) -> Rendered | Failed:
    """`value` with every text filled in that does not mention facts. `Failed` says where and why."""
    work = _Work(scope, None)
    try:
        return Rendered(work.walk(value, ""), tuple(work.unbound))
    except _Stop as stop:
        return stop.why


def bind(value: Json, unbound: Collection[str], scope: Scope) -> Json | Failed:
    """`value` with the texts at `unbound` filled in, facts and all; nothing else is touched."""
    work = _Work(scope, frozenset(unbound))
    try:
        return work.walk(value, "")
    except _Stop as stop:
        return stop.why


def needs_facts(plan: Plan) -> bool:
    """Whether something in the plan waits for what diagnosis finds."""
    return any(part.unbound for part in parts(plan))


def parts(plan: Plan) -> Iterator[Step | Check]:
    for option in plan.options:
        yield from option.steps
    yield from plan.checks


def fault(text: str, declared: Declared) -> str:
    """Why `text` cannot be filled in, whatever the values are; empty: it can."""
    for part in _PART.finditer(text):
        if part["open"]:
            return "'${' is not closed by '}' (a '${' that is meant is written '$${')"
        if part["inside"] is not None and isinstance(compiled := compile_expression(part["inside"], declared), Failed):
            return compiled.message
    return ""


def is_template(text: str) -> bool:
    return "${" in text


def mentions_facts(text: str) -> bool:
    inside = (part["inside"] for part in _PART.finditer(text) if part["inside"])
    return any(_FACTS.search(re.sub(_STRING, "''", expression)) for expression in inside)


def texts(value: Json, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text inside, with its JSON pointer."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from texts(item, f"{path}/{_escaped(key)}")
    elif isinstance(value, Sequence):
        for place, item in enumerate(value):
            yield from texts(item, f"{path}/{place}")


class _Stop(Exception):
    def __init__(self, path: str, why: str) -> None:
        self.why = Failed(f"{path}: {why}" if path else why)


class _Work:
    """One pass over a value. `only` None: everywhere, facts left for later; else at these places."""

    def __init__(self, scope: Scope, only: Collection[str] | None) -> None:
        self.scope, self.only = scope, only
        self.unbound: list[str] = []
        self.count = self.size = 0

    def walk(self, value: Json, path: str, depth: int = 0) -> Json:
        if depth > DEEPEST:
            raise _Stop(path, f"nested deeper than {DEEPEST}")
        if isinstance(value, str):
            return self.text(value, path)
        if isinstance(value, Mapping):
            return {key: self.walk(item, f"{path}/{_escaped(key)}", depth + 1) for key, item in value.items()}
        if isinstance(value, Sequence):
            return [self.walk(item, f"{path}/{place}", depth + 1) for place, item in enumerate(value)]
        return value

    def text(self, text: str, path: str) -> Value:
        if not is_template(text) or (self.only is not None and path not in self.only):
            return text
        if self.only is None and mentions_facts(text):
            if why := fault(text, self.scope.declared):
                raise _Stop(path, why)
            self.unbound.append(path)
            self.bound(path, len(self.unbound), MOST, "texts with facts")
            return text
        filled = self.fill(text, path)
        self.size += len(text_of(filled))
        self.bound(path, self.size, LONGEST_IN_ALL, "characters in all")
        return filled

    def fill(self, text: str, path: str) -> Value:
        whole = _PART.fullmatch(text)
        if whole and whole["inside"] is not None:
            return self.value(whole["inside"], path)
        filled, end = "", 0
        for part in _PART.finditer(text):
            filled += text[end : part.start()] + self.part(part, path)
            self.bound(path, len(filled), LONGEST_TEXT, "characters")
            end = part.end()
        return filled + text[end:]

    def part(self, part: re.Match[str], path: str) -> str:
        if part["escaped"]:
            return "${"
        if part["open"]:
            raise _Stop(path, fault(part.string, self.scope.declared))
        return text_of(self.value(part["inside"], path))

    def value(self, expression: str, path: str) -> Value:
        self.count += 1
        self.bound(path, self.count, MOST, "templates")
        found = evaluate(expression, self.scope.variables, self.scope.declared)
        if isinstance(found, Failed):
            raise _Stop(path, f"${{{expression[:100]}}}: {found.message}")
        self.bound(path, len(text_of(found)), LONGEST_TEXT, "characters")
        return found

    def bound(self, path: str, count: int, most: int, what: str) -> None:
        if count > most:
            raise _Stop(path, f"comes to {count} {what}; at most {most} are taken")


def _escaped(key: Any) -> str:
    """RFC 6901."""
    return str(key).replace("~", "~0").replace("/", "~1")[:TEXT]

"""Taking a change back, three-way and field by field (design, invariant 4): what actions that change single fields share.

A field that still holds what we wrote goes back to what it was; one that is back already is left alone; one that somebody
changed since is a conflict, and then nothing at all is taken back. Fields beside ours are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stanch.actions.effects import TOKEN
from stanch.actions.telling import shown, some
from stanch.engine.parts import Change, RevertConflict


@dataclass(frozen=True)
class Field:
    """One field that we changed: what it was, what we made of it, what it is now. None: absent."""

    name: str
    was: Any
    ours: Any
    seen: Any


def owed(change: Change, fields: Iterable[Field]) -> tuple[Field, ...]:
    """The fields that still hold what we wrote. Raises `RevertConflict` where one holds neither that nor what was before."""
    fields = tuple(fields)
    contested = [field for field in fields if field.seen not in (field.ours, field.was)]
    if contested:
        found = some([_told(field) for field in contested])
        raise RevertConflict(f"{change.ref} was changed by somebody since: {found}")
    return tuple(field for field in fields if field.seen != field.was)


def back(change: Change, token: str, patch: Mapping[str, Any]) -> Change:
    """The change that takes `change` back by `patch`, under a token of its own."""
    patch = {"metadata": {"annotations": {TOKEN: token}}, **patch}
    return replace(change, patch=patch, summary=f"take back: {change.summary}", why="")


def difference(field: Field) -> str:
    """What we make of the field, for a person: `MODE "normal" -> "safe"`."""
    return f"{field.name} {shown(field.name, field.was)} -> {shown(field.name, field.ours)}"


def _told(field: Field) -> str:
    return f"{field.name} is {shown(field.name, field.seen)}, stanch wrote {shown(field.name, field.ours)}"

"""What a person who approves a step has been shown, as one digest: another change has another one. Pure.

Of a patch it is which fields it makes what of what, with lists of named things (containers, variables) taken by their names: what
others change and the step does not write is no part of it. Nor are marks: restarts do not make another release. What is created or
sent is taken as a whole (secrets are references in it), what is deleted without its metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stanch.actions.effects import TOKEN
from stanch.engine.chain import canonical, digest
from stanch.engine.mergepatch import merged
from stanch.engine.parts import EPOCH, Before, Change, EffectClass
from stanch.engine.workload import RESTART_MARKS

# Stands for the digest of a step that would have been refused: no change was shown.
NO_CHANGE = "none"
MARKS = frozenset({TOKEN, EPOCH, *RESTART_MARKS})

Json = Any
Difference = tuple[tuple[str, ...], Json, Json]


def proof_of(effect_class: EffectClass, before: Before, change: Change) -> str:
    return digest(canonical(shown(effect_class, before, change)))


def shown(effect_class: EffectClass, before: Before, change: Change) -> Json:
    match effect_class:
        case EffectClass.cas:
            return list(differences(before.target, merged(before.target, change.patch)))
        case EffectClass.uid_precondition:
            return {key: value for key, value in change.patch.items() if key != "metadata"}
    return change.patch


def differences(was: Json, becomes: Json, path: tuple[str, ...] = ()) -> Iterator[Difference]:
    """Each field in which they differ, by its path; of named things in a list also their order."""
    if order(was, becomes) != order(becomes, was):
        yield (*path, "order"), order(was, becomes), order(becomes, was)
    old, new = ({} if side is None else by_name(side) for side in (was, becomes))
    if not isinstance(old, dict) or not isinstance(new, dict):
        if was != becomes:
            yield path, was, becomes
        return
    for key in sorted((old.keys() | new.keys()) - MARKS):
        yield from differences(old.get(key), new.get(key), (*path, key))


def by_name(value: Json) -> Json:
    """A list of named things as an object; all else as it is."""
    if not isinstance(value, list) or not all(isinstance(item, dict) and "name" in item for item in value):
        return value
    named = {item["name"]: item for item in value}
    return named if len(named) == len(value) else value


def order(of: Json, among: Json) -> list[str]:
    """The names in one list that the other one has too, as they come."""
    mine, others = by_name(of), by_name(among)
    lists = isinstance(of, list) and isinstance(among, list) and isinstance(mine, dict) and isinstance(others, dict)
    return [name for name in mine if name in others] if lists else []

"""JSON merge patches (RFC 7386): which one leads from one object to another, and what one makes of an object.

Objects hold no nulls (to the API server a null field is an absent one), so every difference can be said.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

Json = Any


def difference(old: Mapping[str, Json], new: Mapping[str, Json]) -> dict[str, Json]:
    """The smallest patch with `merged(old, patch) == new`: absent keys become null at every depth, lists go whole."""
    patch: dict[str, Json] = dict.fromkeys(sorted(old.keys() - new.keys()))
    for key, value in new.items():
        if key not in old:
            patch[key] = deepcopy(value)
        elif isinstance(value, dict) and isinstance(old[key], dict):
            if inner := difference(old[key], value):
                patch[key] = inner
        elif old[key] != value:
            patch[key] = deepcopy(value)
    return patch


def merged(old: Json, patch: Json) -> Json:
    """What the API server makes of `old` by `patch`. A copy."""
    if not isinstance(patch, Mapping):
        return deepcopy(patch)
    result = deepcopy(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result

"""Who wrote what, as far as Kubernetes knows: `metadata.managedFields`.

It knows the *manager* (the tool: kubectl-set, helm, argocd-controller), the time of that manager's latest change to any
of its fields, and which fields it owns; never the person, and never what stood there before.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stanch.engine.ports import Object
from stanch.evidence.text import clock_time, parse_time, table, visible

DEEPEST = 12
MAX_PATHS = 2000
SHOWN = 6


@dataclass(frozen=True)
class Written:
    """One entry: `paths` like `spec.template.spec.containers[name=app].image`, at most MAX_PATHS of them."""

    manager: str
    operation: str
    subresource: str
    at: datetime | None
    paths: tuple[str, ...]

    def owns(self, prefix: str) -> bool:
        return any(path == prefix or path.startswith((f"{prefix}.", f"{prefix}[")) for path in self.paths)


def writers(obj: Object) -> tuple[Written, ...]:
    """The entries, latest first; those without a time last."""
    entries = [_entry(item) for item in obj["metadata"].get("managedFields") or ()]
    return tuple(sorted(entries, key=lambda entry: entry.at.timestamp() if entry.at else 0.0, reverse=True))


def writers_table(obj: Object, only: str = "") -> list[str]:
    """The entries that own paths which begin with `only`, as a table of these; says so when there are none."""
    rows = [
        (
            clock_time(entry.at),
            visible(entry.manager, 128),
            entry.operation,
            entry.subresource or "-",
            _summary(entry, only),
        )
        for entry in writers(obj)
        if any(path.startswith(only) for path in entry.paths)
    ]
    if not rows:
        return ["unknown: the object has no managedFields for it"]
    return table([("LAST CHANGE", "MANAGER", "OPERATION", "SUBRESOURCE", "OWNS"), *rows])


def _entry(item: Mapping[str, Any]) -> Written:
    paths = []
    for path in _paths(item.get("fieldsV1") or {}, "", 0):
        paths.append(path)
        if len(paths) == MAX_PATHS:
            break
    return Written(
        item.get("manager", ""),
        item.get("operation", ""),
        item.get("subresource", ""),
        parse_time(item.get("time")),
        tuple(paths),
    )


def _paths(fields: Mapping[str, Any], prefix: str, depth: int) -> Iterator[str]:
    children = {key: value for key, value in fields.items() if key != "."}
    if prefix and (not children or depth == DEEPEST):
        yield prefix
        return
    for key, value in children.items():
        yield from _paths(value or {}, prefix + _step(key, prefix), depth + 1)


def _step(key: str, prefix: str) -> str:
    """`f:image` -> `.image`; `k:{"name":"app"}` -> `[name=app]`; `v:"x"` -> `["x"]`."""
    kind, _, rest = key.partition(":")
    if kind == "f":
        return f".{rest}" if prefix else rest
    return f"[{_list_key(rest)}]" if kind == "k" else f"[{rest}]"


def _list_key(text: str) -> str:
    try:
        keys = json.loads(text)
    except ValueError:
        return text
    return ",".join(f"{key}={value}" for key, value in keys.items()) if isinstance(keys, dict) else text


def _summary(entry: Written, only: str) -> str:
    paths = sorted(path for path in entry.paths if path.startswith(only))
    shown = ", ".join(visible(path, 128) for path in paths[:SHOWN])
    return f"{shown}, … (+{len(paths) - SHOWN} fields)" if len(paths) > SHOWN else shown or "-"

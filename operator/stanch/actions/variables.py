"""Environment variables of one container: what they say, and a container with some of them changed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stanch.engine.ports import Object


def values(container: Object) -> dict[str, str | dict[str, Any]]:
    """Name -> its literal value, or where it is taken from. The API server leaves empty values out."""
    return {item["name"]: item.get("valueFrom") or item.get("value", "") for item in container.get("env") or ()}


def rewritten(container: Object, changes: Mapping[str, str | None], order: Sequence[str] = ()) -> Object:
    """A copy in which the variables have these values; None takes one away. All others stay as and where they are.

    One that is not there yet comes after the nearest one before it in `order`, else last: a variable may refer to earlier
    ones. https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """
    now = values(container)
    differing = {name: value for name, value in changes.items() if now.get(name) != value}
    left = [item for item in container.get("env") or () if differing.get(item["name"], "") is not None]
    env = [_entry(item["name"], differing[item["name"]]) if item["name"] in differing else item for item in left]
    for name in sorted(differing.keys() - now.keys(), key=lambda name: _rank(name, order)):
        env.insert(_place([item["name"] for item in env], name, order), _entry(name, differing[name]))
    rest = {key: value for key, value in container.items() if key != "env"}
    return {**rest, "env": env} if env else rest


def _entry(name: str, value: str | None) -> Object:
    return {"name": name, "value": value} if value else {"name": name}


def _rank(name: str, order: Sequence[str]) -> tuple[int, str]:
    return (order.index(name) if name in order else len(order), name)


def _place(present: Sequence[str], name: str, order: Sequence[str]) -> int:
    if name not in order:
        return len(present)
    earlier = [present.index(item) for item in order[: order.index(name)] if item in present]
    return earlier[-1] + 1 if earlier else 0

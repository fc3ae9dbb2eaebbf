"""Incidents as `kubectl get inc` shows them. Read raw: one that a later version of stanch wrote does not hide the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from stanch.cli.output import Format, ago, columns, say, say_json
from stanch.cli.session import API_VERSION, Session
from stanch.engine.ports import Object

HEADS = ("NAME", "SEV", "PHASE", "PLAYBOOK", "AT", "WAITS FOR", "UNTIL", "REVERTS", "AGE")
# More than a person reads; what is beyond it is said.
MAX_ROWS = 5000


async def show(session: Session, everywhere: bool, output: Format) -> None:
    found, cut = await read(session, everywhere)
    if output is Format.json:
        say_json({"apiVersion": API_VERSION, "kind": "IncidentList", "items": found, "cut": cut})
        return
    for line in lines(found, session.clock.now(), everywhere):
        say(line)
    if cut:
        say(f"… more than {MAX_ROWS} incidents; the rest is not shown")
    if not found:
        say(f"no incidents in {'any namespace' if everywhere else f'namespace {session.where.namespace}'}")


async def read(session: Session, everywhere: bool) -> tuple[list[Object], bool]:
    """The incidents, the newest first, and whether there are more."""
    found: list[Object] = []
    async for item in session.cluster.list(API_VERSION, "Incident", "" if everywhere else session.where.namespace):
        if len(found) == MAX_ROWS:
            return newest(found), True
        found.append(item)
    return newest(found), False


def newest(found: list[Object]) -> list[Object]:
    by_name = sorted(found, key=lambda item: (item["metadata"]["namespace"], item["metadata"]["name"]))
    return sorted(by_name, key=lambda item: item["metadata"]["creationTimestamp"], reverse=True)


def lines(found: Iterable[Object], now: datetime, everywhere: bool) -> list[str]:
    """The table; empty when there is nothing to show."""
    rows = [row(item, now) for item in found]
    if not rows:
        return []
    return columns(("NAMESPACE", *HEADS), rows) if everywhere else columns(HEADS, [cells[1:] for cells in rows])


def row(item: Object, now: datetime) -> tuple[str, ...]:
    metadata, status = item["metadata"], item.get("status") or {}
    age = ago(now - datetime.fromisoformat(metadata["creationTimestamp"]))
    severity = text(status, "classified", "severity") or text(item, "spec", "severity")
    glass = ", GLASS BROKEN" if status.get("brokenGlass") else ""
    said = (severity, text(status, "phase") + glass, text(status, "playbook", "name"))
    owed = str(status.get("openReverts") or "")
    until = text(status, "waitsUntil")
    left = f"in {ago(datetime.fromisoformat(until) - now)}" if until else ""
    return (metadata["namespace"], metadata["name"], *said, text(status, "at"), text(status, "waitsFor"), left, owed, age)


def text(value: Any, *path: str) -> str:
    """The text at `path`; empty where there is none."""
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""

"""`stanch reverts`: every change that is still to be taken back, the next one first.

Read raw: an Incident that a later version of stanch wrote does not hide the others, and a state that is not known here counts
as open.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from stanch.cli.listing import MAX_ROWS, text
from stanch.cli.output import Format, ago, columns, say, say_json
from stanch.cli.owed import NEVER
from stanch.cli.session import API_VERSION, Session
from stanch.domain.incident import OPEN_REVERTS, RevertState
from stanch.engine.ports import Object

HEADS = ("INCIDENT", "STEP", "OBJECT", "DUE", "STATE", "MESSAGE")
SETTLED = frozenset(RevertState) - OPEN_REVERTS


async def show(session: Session, everywhere: bool, output: Format) -> None:
    found, cut = await read(session, everywhere)
    if output is Format.json:
        say_json({"apiVersion": API_VERSION, "kind": "RevertList", "items": found, "cut": cut})
        return
    for line in lines(found, session.clock.now(), everywhere):
        say(line)
    if cut:
        say(f"… more than {MAX_ROWS} open reverts; the rest is not shown")
    if not found:
        say(f"nothing is to be taken back in {'any namespace' if everywhere else f'namespace {session.where.namespace}'}")


async def read(session: Session, everywhere: bool) -> tuple[list[Object], bool]:
    """The open ones by time, those without a time last; each with `namespace` and `incident`. And whether there are more."""
    found: list[Object] = []
    async for item in session.cluster.list(API_VERSION, "Incident", "" if everywhere else session.where.namespace):
        found += owed(item)
        if len(found) > MAX_ROWS:
            return ordered(found)[:MAX_ROWS], True
    return ordered(found), False


def owed(incident: Object) -> list[Object]:
    metadata, records = incident["metadata"], (incident.get("status") or {}).get("reverts") or []
    place = {"namespace": metadata["namespace"], "incident": metadata["name"]}
    return [{**place, **record} for record in records if text(record, "state") not in SETTLED]


def ordered(found: list[Object]) -> list[Object]:
    by_name = sorted(found, key=lambda item: (item["namespace"], item["incident"], text(item, "option"), text(item, "step")))
    return sorted(by_name, key=lambda item: due_at(item) or NEVER)


def due_at(item: Any) -> datetime | None:
    at = text(item, "dueAt")
    return datetime.fromisoformat(at) if at else None


def lines(found: list[Object], now: datetime, everywhere: bool) -> list[str]:
    """The table; empty when there is nothing to show."""
    rows = [row(item, now) for item in found]
    if not rows:
        return []
    return columns(("NAMESPACE", *HEADS), rows) if everywhere else columns(HEADS, [cells[1:] for cells in rows])


def row(item: Object, now: datetime) -> tuple[str, ...]:
    step = f"{text(item, 'option')}/{text(item, 'step')}"
    changed = f"{text(item, 'ref', 'kind').lower()}/{text(item, 'ref', 'name')}"
    at = due_at(item)
    when = due(at, now) if at else "on recovery" if item.get("onRecovery") else "when asked"
    return (item["namespace"], item["incident"], step, changed, when, text(item, "state"), text(item, "message"))


def due(at: datetime | None, now: datetime) -> str:
    """`2026-11-21 04:00:00 UTC (in 59m)`, `… (5m late)`; empty without a time."""
    if at is None:
        return ""
    relative = f"in {ago(at - now, exactly=True)}" if at > now else f"{ago(now - at, exactly=True)} late"
    return f"{at:%Y-%m-%d %H:%M:%S} UTC ({relative})"

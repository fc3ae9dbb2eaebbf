"""Until when an incident must be mitigated (RTO, runbook demand B-02).

The time counts from when it was noticed, whoever takes the incident on and however late. That it was not mitigated by then is told
when it is over, and stays visible whatever helps later.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from stanch.domain.incident import SETTLED, Phase, Status
from stanch.engine.turn import Turn

HELPED = frozenset({Phase.Mitigated, Phase.Resolved})


def due(turn: Turn, within: timedelta | None) -> datetime | None:
    """When it must be mitigated. Once that time is over, no other severity moves it: late stays late."""
    if turn.status.unrestored:
        return turn.status.restore_by
    return turn.facts.detected_at + within if within is not None else None


def marked(status: Status, now: datetime) -> Status:
    """Since when it is mitigated; what came back is not."""
    if status.phase in HELPED:
        return status if status.restored_at else replace(status, restored_at=status.phase_since or now)
    return status if status.phase in SETTLED else replace(status, restored_at=None)


def how_late(status: Status) -> str:
    """Empty: in time, or there was none, or it is not mitigated."""
    at, by = status.restored_at, status.restore_by
    return f", {(at - by).total_seconds():.0f} s late" if at and by and at > by else ""


def next_at(status: Status) -> datetime | None:
    """When it must be mitigated; None: that is not waited for."""
    waits = status.restored_at is None and not status.unrestored and status.phase not in SETTLED
    return status.restore_by if waits else None


def heed(turn: Turn) -> None:
    """Tells, once, that it was not mitigated in time."""
    by = next_at(turn.status)
    if by is None or turn.now < by:
        return
    turn.set(unrestored=True)
    turn.say(turn.key("unrestored"), "Wait for it to be mitigated", expectation=f"it is by {by:%H:%M:%S} UTC",
             result="it is not", next="go on, and say so")  # fmt: skip

"""Who takes an incident on, and how grave it is.

The time to take it on counts from when it was noticed. That nobody had it by then is told when it is over, and stays visible
whoever comes later.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from stanch.domain.decision import Decision
from stanch.domain.incident import SETTLED, Phase, Status
from stanch.domain.said import AckRecord, ClassRecord
from stanch.engine import messages
from stanch.engine.outcomes import CameBack
from stanch.engine.taken import Taken
from stanch.engine.transitions import Event, legal
from stanch.engine.turn import Turn


def due(turn: Turn, within: timedelta | None) -> datetime | None:
    """When it must have been taken on. Once it was, or that time is over, no other severity moves it: late stays late."""
    was = turn.status.acknowledge_by
    if was and (turn.status.unheeded or turn.status.acknowledged):
        return was
    return turn.facts.detected_at + within if within is not None else None


def acknowledge(turn: Turn, decision: Decision) -> Taken:
    if turn.status.phase in SETTLED:
        return Taken(False, f"an incident that is {turn.status.phase} waits for nobody to take it on")
    if was := turn.status.acknowledged:
        return Taken(False, f"{was.by} acknowledged it already, at {was.at:%H:%M:%S} UTC")
    turn.set(acknowledged=AckRecord(decision.by, decision.created_at, decision.role))
    return Taken(True, f"{decision.by} has it{how_late(turn.status)}")


def how_late(status: Status) -> str:
    """Empty: in time, or there was none."""
    taken, due = status.acknowledged, status.acknowledge_by
    if taken is None or due is None or taken.at <= due:
        return ""
    return f", {(taken.at - due).total_seconds():.0f} s late"


def next_at(status: Status) -> datetime | None:
    """When it must have been taken on; None: that is not waited for."""
    waits = status.acknowledged is None and not status.unheeded and status.phase not in SETTLED
    return status.acknowledge_by if waits else None


def heed(turn: Turn) -> None:
    """Tells, once, that nobody has taken it on in time."""
    due = next_at(turn.status)
    if due is None or turn.now < due:
        return
    turn.set(unheeded=True)
    turn.say(turn.key("unheeded"), "Wait for somebody to take it on", expectation=f"an Acknowledge by {due:%H:%M:%S} UTC",
             result="nobody has", next="go on, and say so")  # fmt: skip


def classify(turn: Turn, decision: Decision) -> Taken:
    """Confirmed or changed. Where it changes, what is not begun is planned anew, and approved anew; what runs goes on."""
    if turn.status.phase in SETTLED or turn.in_phase(Phase.Aborting):
        return Taken(False, f"an incident that is {turn.status.phase} is not classified any more")
    said, was, levels = decision.severity, turn.severity, turn.status.levels
    if levels and said not in levels:
        return Taken(False, f"the policy has no severity {said!a}; it has {', '.join(levels)}")
    turn.set(classified=ClassRecord(said, was, decision.by, decision.created_at, decision.role))
    why = ", as the criteria propose" if turn.status.proposal and turn.status.proposal.severity == said else ""
    return Taken(True, f"confirmed as {said}{why}") if said == was else changed(turn, decision, f"{said} instead of {was}{why}")


def replans(status: Status) -> bool:
    """Whether nothing is begun that would go on: also an option that was let run is planned anew while a guard or a Hold keeps it
    from its first step. What came back without its past waits for a Resume, whatever else is said."""
    begun = status.phase is Phase.Mitigating and any(record.option == status.option for record in status.steps)
    return legal(status.phase, Event.Reclassified) and not begun and status.reason != CameBack.REASON


def changed(turn: Turn, decision: Decision, what: str) -> Taken:
    messages.outdate(turn, f"severity is {what}: it is drafted anew when the incident is planned anew")
    if replans(turn.status):
        turn.go(Event.Reclassified, "Reclassified", f"{what}, says {decision.by}: planned anew, and approved anew")
        turn.anew(resumed=turn.status.resumed)
        return Taken(True, f"{what}: planned anew, and approved anew")
    if turn.in_phase(Phase.Opened):
        turn.anew(resumed=turn.status.resumed)
        return Taken(True, f"{what}: planned with it")
    turn.set(approvals=tuple(record for record in turn.status.approvals if record.option == turn.status.option))
    return Taken(True, f"{what}: what is under way goes on, other options are approved anew; planned with it after a Resume")

"""decide(snapshot, now) -> Move: the whole judgement of stanch, without I/O and without a clock of its own.

It walks from phase to phase until an effect is needed or time must pass. The shell stores the returned status
(compare-and-swap), flushes the timeline, performs the one effect, and calls again with its outcome. A crash between any
two of these leaves a status from which the same walk goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from stanch.domain.incident import FORMAT_VERSION, SETTLED, Phase, Status
from stanch.engine import (
    calling,
    choosing,
    closing,
    debts,
    decisions,
    mitigating,
    opening,
    patience,
    restoring,
    reverting,
    summary,
    triage,
    verifying,
)
from stanch.engine.capturing import capturing
from stanch.engine.diagnosing import diagnosing
from stanch.engine.moves import Move, Snapshot
from stanch.engine.recovering import mitigated, rests, watched
from stanch.engine.transitions import Event
from stanch.engine.turn import Turn, clip
from stanch.engine.vouching import known_by

HANDLERS: Mapping[Phase, Callable[[Turn], Move | None]] = {
    Phase.Opened: opening.opened,
    Phase.Waiting: opening.waiting,
    Phase.Capturing: capturing,
    Phase.Diagnosing: diagnosing,
    Phase.AwaitingApproval: choosing.awaiting_approval,
    Phase.Mitigating: mitigating.mitigating,
    Phase.Verifying: verifying.verifying,
    Phase.Holding: verifying.holding,
    Phase.Mitigated: mitigated,
    Phase.Escalated: lambda turn: turn.move(),
    Phase.Aborting: closing.aborting,
    Phase.Resolved: closing.settled,
    Phase.Closed: closing.settled,
    Phase.Aborted: closing.settled,
    Phase.Failed: closing.settled,
}

# Lines that one status may tell before it is stored: it holds 24, and no handler adds more than 17 at once (16 questions).
MANY = 4
STORE_RETRY = timedelta(seconds=5)
PLANLESS = frozenset({Phase.Opened, Phase.Waiting, *SETTLED})


def decide(snapshot: Snapshot, now: datetime) -> Move:
    """The next status, at most one effect, and when to look again. Raises nothing for any input of the cluster."""
    if snapshot.status.format_version != FORMAT_VERSION:
        # Written by another version of stanch: reading it wrongly would be worse than leaving it to that version.
        return Move(snapshot.status, None, None)
    move = stuck(snapshot, now) if snapshot.store_error else walk(Turn(snapshot, now))
    return finish(move, snapshot, now)


def stuck(snapshot: Snapshot, now: datetime) -> Move:
    """The pack cannot be written: nothing may happen that it would have to tell. Entries owed to it are kept."""
    return Move(snapshot.status, None, now + STORE_RETRY)


def walk(turn: Turn) -> Move:
    begin(turn)
    if not unread(turn):
        if turn.facts.deleted:
            decisions.deleted(turn)
        triage.heed(turn)
        restoring.heed(turn)
        if mark := decisions.take_one(turn):
            return turn.move(mark)
    move = go(turn)
    if move.effect is None and not unread(turn) and decisions.unheard(turn):
        return replace(move, wake_at=turn.now)  # a Note that was not taken yet is, in the next tick
    return move


def go(turn: Turn) -> Move:
    # What is due to be taken back comes first, in any phase; an outcome that its phase waits for is taken in before.
    if (turn.effect is None or reverting.asked(turn)) and (move := reverting.act(turn)):
        return move
    while True:
        move = HANDLERS[turn.status.phase](turn)
        if move is not None:
            return move
        if len(turn.entries) >= MANY and turn.effect is None:
            return turn.move(wake_in=timedelta())


def unread(turn: Turn) -> bool:
    """Whether nobody knows yet if its pack tells of a past: until Resolve has looked, nothing is told, or the chain would fork."""
    return turn.in_phase(Phase.Opened) and turn.status.pack.head.seq == 0


def begin(turn: Turn) -> None:
    """Marks the status as this leader's own; an open incident whose plan is gone cannot go on."""
    if turn.status.phase_since is None:
        turn.set(phase_since=turn.now, reason="Opened", message="Looking for a playbook")
    if turn.status.phase in SETTLED and not watched(turn.status):
        return
    if turn.status.epoch != turn.epoch:
        turn.set(epoch=turn.epoch)
        if turn.in_phase(Phase.Holding):
            # Nobody watched while there was no leader: the hold begins anew.
            verifying.lose(turn, verifying.UNWATCHED)
        turn.set(hold_until=None, steps=tuple(replace(step, hold_until=None) for step in turn.status.steps))
    if not turn.has_plan and turn.status.phase not in PLANLESS and not turn.in_phase(Phase.Escalated, Phase.Aborting):
        broken(turn)


def broken(turn: Turn) -> None:
    """What is owed needs no plan, and is still taken back."""
    turn.say(turn.key("broken"), "Read the stored plan", result=f"plan {turn.status.plan_digest} is gone or was changed")
    event = Event.AbortAsked if debts.opened(turn) else Event.Broken
    turn.go(event, "PlanLost", "The stored plan is gone or was changed: nothing further is written")


def finish(move: Move, snapshot: Snapshot, now: datetime) -> Move:
    generation = snapshot.facts.generation
    standing = restoring.marked(move.status, now)
    counted = replace(standing, open_reverts=len(debts.open_in(standing)), rests=rests(standing))
    known = known_by(snapshot.trust, snapshot.status.vouched)
    waits_until = patience.until(counted, snapshot.plan)
    status = named(replace(counted, observed_generation=generation, vouched=known, waits_until=waits_until))
    wake_at = move.wake_at
    if not move.effect and not snapshot.store_error:
        wake_at = earliest(wake_at, debts.next_at(status), triage.next_at(status), restoring.next_at(status))
    if status != snapshot.status:
        status = replace(status, wake_at=wake_at)
    conditions = summary.conditions(status, generation, now, snapshot.trust, snapshot.store_error, snapshot.lapses)
    return replace(move, status=replace(status, conditions=conditions), wake_at=wake_at)


def named(status: Status) -> Status:
    """Whatever else the phase waits for, who must settle what could not be taken back stays named (E-18)."""
    stuck = debts.stuck_in(status)
    if not stuck or status.phase in SETTLED or calling.ASKED in status.waits_for:
        return status
    return replace(status, waits_for=clip(calling.waits(debts.names(stuck), status.waits_for), 253))


def earliest(*times: datetime | None) -> datetime | None:
    return min((time for time in times if time is not None), default=None)

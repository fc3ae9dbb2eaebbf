"""Mitigated: checks hold, what was temporary is taken back, checks again; then Resolved, and for a while watched.

D-12: mitigations are removed only after the recovery checks have held. C-06: a relapse within the window reopens the incident.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from stanch.domain.duration import spell
from stanch.domain.incident import SETTLED, TERMINAL, OptionState, Phase, RecoveryStage, Status, Verdict
from stanch.engine import debts, pausing
from stanch.engine.capturing import attempt, failure, record
from stanch.engine.moves import Capture, Checks, Move, Read
from stanch.engine.outcomes import Captured, Later, Readings
from stanch.engine.summary import unexplained
from stanch.engine.transitions import Event
from stanch.engine.trial import Failed, Hold, Lost, Passed, Pending, Trial, judge, note, summary
from stanch.engine.turn import Turn, clip

# A check that denies must do so for this long before an incident is reopened: one bad answer is no relapse.
RELAPSE = timedelta(seconds=20)
WATCH_POLL = timedelta(seconds=10)
# Recovery may wait for long, but not without anybody being told.
PATIENCE = timedelta(hours=24)


def mitigated(turn: Turn) -> Move | None:
    if on_hold := pausing.wait(turn):
        return on_hold
    match turn.status.recovery:
        case None:
            enter(turn, RecoveryStage.Checking)
            return None
        case RecoveryStage.Checking:
            return checking(turn, RecoveryStage.Removing)
        case RecoveryStage.Removing:
            return removing(turn)
        case RecoveryStage.Rechecking:
            return checking(turn, RecoveryStage.Done)
    return finishing(turn)


def enter(turn: Turn, stage: RecoveryStage) -> None:
    turn.set(recovery=stage, recovery_since=turn.now, hold_until=None, waits_for="")


def checking(turn: Turn, then: RecoveryStage) -> Move | None:
    checks = turn.plan.recovery.verify
    if not checks:
        enter(turn, then)
        return None
    outcome = turn.take(Read, Readings, Later)
    if outcome is None:
        return turn.move(Read(Checks.recovery))
    since = turn.status.recovery_since or turn.now
    standing, readings = judge(Trial(checks, since, since + PATIENCE, turn.status.hold_until), outcome, turn.now)
    match standing:
        case Pending(wake_in):
            if turn.status.hold_until is None:
                turn.set(message="Recovery: waiting for its checks")
            return turn.move(wake_in=wake_in)
        case Hold(until, length) if length:
            turn.set(hold_until=until, message=f"Recovery: its checks hold for {spell(length)}")
        case Hold() | Passed():
            note(turn, readings)
            turn.say(turn.key("recovery", str(turn.status.recovery).lower()), "Recovery checks", expectation="they hold",
                     result=summary(readings), next=str(then))  # fmt: skip
            enter(turn, then)
        case Lost():
            turn.set(hold_until=None, recovery_since=turn.now)
        case Failed(why, denied):
            note(turn, readings)
            relapse(turn, OptionState.Denied if denied else OptionState.Inconclusive, why)
    return None


def relapse(turn: Turn, state: OptionState, why: str) -> None:
    """What helped helps no longer, or nobody can tell any more: the next option."""
    if turn.status.option:
        told = f"did not last: {why}" if state is OptionState.Denied else f"not known whether it lasts: {why}"
        turn.close_option(replace(turn.option_record, state=state, message=clip(told)))
        debts.after_failure(turn, turn.option)
    turn.say(turn.key("relapse", str(turn.status.recovery).lower()), "Recover", expectation="the checks hold", result=why,
             next="next option")  # fmt: skip
    turn.set(recovery=None, recovery_since=None)
    turn.go(Event.Relapsed, "Relapsed", f"Recovery: {why}")


def removing(turn: Turn) -> Move | None:
    """Everything temporary is demanded back once; those bound to their own time alone are waited for."""
    wanted = tuple(r for r in debts.opened(turn) if r.due_at is None or (r.on_recovery and r.due_at > turn.now))
    if wanted:
        turn.say(turn.key("recovery", "removing", str(len(turn.status.reverts))), "Remove temporary mitigations",
                 next=debts.demand(turn, wanted))  # fmt: skip
    if stuck := debts.stuck(turn):
        turn.set(waits_for=f"Revert or Confirm of {debts.names(stuck)}",
                 message=clip(f"{debts.names(stuck)} could not be taken back: {stuck[0].message}"))  # fmt: skip
        return turn.move()
    if still := debts.opened(turn):
        turn.set(waits_for="", message=f"Recovery: {debts.names(still)} still to be taken back")
        return turn.move()
    since = turn.status.phase_since
    taken = any(r.done_at and since and r.done_at >= since for r in turn.status.reverts)
    enter(turn, RecoveryStage.Rechecking if taken else RecoveryStage.Done)
    return None


def finishing(turn: Turn) -> Move | None:
    role = turn.status.close_role
    if role and not turn.status.close_granted:
        turn.set(waits_for=f"Close by {role}")
        return turn.move()
    return after(turn)


def after(turn: Turn) -> Move | None:
    """Evidence from after the mitigation. That it is incomplete is recorded, and holds nobody up any more."""
    if outcome := turn.take(Capture, Captured):
        record(turn, outcome)
    elif problem := failure(turn):
        turn.say(turn.key("evidence", "after"), "Capture evidence afterwards", result=problem)
    else:
        return attempt(turn, "after")
    watch = turn.plan.recovery.watch_for if turn.plan.recovery.verify else timedelta()
    turn.say(turn.key("resolved"), "Resolve", expectation=turn.facts.title, result=f"option {turn.status.option} helped",
             next=f"watched for {spell(watch)}; a person's Close ends the incident" if watch
             else "seal the pack; a person's Close ends the incident")  # fmt: skip
    turn.go(Event.Recovered, "Resolved", f"Option {turn.status.option} helped; verified, held, sealed", waits_for="Close")
    turn.set(watch_until=turn.now + watch if watch else None, recovery_since=None)
    return None


# Watched after it was resolved.


def watched(status: Status) -> bool:
    return status.phase is Phase.Resolved and status.watch_until is not None


def rests(status: Status) -> bool:
    """Whether an incident needs nothing more from stanch by itself, until it is to be deleted."""
    under_way = watched(status) or status.locked or status.pack.sealed < status.pack.head.seq
    goes = status.phase in TERMINAL and status.retention is not None and not unexplained(status, status.postmortem)
    return status.phase in SETTLED and not (under_way or (goes and status.delete_at is None))


def watching(turn: Turn) -> Move | None:
    """None: nothing is watched, or the incident was reopened."""
    if not watched(turn.status) or not turn.has_plan:
        return None
    if turn.now >= turn.status.watch_until:
        turn.set(watch_until=None, recovery_since=None)
        return None
    outcome = turn.take(Read, Readings, Later)
    if outcome is None:
        return turn.move(Read(Checks.recovery))
    readings = outcome.of if isinstance(outcome, Readings) else {}
    denied = [name for name, seen in readings.items() if seen.verdict is Verdict.Denied]
    if denied and turn.status.recovery_since and turn.now - turn.status.recovery_since >= RELAPSE:
        reopen(turn, "; ".join(f"{name}: {readings[name].message}" for name in denied))
        return None
    if denied:
        turn.set(recovery_since=turn.status.recovery_since or turn.now)
    elif readings and all(seen.verdict is Verdict.Confirmed for seen in readings.values()):
        turn.set(recovery_since=None)  # one that could not be read is neither a relapse nor the end of one
    return turn.move(wake_in=min(WATCH_POLL, turn.status.watch_until - turn.now))


def reopen(turn: Turn, why: str) -> None:
    turn.say(turn.key("recurred"), "Watch", expectation="it does not come back", result=why, next="plan anew")
    turn.go(Event.Recurred, "Recurred", f"It has come back: {why}")
    turn.anew()

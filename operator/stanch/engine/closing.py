"""From Mitigated on: evidence from after, locks given back, pack sealed. Beside it: how an abort ends."""

from __future__ import annotations

from dataclasses import replace

from stanch.domain.incident import StepRecord, StepState
from stanch.engine.capturing import record
from stanch.engine.mitigating import open_intent
from stanch.engine.moves import (
    Capture,
    Captured,
    Denied,
    Done,
    Later,
    Move,
    Release,
    Seal,
    Sealed,
    Stale,
    Write,
    Written,
)
from stanch.engine.transitions import Event
from stanch.engine.turn import Turn, clip


def mitigated(turn: Turn) -> Move | None:
    role = turn.status.close_role
    if role and turn.status.reason != "CloseGranted":
        turn.set(waits_for=f"Close by {role}")
        return turn.move()
    return after(turn)


def after(turn: Turn) -> Move | None:
    """Evidence from after the mitigation. That it is incomplete is recorded, and holds nobody up any more."""
    if outcome := turn.take(Capture, Captured):
        record(turn, outcome)
    elif failed := turn.take(Capture, Denied, Later):
        turn.say(turn.key("evidence", "after"), "Capture evidence afterwards", result=f"{failed.reason}: {failed.message}")
    else:
        return turn.move(Capture(f"after-{turn.status.evidence.captures + 1}"))
    turn.say(turn.key("resolved"), "Resolve", expectation=turn.facts.title, result=f"option {turn.status.option} helped",
             next="seal the pack; a person's Close ends the incident")  # fmt: skip
    turn.go(Event.Recovered, "Resolved", f"Option {turn.status.option} helped; verified, held, sealed", waits_for="Close")
    return None


def aborting(turn: Turn) -> Move | None:
    """An intent that is open is observed first: the record must say what was written and what was not."""
    if (intent := open_intent(turn)) and (move := observe(turn, intent)):
        return move
    written = [f"{r.option}/{r.name}" for r in turn.status.steps if r.state is StepState.Done]
    turn.say(turn.key("aborted"), "Abort", result=f"written: {', '.join(written) or 'nothing'}", next="none")
    turn.go(Event.AbortDone, "Aborted", turn.status.message)
    return None


def observe(turn: Turn, intent: StepRecord) -> Move | None:
    if not turn.has_plan:
        why = "aborted; its plan is gone, so whether it was written is not known"
        turn.put_step(replace(intent, state=StepState.Failed, message=why))
    elif turn.take(Write, Written):
        turn.put_step(replace(intent, state=StepState.Done, done_at=turn.now))
    elif failed := turn.take(Write, Stale, Denied):
        turn.put_step(replace(intent, state=StepState.Failed, message=clip(f"aborted before it was written: {failed.message}")))
    elif later := turn.take(Write, Later):
        return turn.move(wake_in=turn.after(later))
    else:
        return turn.move(Write(intent.option, intent.name, intent.token, intent.resource_version, fence=True))
    return None


def settled(turn: Turn) -> Move | None:
    """Resolved, Closed, Aborted, Failed: give back, seal, rest. A deleted Incident goes with its finalizer: sealed before."""
    if turn.take(Release, Done):
        turn.set(locked=False)
    ways = (sealing, releasing) if turn.facts.deleted else (releasing, sealing)
    moves = (way(turn) for way in ways)
    return next((move for move in moves if move is not None), None) or turn.move()


def releasing(turn: Turn) -> Move | None:
    if not turn.status.locked:
        return None
    if later := turn.take(Release, Later, Denied):
        return turn.move(wake_in=turn.after(later))
    return turn.move(Release())


def sealing(turn: Turn) -> Move | None:
    was = turn.status.pack
    if was.sealed >= was.head.seq:
        return None
    if turn.facts.deleted and turn.take(Seal, Denied):
        return None  # another try changes nothing, and the locks of an incident that goes must not stay
    if later := turn.take(Seal, Later, Denied):
        return turn.move(wake_in=turn.after(later))
    sealed = turn.take(Seal, Sealed)
    if sealed is None:
        return turn.move(Seal(was.head))
    manifest = f"sha256:{sealed.manifest.sha256}"
    turn.set(pack=replace(was, sealed=was.head.seq, manifest=manifest, uri=was.uri or sealed.uri))
    return None

"""From Mitigated on: evidence from after, locks given back, pack sealed. Beside it: how an abort ends."""

from __future__ import annotations

from dataclasses import replace

from stanch.domain.incident import StepState
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
    if intent := open_intent(turn):
        if outcome := turn.take(Write, Written):
            turn.put_step(replace(intent, state=StepState.Done, message=clip(outcome.summary), done_at=turn.now))
        elif failed := turn.take(Write, Stale, Denied):
            turn.put_step(replace(intent, state=StepState.Failed, message=f"aborted before it was written: {failed.message}"))
        elif later := turn.take(Write, Later):
            return turn.move(wake_in=turn.after(later))
        else:
            return turn.move(Write(intent.option, intent.name, intent.token, intent.resource_version, fence=True))
    written = [f"{r.option}/{r.name}" for r in turn.status.steps if r.state is StepState.Done]
    turn.say(turn.key("aborted"), "Abort", result=f"written: {', '.join(written) or 'nothing'}", next="none")
    turn.go(Event.AbortDone, "Aborted", turn.status.message)
    return None


def settled(turn: Turn) -> Move | None:
    """Resolved, Closed, Aborted, Failed: give back, seal, rest."""
    if turn.status.locked:
        if turn.take(Release, Done):
            turn.set(locked=False)
        elif later := turn.take(Release, Later, Denied):
            return turn.move(wake_in=turn.after(later))
        else:
            return turn.move(Release())
    if turn.status.pack.uri and turn.status.pack.sealed < turn.status.pack.head.seq:
        if sealed := turn.take(Seal, Sealed):
            pack = replace(turn.status.pack, sealed=turn.status.pack.head.seq, manifest=f"sha256:{sealed.manifest.sha256}")
            turn.set(pack=pack)
        elif later := turn.take(Seal, Later, Denied):
            return turn.move(wake_in=turn.after(later))
        else:
            return turn.move(Seal(turn.status.pack.head))
    return turn.move()

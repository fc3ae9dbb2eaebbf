"""How an incident ends: an abort takes back what was temporary; then locks are given back, the pack is sealed, the rest watched
and at last collected."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from stanch.domain.incident import TERMINAL, Phase, RevertRecord, StepRecord, StepState
from stanch.engine import debts, recovering, reverting
from stanch.engine.mitigating import open_intent
from stanch.engine.moves import Collect, Move, Release, Seal, Write
from stanch.engine.outcomes import Denied, Done, Later, Sealed, Stale, Unknown, Written
from stanch.engine.summary import unexplained
from stanch.engine.transitions import Event
from stanch.engine.turn import Turn, clip


def aborting(turn: Turn) -> Move | None:
    """An intent that is open is observed first: the record must say what was written and what was not. Then what was
    temporary is taken back; what cannot be is for people."""
    if (intent := open_intent(turn)) and (move := observe(turn, intent)):
        return move
    if owed := debts.opened(turn):
        return take_back(turn, owed)
    written = [f"{r.option}/{r.name}" for r in turn.status.steps if effected(r)]
    unknown = [f"{r.option}/{r.name}" for r in turn.status.steps if r.state is StepState.Indeterminate]
    taken = [f"{r.option}/{r.step} {str(r.state).lower()}" for r in turn.status.reverts]
    told = {"written": written or ["nothing"], "unknown": unknown, "reverts": taken}
    result = "; ".join(f"{what}: {', '.join(parts)}" for what, parts in told.items() if parts)
    turn.say(turn.key("aborted"), "Abort", result=result, next="none")
    turn.go(Event.AbortDone, "Aborted", turn.status.message)
    return None


def effected(record: StepRecord) -> bool:
    """Also one whose end is still awaited (a Job), or that failed after it was written."""
    return record.state is StepState.Done or record.written_at is not None


def take_back(turn: Turn, owed: tuple[RevertRecord, ...]) -> Move:
    debts.demand(turn, owed)
    stuck = debts.stuck(turn)
    turn.set(waits_for=f"Revert or Confirm of {debts.names(stuck)}" if stuck else "")
    return turn.move(wake_in=timedelta() if reverting.next_one(turn) else None)


def observe(turn: Turn, intent: StepRecord) -> Move | None:
    if not turn.has_plan:
        why = "aborted; its plan is gone, so whether it was written is not known"
        turn.put_step(replace(intent, state=StepState.Failed, message=why))
    elif turn.take(Write, Written):
        turn.put_step(replace(intent, state=StepState.Done, done_at=turn.now))
    elif stale := turn.take(Write, Stale):
        turn.put_step(replace(intent, state=StepState.Failed, message=clip(f"aborted before it was written: {stale.message}")))
        debts.forget(turn, intent.token)
    elif denied := turn.take(Write, Denied):
        # What was not to be observed is still owed: what is not there needs no taking back.
        why = f"aborted; whether it was written is not known: {denied.message}"
        turn.put_step(replace(intent, state=StepState.Failed, message=clip(why), done_at=turn.now))
    elif unknown := turn.take(Write, Unknown):
        turn.put_step(replace(intent, state=StepState.Indeterminate, message=clip(f"aborted; {unknown.message}")))
    elif later := turn.take(Write, Later):
        return turn.move(wake_in=turn.after(later))
    else:
        return turn.move(Write(intent.option, intent.name, intent.token, intent.resource_version, fence=True))
    return None


def settled(turn: Turn) -> Move | None:
    """Resolved, Closed, Aborted, Failed: give back, seal, rest. A deleted Incident goes with its finalizer: sealed before."""
    if turn.take(Release, Done):
        turn.set(locked=False)
    ways = (sealing, releasing) if turn.facts.deleted else (releasing, sealing, recovering.watching, collecting)
    for way in ways:
        if move := way(turn):
            return move
        if turn.in_phase(Phase.Opened):
            return None
    return turn.move()


def releasing(turn: Turn) -> Move | None:
    if not turn.status.locked:
        return None
    if later := turn.take(Release, Later, Denied):
        return turn.move(wake_in=turn.after(later))
    return turn.move(Release(tuple(r.ref.uid for r in debts.opened(turn))))


def sealing(turn: Turn) -> Move | None:
    # The head that was sealed: while that was done, a Decision may have been told.
    if isinstance(effect := turn.effect, Seal) and (sealed := turn.take(Seal, Sealed)):
        manifest, was = f"sha256:{sealed.manifest.sha256}", turn.status.pack
        turn.set(pack=replace(was, sealed=effect.head.seq, manifest=manifest, uri=was.uri or sealed.uri))
    was = turn.status.pack
    if was.sealed >= was.head.seq:
        return None
    if turn.facts.deleted and turn.take(Seal, Denied):
        return None  # another try changes nothing, and the locks of an incident that goes must not stay
    if later := turn.take(Seal, Later, Denied):
        return turn.move(wake_in=turn.after(later))
    return turn.move(Seal(was.head))


def collecting(turn: Turn) -> Move | None:
    """After its retention the object goes, with its Decisions, plans and before-images. Its pack stays. Not while it still has to
    be explained: an abort is no way around that."""
    if turn.status.phase not in TERMINAL:
        return None
    lacks = unexplained(turn.status, turn.status.postmortem)
    turn.set(waits_for="Close with its postmortem" if lacks else "")
    if lacks or turn.status.retention is None:
        return None
    if turn.status.delete_at is None:
        turn.set(delete_at=turn.now + turn.status.retention)
    if turn.now < turn.status.delete_at:
        return turn.move(wake_in=turn.status.delete_at - turn.now)
    if turn.take(Collect, Done):
        return turn.move()
    if later := turn.take(Collect, Later, Denied):
        return turn.move(wake_in=turn.after(later))
    return turn.move(Collect())

"""What people say with authority, taken in one Decision at a time; late or contradictory ones are recorded without effect.

That `by` is who they say and holds `role` was proven by the API server at admission; here it is counted, where the API server
vouches for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from stanch.domain.decision import Decision, Verb
from stanch.domain.incident import TERMINAL, OptionRecord, OptionState, Phase, RevertRecord, RevertState, StepRecord, StepState
from stanch.engine import awaiting, choosing, debts, messages, mitigating, pausing, reverting, staffing, triage
from stanch.engine.approving import approve, break_glass, unfit, withdrawable
from stanch.engine.moves import Mark
from stanch.engine.outcomes import CameBack
from stanch.engine.summary import unexplained
from stanch.engine.taken import Taken
from stanch.engine.transitions import Event, legal
from stanch.engine.turn import Turn, clip
from stanch.engine.vouching import NotVouched, Vouched, counts_after

REMEMBERED = 32
# Notes that are taken in one tick, and of those that are remembered, how many may be unrecorded: who notes holds nothing up.
NOTES = 8


def take_one(turn: Turn) -> Mark | None:
    """Folds the first Decision that can be taken now into the turn; returns how to mark it. None: there is none, or nobody vouches.

    What directs the incident comes before everything else, in the order in which it was said. A Note directs nothing: it is
    taken in as a tick begins, when nothing is due to be taken back.
    """
    decision = next((d for d in unheard(turn) if d.verb is not Verb.Note or quiet(turn)), None)
    if decision is None:
        return None
    if decision.uid in turn.status.decisions:
        # Whether it counted is not kept beside its UID: the timeline says it.
        return Mark(decision.name, "", "recorded in the timeline, which says what came of it")
    taken = misdirected(turn, decision) or older(turn, decision, turn.trust) or HANDLERS[decision.verb](turn, decision)
    remember(turn, decision)
    about = decision.message or decision.option
    turn.say(turn.key("decision", decision.uid), f"{decision.verb} {about}".strip(), actor=decision.by, expectation=decision.reason,
             result=taken.message if taken.counted else f"no effect: {taken.message}")  # fmt: skip
    return Mark(decision.name, "Counted" if taken.counted else "NoEffect", taken.message)


def unheard(turn: Turn) -> list[Decision]:
    """Those that are not recorded and can be, in their order. One that could not be marked waits for the next tick; and while the
    API server takes no marks, Notes do."""
    if isinstance(turn.trust, NotVouched):
        return []
    tried, taken = turn.marks.marked | turn.marks.unmarked, len(unrecorded(turn))
    able = [d for d in turn.decisions if not d.recorded and d.name not in tried and has_room(turn, d, taken)]
    return sorted(able, key=lambda d: (d.verb is Verb.Note, d.created_at, d.uid))


def has_room(turn: Turn, decision: Decision, taken: int) -> bool:
    """Whether it can be remembered that it was taken, beside those that were `taken` and are not marked."""
    note = decision.verb is Verb.Note
    if note and turn.marks.failing:
        return False
    return decision.uid in turn.status.decisions or taken < (NOTES if note else REMEMBERED)


def unrecorded(turn: Turn) -> set[str]:
    """UIDs of those that were taken and are not marked yet: forgotten, they would be taken again."""
    return {d.uid for d in turn.decisions if not d.recorded} & set(turn.status.decisions)


def remember(turn: Turn, decision: Decision) -> None:
    kept = unrecorded(turn)
    recorded = [uid for uid in turn.status.decisions if uid not in kept]
    dropped = recorded[: max(0, len(turn.status.decisions) + 1 - REMEMBERED)]
    turn.set(decisions=(*(uid for uid in turn.status.decisions if uid not in dropped), decision.uid))


def quiet(turn: Turn) -> bool:
    """Whether a Note holds nothing up: no effect waits for its outcome to be looked at, nothing is due, and it is no flood."""
    return turn.effect is None and reverting.next_one(turn) is None and len(turn.marks.marked) < NOTES


def misdirected(turn: Turn, decision: Decision) -> Taken | None:
    """One incident's Decision says nothing about a later one of the same name."""
    if decision.incident_uid == turn.facts.uid:
        return None
    return Taken(False, f"it is about an incident with UID {decision.incident_uid}; the one of this name has {turn.facts.uid}")


def older(turn: Turn, decision: Decision, trust: Vouched) -> Taken | None:
    """What was said before the admission policy was in force, or while it may have been another one, may be anybody's."""
    after = counts_after(trust, turn.before.vouched)
    if decision.created_at > after:
        return None
    since = f"{after:%Y-%m-%d %H:%M:%S} UTC"
    return Taken(False, f"it is older than the admission policy that proves who says it (in force since {since}): say it again")


def reject(turn: Turn, decision: Decision) -> Taken:
    if decision.step:
        return reject_step(turn, decision)
    if problem := unfit(turn, decision):
        return Taken(False, problem)
    why = f"rejected by {decision.by}: {decision.reason}"
    if turn.in_phase(Phase.AwaitingApproval) and turn.status.option == decision.option:
        choosing.deny(turn, turn.option, why)
    elif withdrawable(turn.status, decision.option):
        mitigating.withdraw(turn, why)
    else:
        turn.close_option(OptionRecord(decision.option, OptionState.Denied, why))
    return Taken(True, f"option {decision.option} will not be run")


def note(turn: Turn, decision: Decision) -> Taken:
    return Taken(True, "noted")


def resume(turn: Turn, decision: Decision) -> Taken:
    if turn.status.held and not legal(turn.status.phase, Event.ResumeAsked):
        return pausing.lift(turn, decision)
    if not legal(turn.status.phase, Event.ResumeAsked):
        return Taken(False, f"an incident that is {turn.status.phase} cannot be resumed")
    if turn.status.reason == CameBack.REASON and turn.status.phase_since and decision.created_at < second(turn.status.phase_since):
        return Taken(False, "it was said before the incident came back without its status: look at its pack, and say it again")
    turn.go(Event.ResumeAsked, "Resumed", f"Resumed by {decision.by}: planned anew")
    turn.set(held=None)
    turn.anew(resumed=True)
    return Taken(True, "planned anew")


def second(at: datetime) -> datetime:
    """Objects bear the time of their creation in whole seconds."""
    return at.replace(microsecond=0)


def abort(turn: Turn, decision: Decision) -> Taken:
    if not legal(turn.status.phase, Event.AbortAsked):
        return Taken(False, f"an incident that is {turn.status.phase} cannot be aborted")
    turn.go(Event.AbortAsked, "AbortAsked", f"Aborted by {decision.by}: {decision.reason}")
    return Taken(True, "nothing further is changed; what was temporary is taken back")


def close(turn: Turn, decision: Decision) -> Taken:
    role = turn.status.close_role
    if role and decision.role != role:
        return Taken(False, f"closing needs role {role}, not {decision.role or 'none'}")
    if turn.in_phase(Phase.Mitigated) and role:
        turn.set(close_granted=True, waits_for="")
        return Taken(True, "released for resolution")
    if turn.status.phase in TERMINAL and unexplained(turn.status, turn.status.postmortem):
        return explain(turn, decision)
    if not legal(turn.status.phase, Event.CloseAsked):
        return Taken(False, f"an incident that is {turn.status.phase} cannot be closed")
    if owed := debts.opened(turn):
        return Taken(False, f"{debts.names(owed)} is still to be taken back: Revert it, or Confirm what cannot be taken back")
    if lacks := unexplained(turn.status, decision.postmortem):
        return Taken(False, f"{lacks}: Close with spec.postmortem")
    turn.go(Event.CloseAsked, "Closed", f"Closed by {decision.by}: {decision.reason}")
    turn.set(postmortem=decision.postmortem)
    return Taken(True, f"closed; postmortem {decision.postmortem}" if decision.postmortem else "closed")


def explain(turn: Turn, decision: Decision) -> Taken:
    """It is over, and stays as it ended; what the glass was broken for is to be explained all the same."""
    if lacks := unexplained(turn.status, decision.postmortem):
        return Taken(False, f"{lacks}: Close with spec.postmortem")
    turn.set(postmortem=decision.postmortem)
    return Taken(True, f"it stays {turn.status.phase}; postmortem {decision.postmortem}")


def confirm(turn: Turn, decision: Decision) -> Taken:
    """A person answers for a step: it is so, it took effect, or what could not be taken back was dealt with."""
    if stuck := revert_of(turn, decision, debts.stuck(turn)):
        reverting.settle(turn, stuck, RevertState.Released, f"{decision.by}: {decision.reason}", actor=decision.by)
        return Taken(True, f"{decision.option}/{decision.step} is released from being taken back")
    record = waiting(turn, decision)
    if record is None:
        return nothing_waits(decision)
    step = turn.plan.step(record.option, record.name)
    if record.state is StepState.Waiting and decision.role != step.role:
        return Taken(False, f"step {step.name} asks for {step.role}, not for {decision.role or 'no role'}")
    awaiting.end(turn, step, replace(record, message=clip(f"confirmed by {decision.by}: {decision.reason}")))
    return Taken(True, f"step {step.name} is confirmed")


def reject_step(turn: Turn, decision: Decision) -> Taken:
    """It did not take effect, or it is not so: the option goes no further."""
    record = waiting(turn, decision)
    if record is None:
        return nothing_waits(decision)
    why = f"rejected by {decision.by}: {decision.reason}"
    turn.put_step(replace(record, state=StepState.Failed, message=clip(why), done_at=turn.now))
    mitigating.fail(turn, OptionState.Failed, f"step {record.name} {why}")
    return Taken(True, f"step {record.name} is not so")


def waiting(turn: Turn, decision: Decision) -> StepRecord | None:
    """The step under way that waits for a person, when the Decision is about it."""
    if not turn.in_phase(Phase.Mitigating) or decision.option != turn.status.option:
        return None
    record = turn.step_record(decision.step)
    if record is None:
        return None
    asks = record.state is StepState.Waiting and bool(turn.plan.step(record.option, record.name).role)
    return record if asks or record.state is StepState.Indeterminate else None


def revert_of(turn: Turn, decision: Decision, among: tuple[RevertRecord, ...]) -> RevertRecord | None:
    """The latest of them that the Decision is about."""
    return next((r for r in reversed(among) if (r.option, r.step) == (decision.option, decision.step)), None)


def extend(turn: Turn, decision: Decision) -> Taken:
    record = revert_of(turn, decision, debts.opened(turn))
    if record is None or record.due_at is None or decision.extend_by is None:
        return Taken(False, f"no change of {decision.option}/{decision.step} is to be taken back at a time")
    if not reverting.may_stay(turn, record, decision.created_at):
        return Taken(False, f"{decision.option}/{decision.step} is being taken back already ({record.state})")
    due = record.due_at + decision.extend_by
    debts.postpone(turn, record, due)
    return Taken(True, f"{decision.option}/{decision.step} is taken back at {due:%Y-%m-%d %H:%M:%S} UTC instead")


def revert(turn: Turn, decision: Decision) -> Taken:
    """Now. What was in conflict is looked at again: whoever asks has mended it."""
    opened = debts.opened(turn)
    asked = tuple(r for r in opened if not decision.step or (r.option, r.step) == (decision.option, decision.step))
    if not asked:
        return Taken(False, "nothing of that is to be taken back")
    if decision.step and (leader := debts.leader(turn, asked[0])):
        return Taken(False, f"{debts.names(asked)} follows {debts.names((leader,))}: Revert that, and it is done after it")
    asked += tuple(r for r in opened if r not in asked and debts.leader(turn, r) in asked)
    for record in asked:
        if record.state in (RevertState.Conflict, RevertState.Blocked):
            debts.put(turn, replace(record, state=RevertState.Owed, retry_at=None, asks=False))
        elif decision.step:
            debts.put(turn, replace(record, asks=False))
    debts.demand(turn, tuple(r for r in debts.opened(turn) if r.token in {a.token for a in asked}))
    return Taken(True, f"{debts.names(asked)} is taken back now")


def nothing_waits(decision: Decision) -> Taken:
    return Taken(False, f"nothing waits for {decision.verb} of {decision.option}/{decision.step}")


HANDLERS: Mapping[Verb, Callable[[Turn, Decision], Taken]] = {
    Verb.Approve: approve,
    Verb.Reject: reject,
    Verb.Note: note,
    Verb.Resume: resume,
    Verb.Abort: abort,
    Verb.Close: close,
    Verb.Confirm: confirm,
    Verb.Extend: extend,
    Verb.Revert: revert,
    Verb.BreakGlass: break_glass,
    Verb.Acknowledge: triage.acknowledge,
    Verb.Classify: triage.classify,
    Verb.Hold: pausing.hold,
    Verb.Assign: staffing.assign,
    Verb.Release: messages.release,
}


def deleted(turn: Turn) -> None:
    """Who deletes the Incident aborts it; what it holds is given back before it goes."""
    if legal(turn.status.phase, Event.AbortAsked):
        turn.go(Event.AbortAsked, "Deleted", "The Incident was deleted")

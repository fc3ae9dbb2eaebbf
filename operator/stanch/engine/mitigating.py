"""Mitigating: one step at a time. Evidence, lock and before-image; intent; write; then what its end waits for; record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from stanch.domain.incident import OptionState, StepRecord, StepState
from stanch.domain.plan import OnFailure, Step
from stanch.engine import capturing, choosing, debts, guards, pausing, reverting
from stanch.engine.awaiting import await_end, begun, end
from stanch.engine.conditions import holds
from stanch.engine.figures import BY_GUARD, Input
from stanch.engine.moves import Move, Prepare, Write
from stanch.engine.outcomes import FROZEN, LOCKED, Denied, Differs, Held, Later, Prepared, Replaced, Stale, Unknown, Written
from stanch.engine.transitions import Event
from stanch.engine.turn import Turn, clip

# Somebody who writes the target this often between our read and our write is fighting us.
ATTEMPTS = 5
# While nothing may be written anyway, evidence is not captured again and again: it would be old before its write.
HELD_UP = frozenset({FROZEN, LOCKED, *guards.NAMES})
# Seconds after which a guard of the target, of the policy is asked again.
ASK_AGAIN, ITS_TURN = 5.0, 10.0
OVER = frozenset({StepState.Done, StepState.Skipped})


def mitigating(turn: Turn) -> Move | None:
    if late(turn):
        fail(turn, OptionState.Failed, f"not done within {turn.option.timeout}: {turn.status.message}")
        return None
    for step in turn.option.steps:
        record = turn.step_record(step.name)
        if record is None or record.state not in OVER:
            return advance(turn, step, record)
    turn.go(Event.StepsDone, "StepsDone", f"Option {turn.option.name}: looking whether it helped")
    return None


def late(turn: Turn) -> bool:
    """Whether the option's time is over. Not while nobody knows what a step has done: that comes first; nor while frozen, or
    held up by a person."""
    deadline = turn.status.deadline
    over = deadline is not None and turn.now >= deadline
    stopped = turn.status.reason == FROZEN or turn.status.held is not None
    return over and not stopped and not open_intent(turn) and not undecided(turn)


def advance(turn: Turn, step: Step, record: StepRecord | None) -> Move | None:
    turn.set(at=f"{turn.option.name}/{step.name}")
    match record.state if record else None:
        case StepState.Intended:
            return write(turn, step, record)
        case StepState.Indeterminate:
            turn.set(waits_for=f"Confirm or Reject of {step.name}")
            return turn.move()
        case StepState.Waiting:
            return ended(turn, step, await_end(turn, step, record))
    if record is None and step.when and not holds(turn, step.when):
        skip(turn, step)
        return None
    if not step.writes:
        begun(turn, step)
        return None
    return prepare(turn, step, record)


def ended(turn: Turn, step: Step, outcome: Move | str | None) -> Move | None:
    """A word says why the step has failed at its end."""
    if isinstance(outcome, str):
        fail(turn, OptionState.Failed, f"step {step.name}: {outcome}")
        return None
    return outcome


def skip(turn: Turn, step: Step) -> None:
    turn.put_step(StepRecord(turn.option.name, step.name, StepState.Skipped, message=clip(f"condition does not hold: {step.when}")))
    turn.say(turn.key("step", turn.option.name, step.name, "skipped"), f"Skip step {step.name}", expectation=step.when,
             result="condition does not hold")  # fmt: skip


def open_intent(turn: Turn) -> StepRecord | None:
    """The step whose intent is stored and whose result is not."""
    return next((record for record in turn.status.steps if record.state is StepState.Intended), None)


def undecided(turn: Turn) -> StepRecord | None:
    """The step of which a person must say what it has done."""
    return next((record for record in turn.status.steps if record.state is StepState.Indeterminate), None)


def prepare(turn: Turn, step: Step, record: StepRecord | None) -> Move | None:
    if on_hold := pausing.wait(turn):
        return on_hold
    outcome, held_up = turn.take(Prepare, Prepared), turn.status.reason in HELD_UP
    if outcome and not held_up:
        return begin(turn, step, record, outcome)
    if outcome:
        go_on(turn)
    if (outcome or not held_up) and not capturing.fresh(turn) and not capturing.captured(turn):
        return capturing.attempt(turn, "before")
    if refused := turn.take(Prepare, Denied):
        refuse(turn, step, refused)
        return None
    if replaced := turn.take(Prepare, Replaced):
        ask_again(turn, step, replaced)
        return None
    if differs := turn.take(Prepare, Differs):
        choosing.ask_of_change(turn, turn.option, differs)
        return None
    if held := turn.take(Prepare, Held):
        return hold(turn, step, held)
    if later := turn.take(Prepare, Later):
        return pause(turn, later)
    if record and record.attempts >= ATTEMPTS:
        fail(turn, OptionState.Failed, f"step {step.name} met {record.attempts} conflicts: {record.message}")
        return None
    if block := choosing.held_back(turn):
        return hold(turn, step, Held(block, ASK_AGAIN))
    if step.reversible and debts.full(turn):
        refuse(turn, step, Denied("TooManyReverts", "the incident owes as many reverts as its status can hold"))
        return None
    return make_way(turn) or turn.move(Prepare(turn.option.name, step.name, token(turn, step)))


def ask_again(turn: Turn, step: Step, replaced: Replaced) -> None:
    """An approval is for the object that was there: while nothing was done under it, people are asked about the new one."""
    touched = any(record.option == turn.option.name and record.token for record in turn.status.steps)
    if turn.option.approval and not touched:
        choosing.ask_anew(turn, turn.option, replaced)
    else:
        refuse(turn, step, Denied("TargetReplaced", replaced.message))


def begin(turn: Turn, step: Step, record: StepRecord | None, outcome: Prepared) -> Move | None:
    """A freeze window may have opened since the guards were asked: no intent bears a time that lies in it."""
    if block := guards.freeze_window(Input(turn.plan.guards, turn.now)):
        return hold(turn, step, Held(block, ASK_AGAIN))
    intend(turn, step, record, outcome)
    return None


def go_on(turn: Turn) -> None:
    """What held the step up is over: evidence of now comes first, and a freeze has not used the option's time up."""
    if turn.status.reason == FROZEN:
        turn.set(deadline=turn.now + turn.option.timeout)
    turn.set(reason="GoesOn", message=f"Option {turn.option.name} goes on", waits_for=beside(turn))


def make_way(turn: Turn) -> Move | None:
    """What is due to be taken back goes first, also between two steps; and no step writes beside one that is under way."""
    if reverting.next_one(turn):
        return turn.move(wake_in=timedelta())
    return turn.move() if debts.under_way(turn) else None


def token(turn: Turn, step: Step) -> str:
    return turn.plan.token(turn.option.name, step.name)


def intend(turn: Turn, step: Step, record: StepRecord | None, outcome: Prepared) -> None:
    """The intent, and with it what is owed: the time of a revert stands in the status before the change is made."""
    attempts = record.attempts + 1 if record else 1
    intent = StepRecord(
        option=turn.option.name, name=step.name, state=StepState.Intended, token=token(turn, step), epoch=turn.epoch,
        attempts=attempts, resource_version=outcome.resource_version, before=outcome.before,
        message=clip(outcome.summary), intended_at=turn.now,
    )  # fmt: skip
    turn.put_step(intent)
    turn.changed(intent.token, turn.ref(step))
    owed = debts.owe(turn, step, intent, outcome)
    key = turn.key("step", turn.option.name, step.name, "intent", str(attempts))
    turn.say(key, f"{step.action} {turn.about(step)}", expectation=step.expect,
             next=f"{outcome.summary}{f'; {owed}' if owed else ''}")  # fmt: skip


def write(turn: Turn, step: Step, record: StepRecord) -> Move | None:
    if outcome := turn.take(Write, Written):
        return ended(turn, step, finish(turn, step, record, outcome))
    if stale := turn.take(Write, Stale):
        turn.put_step(replace(record, state=StepState.Failed, message=clip(stale.message)))
        debts.forget(turn, record.token)
        turn.say(turn.key("step", turn.option.name, step.name, "stale"), f"{step.action} {turn.about(step)}",
                 result=f"not written: {stale.message}", next="read it again, decide again")  # fmt: skip
        return None
    if unknown := turn.take(Write, Unknown):
        indeterminate(turn, step, record, unknown.message)
        return None
    if refused := turn.take(Write, Denied):
        refuse(turn, step, refused)
        return None
    if later := turn.take(Write, Later):
        return pause(turn, later)
    return turn.move(Write(turn.option.name, step.name, record.token, record.resource_version, fence=record.epoch != turn.epoch))


def finish(turn: Turn, step: Step, record: StepRecord, outcome: Written) -> str | None:
    """What is found written says no more than that it is there: what it changes stands in its intent."""
    result = f"{record.message} (found written)" if outcome.found else outcome.summary
    record = replace(record, message=clip(result), epoch=turn.epoch)
    if not outcome.underway:
        return end(turn, step, record, outcome)
    turn.put_step(replace(record, state=StepState.Waiting, written_at=turn.now))
    turn.say(turn.key("step", turn.option.name, step.name, "begun"), f"{step.action} {turn.about(step)}",
             expectation=step.expect, result=result, next="wait for its end")  # fmt: skip
    return None


def indeterminate(turn: Turn, step: Step, record: StepRecord, why: str) -> None:
    """Trying again could do it twice, going on could be without it: a person looks, and says."""
    turn.put_step(replace(record, state=StepState.Indeterminate, message=clip(f"nobody can tell whether it took effect: {why}")))
    turn.say(turn.key("step", turn.option.name, step.name, "unknown"), f"{step.action} {turn.about(step)}",
             expectation=step.expect, result=f"unknown: {why}",
             next="a person says: Confirm, it took effect; Reject, it did not")  # fmt: skip
    turn.set(reason="Indeterminate", message=clip(f"Step {step.name}: whether it took effect is not known: {why}"),
             waits_for=f"Confirm or Reject of {step.name}")  # fmt: skip


def refuse(turn: Turn, step: Step, refused: Denied) -> None:
    record = turn.step_record(step.name) or StepRecord(turn.option.name, step.name, StepState.Refused)
    turn.put_step(replace(record, state=StepState.Refused, message=clip(refused.message), done_at=turn.now))
    # A refusal does not tell what an earlier try of the same write has done: what is not there needs no taking back.
    debts.demand(turn, tuple(debt for debt in debts.opened(turn) if debt.token == record.token))
    fail(turn, OptionState.Failed, f"step {step.name} refused: {refused.reason}: {refused.message}")


def hold(turn: Turn, step: Step, held: Held) -> Move | None:
    """A guard is against it: looked at again until the guard lets it pass or the option's time is over. Where only people lift it,
    or only time and that too late for this option, nobody is left to wait in vain."""
    block = held.block
    why, deadline = f"step {step.name} {BY_GUARD} {block}", turn.status.deadline
    if block.people or (block.until and deadline and block.until >= deadline):
        fail(turn, OptionState.Failed, why)
        return None
    if turn.status.reason != block.guard:
        turn.say(turn.key("step", turn.option.name, step.name, "held"), f"{step.action} {turn.about(step)}",
                 expectation=step.expect, result=f"{BY_GUARD} {block}", next="asked again until it lets the step pass")  # fmt: skip
    turn.set(reason=block.guard, message=clip(f"{why[0].upper()}{why[1:]}"), waits_for=clip(block.lifts, 253))
    # The limits are those of the plan: what only time lifts is not asked before its time.
    return turn.move(wake_in=block.until - turn.now if block.until else timedelta(seconds=held.after))


def beside(turn: Turn) -> str:
    """Who is waited for, but for what would lift a guard."""
    return "" if turn.status.reason in guards.NAMES else turn.status.waits_for


def pause(turn: Turn, later: Later) -> Move:
    turn.set(waits_for=beside(turn), reason=later.reason, message=clip(later.message))
    return turn.move(wake_in=timedelta(seconds=later.after))


def withdraw(turn: Turn, why: str) -> None:
    """A no that comes before anything of it was written is as good as one from before it was let run."""
    wait_no_more(turn)
    choosing.deny(turn, turn.option, why)


def wait_no_more(turn: Turn) -> None:
    for step in turn.status.steps:
        if step.option == turn.status.option and step.state is StepState.Waiting:
            turn.put_step(replace(step, state=StepState.Failed, done_at=turn.now))


def fail(turn: Turn, state: OptionState, why: str) -> None:
    """The option did not help: taken back or kept, then the next one, or people, as it says."""
    option = turn.option
    stop = option.on_failure is OnFailure.Stop
    wait_no_more(turn)
    turn.close_option(replace(turn.option_record, state=state, message=clip(why)))
    taken = debts.after_failure(turn, option)
    then = "people decide: Resume, Close or Abort" if stop else "next option"
    turn.say(turn.key("option", option.name, "failed"), f"Option {option.name}", expectation="it helps", result=why,
             next=f"take back {taken}; {then}" if taken else then)  # fmt: skip
    if stop:
        turn.go(Event.OptionStopped, "OptionFailed", f"Option {option.name}: {why}", waits_for="Resume, Close or Abort")
    else:
        turn.go(Event.OptionFailed, "OptionFailed", f"Option {option.name}: {why}")

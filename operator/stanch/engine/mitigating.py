"""Mitigating: one step at a time. Evidence, lock and before-image; intent; write; record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from stanch.domain.incident import OptionState, Phase, StepRecord, StepState
from stanch.domain.plan import OnFailure, Step
from stanch.engine import capturing
from stanch.engine.moves import Capture, Denied, Later, Move, Prepare, Prepared, Stale, Write, Written
from stanch.engine.transitions import Event
from stanch.engine.turn import Turn, clip

# Somebody who writes the target this often between our read and our write is fighting us.
ATTEMPTS = 5


def mitigating(turn: Turn) -> Move | None:
    if turn.status.deadline and turn.now >= turn.status.deadline and not open_intent(turn):
        fail(turn, OptionState.Failed, f"not done within {turn.option.timeout}: {turn.status.message}")
        return None
    for step in turn.option.steps:
        record = turn.step_record(step.name)
        if record is None or record.state is not StepState.Done:
            return write(turn, step, record) if intended(record) else prepare(turn, step, record)
    turn.go(Event.StepsDone, "StepsDone", f"Option {turn.option.name}: looking whether it helped")
    return None


def intended(record: StepRecord | None) -> bool:
    return record is not None and record.state is StepState.Intended


def open_intent(turn: Turn) -> StepRecord | None:
    """The step whose intent is stored and whose result is not."""
    return next((record for record in turn.status.steps if record.state is StepState.Intended), None)


def prepare(turn: Turn, step: Step, record: StepRecord | None) -> Move | None:
    turn.set(at=f"{turn.option.name}/{step.name}")
    if outcome := turn.take(Prepare, Prepared):
        intend(turn, step, record, outcome)
        return None
    if not capturing.fresh(turn) and not capturing.captured(turn):
        return None if turn.in_phase(Phase.Escalated) else turn.move(Capture(capturing.label(turn)))
    if refused := turn.take(Prepare, Denied):
        refuse(turn, step, refused)
        return None
    if later := turn.take(Prepare, Later):
        return pause(turn, later)
    if record and record.attempts >= ATTEMPTS:
        fail(turn, OptionState.Failed, f"step {step.name} met {record.attempts} conflicts: {record.message}")
        return None
    return turn.move(Prepare(turn.option.name, step.name, token(turn, step)))


def token(turn: Turn, step: Step) -> str:
    """Derived from incident, attempt, option and step, never from the clock: the same after a crash."""
    return f"{turn.facts.uid}/{turn.status.attempt}/{turn.option.name}/{step.name}"


def intend(turn: Turn, step: Step, record: StepRecord | None, outcome: Prepared) -> None:
    attempts = record.attempts + 1 if record else 1
    turn.put_step(
        StepRecord(
            option=turn.option.name, name=step.name, state=StepState.Intended, token=token(turn, step), epoch=turn.epoch,
            attempts=attempts, resource_version=outcome.resource_version, before=outcome.before,
            message=clip(outcome.summary), intended_at=turn.now,
        )
    )  # fmt: skip
    key = turn.key("step", turn.option.name, step.name, "intent", str(attempts))
    turn.say(key, f"{step.action} {turn.plan.target(step.target)}",
             expectation=step.expect, next=outcome.summary)  # fmt: skip


def write(turn: Turn, step: Step, record: StepRecord) -> Move | None:
    if outcome := turn.take(Write, Written):
        finish(turn, step, record, outcome)
        return None
    if stale := turn.take(Write, Stale):
        turn.put_step(replace(record, state=StepState.Failed, message=clip(stale.message)))
        turn.say(turn.key("step", turn.option.name, step.name, "stale"), f"{step.action} {turn.plan.target(step.target)}",
                 result=f"not written: {stale.message}", next="read it again, decide again")  # fmt: skip
        return None
    if refused := turn.take(Write, Denied):
        refuse(turn, step, refused)
        return None
    if later := turn.take(Write, Later):
        return pause(turn, later)
    return turn.move(Write(turn.option.name, step.name, record.token, record.resource_version, fence=record.epoch != turn.epoch))


def finish(turn: Turn, step: Step, record: StepRecord, outcome: Written) -> None:
    """What is found written says no more than that it is there: what it changes stands in its intent."""
    result = f"{record.message} (found written)" if outcome.found else outcome.summary
    turn.put_step(replace(record, state=StepState.Done, message=clip(result), done_at=turn.now, epoch=turn.epoch))
    turn.say(turn.key("step", turn.option.name, step.name, "result"), f"{step.action} {turn.plan.target(step.target)}",
             expectation=step.expect, result=result, next="verify")  # fmt: skip


def refuse(turn: Turn, step: Step, refused: Denied) -> None:
    record = turn.step_record(step.name) or StepRecord(turn.option.name, step.name, StepState.Refused)
    turn.put_step(replace(record, state=StepState.Refused, message=clip(refused.message), done_at=turn.now))
    fail(turn, OptionState.Failed, f"step {step.name} refused: {refused.reason}: {refused.message}")


def pause(turn: Turn, later: Later) -> Move:
    turn.set(reason=later.reason, message=clip(later.message))
    return turn.move(wake_in=timedelta(seconds=later.after))


def fail(turn: Turn, state: OptionState, why: str) -> None:
    """The option did not help: the next one, or people, as it says."""
    option = turn.option
    stop = option.on_failure is OnFailure.Stop
    turn.close_option(replace(turn.option_record, state=state, message=clip(why)))
    turn.say(turn.key("option", option.name, "failed"), f"Option {option.name}", expectation="it helps", result=why,
             next="people decide: Resume, Close or Abort" if stop else "next option")  # fmt: skip
    if stop:
        turn.go(Event.OptionStopped, "OptionFailed", f"Option {option.name}: {why}", waits_for="Resume, Close or Abort")
    else:
        turn.go(Event.OptionFailed, "OptionFailed", f"Option {option.name}: {why}")

"""What a step's end waits for, once it is written: its own course (a Job), time, a person, its smoke checks.

A string that comes out of here says why the step has failed.
"""

from __future__ import annotations

from dataclasses import replace

from stanch.domain.incident import StepRecord, StepState
from stanch.domain.plan import Step
from stanch.engine.moves import Checks, Move, Read, Settle
from stanch.engine.outcomes import Denied, Later, Readings, Written
from stanch.engine.trial import Failed, Hold, Lost, Passed, Pending, Trial, judge, note, summary
from stanch.engine.turn import Turn, clip, spelled


def begun(turn: Turn, step: Step) -> None:
    """A step that writes nothing begins: it waits for time, or for a person."""
    turn.put_step(StepRecord(turn.option.name, step.name, StepState.Waiting, message=clip(step.expect), intended_at=turn.now))
    what = f"Confirm by {step.role}: {question(step)}" if step.role else f"{step.pause}"
    turn.set(reason="Asked" if step.role else "Paused", message=clip(f"Step {step.name}: wait for {what}"))
    turn.say(turn.key("step", turn.option.name, step.name, "waits"), f"Wait for {what}", expectation=step.expect,
             next=f"until {turn.now + step.timeout:%H:%M:%S} UTC" if step.role else "go on")  # fmt: skip


def question(step: Step) -> str:
    """What the person is to look at."""
    return str(step.params.get("question", step.expect))


def await_end(turn: Turn, step: Step, record: StepRecord) -> Move | str | None:
    if record.smoke_since is not None:
        return smoke(turn, step, record)
    began = record.intended_at or turn.now
    over = began + (step.pause if step.pause is not None else step.timeout)
    if step.pause is not None:
        return end(turn, step, record) if turn.now >= over else turn.move(wake_in=over - turn.now)
    if turn.now >= over:
        turn.put_step(replace(record, state=StepState.Failed, done_at=turn.now))
        nobody = f"nobody confirmed it as {step.role} in {step.timeout}"
        return nobody if step.role else f"not over within {step.timeout}: {turn.status.message}"
    if step.role:
        turn.set(waits_for=f"Confirm by {step.role}")
        return turn.move(wake_in=over - turn.now)
    return course(turn, step, record)


def course(turn: Turn, step: Step, record: StepRecord) -> Move | str | None:
    """A step that goes on by itself: asked until it is over."""
    if outcome := turn.take(Settle, Written):
        return end(turn, step, replace(record, message=clip(outcome.summary)), outcome)
    if refused := turn.take(Settle, Denied):
        turn.put_step(replace(record, state=StepState.Failed, message=clip(refused.message), done_at=turn.now))
        return f"{refused.reason}: {refused.message}"
    if later := turn.take(Settle, Later):
        turn.set(reason=later.reason, message=clip(f"Step {step.name}: {later.message}"))
        return turn.move(wake_in=turn.after(later))
    return turn.move(Settle(turn.option.name, step.name, record.token))


def end(turn: Turn, step: Step, record: StepRecord, outcome: Written | None = None) -> str | None:
    """Its own work is over: what it found becomes a fact; then its smoke checks, or its end."""
    turn.set(waits_for="")
    files = outcome.files if outcome else ()
    if outcome and step.fact and outcome.output is not None:
        turn.set(facts={**turn.status.facts, step.fact: spelled(outcome.output)})
    failed = outcome.failed if outcome else ""
    if step.writes:
        turn.changed(record.token, turn.ref(step))
    state = StepState.Failed if failed else StepState.Waiting if step.smoke else StepState.Done
    turn.put_step(replace(record, state=state, smoke_since=turn.now if state is StepState.Waiting else None,
                          written_at=turn.now if step.writes else None,
                          done_at=None if state is StepState.Waiting else turn.now))  # fmt: skip
    turn.say(turn.key("step", turn.option.name, step.name, "result"), f"{step.action} {turn.about(step)}",
             expectation=step.expect, result=failed or record.message, next="smoke test" if step.smoke and not failed else "verify",
             files=files)  # fmt: skip
    return failed or None


def smoke(turn: Turn, step: Step, record: StepRecord) -> Move | str | None:
    """A-14: after every single step, and one that fails stops the run."""
    outcome = turn.take(Read, Readings, Later)
    if outcome is None:
        return turn.move(Read(Checks.smoke, turn.option.name, step.name))
    since = record.smoke_since or turn.now
    trial = Trial(step.smoke, since, (record.intended_at or since) + step.timeout, record.hold_until)
    standing, readings = judge(trial, outcome, turn.now)
    match standing:
        case Pending(wake_in):
            return turn.move(wake_in=wake_in)
        case Hold(until, length) if length:
            turn.put_step(replace(record, hold_until=until))
        case Hold() | Passed():
            note(turn, readings)
            turn.put_step(replace(record, state=StepState.Done, hold_until=None, done_at=turn.now))
            turn.say(turn.key("step", turn.option.name, step.name, "smoke"), "Smoke test", expectation=step.expect,
                     result=summary(readings), next="verify")  # fmt: skip
        case Lost():
            turn.put_step(replace(record, hold_until=None, smoke_since=turn.now))
        case Failed(why):
            note(turn, readings)
            turn.put_step(replace(record, state=StepState.Failed, message=clip(f"smoke test: {why}"), done_at=turn.now))
            return f"smoke test: {why}"
    return None

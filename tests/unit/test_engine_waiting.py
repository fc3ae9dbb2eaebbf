"""Steps whose end is awaited: time, a person, their own course, their smoke tests; and those of which nobody knows the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import OptionState, Phase, StepRecord, StepState
from stanch.domain.plan import Check, FactType, OnFailure, Step
from stanch.engine import moves, outcomes
from stanch.engine.moves import Move
from tests.unit.play import NO, UNKNOWN, YES, Play, option, plan

MINUTE = timedelta(minutes=1)
PAUSE = Step("pause", "wait", writes=False, pause=5 * MINUTE)
ASK = Step("ask", "askPerson", writes=False, role="database-owner", timeout=10 * MINUTE, expect="the backup is whole")
JOB = Step("job", "runJob", "app", timeout=10 * MINUTE, fact="rows", fact_type=FactType.Integer)
LIMITED = Check("limited", "http", within=timedelta(seconds=30), hold_for=MINUTE)


def running(*steps: Step, **changes: Any) -> Play:
    """One option with these steps, and one after it."""
    play = Play(plan(replace(option("undo"), steps=steps, **changes), option("restart")))
    play.readings = {"health": YES, "limited": YES}
    return play


def record(play: Play, name: str) -> StepRecord:
    return next(step for step in play.status.steps if step.name == name)


def wake(play: Play) -> Move:
    """To the next wake time."""
    move = play.tick()
    assert move.wake_at is not None
    play.now = max(move.wake_at, play.now)
    return play.tick()


# Time.


def test_a_pause_is_waited_out_to_the_moment() -> None:
    play = running(PAUSE)
    move = play.tick()
    assert record(play, "pause").state is StepState.Waiting and move.wake_at == play.now + PAUSE.pause
    play.now = move.wake_at - timedelta(seconds=1)
    play.tick()
    assert record(play, "pause").state is StepState.Waiting
    play.now = move.wake_at
    play.tick()
    assert record(play, "pause").state is StepState.Done and play.status.phase is not Phase.Mitigating


def test_a_pause_counts_from_its_begin_whoever_leads() -> None:
    play = running(PAUSE)
    end = play.tick().wake_at
    play.epoch, play.now = 2, play.now + 2 * MINUTE
    assert play.tick().wake_at == end


def test_a_clock_that_jumps_back_lengthens_a_pause_and_ends_none() -> None:
    play = running(PAUSE)
    end = play.tick().wake_at
    play.now -= timedelta(days=1)
    assert play.tick().wake_at == end and record(play, "pause").state is StepState.Waiting


def test_a_pause_writes_nothing_and_is_not_locked_for() -> None:
    play = running(PAUSE)
    play.until(Phase.Resolved)
    assert play.written == [] and not any(isinstance(effect, moves.Prepare | moves.Write) for effect in play.performed)


# A person.


def test_a_step_waits_for_a_person_under_its_role() -> None:
    play = running(ASK)
    move = play.tick()
    assert play.status.waits_for == "Confirm by database-owner" and move.wake_at == play.now + ASK.timeout


def test_confirmed_it_goes_on() -> None:
    play = running(ASK)
    play.tick()
    play.say(Verb.Confirm, role="database-owner", option="undo", step="ask")
    play.tick()
    assert record(play, "ask").state is StepState.Done and "confirmed by bob" in record(play, "ask").message
    assert play.status.waits_for == ""


@pytest.mark.parametrize("other", [{"role": "comms"}, {"role": ""}, {"step": "other"}, {"option": "restart"}])
def test_a_confirm_of_something_else_has_no_effect(other: dict[str, str]) -> None:
    play = running(ASK)
    play.tick()
    play.say(Verb.Confirm, **({"role": "database-owner", "option": "undo", "step": "ask"} | other))
    play.tick()
    assert record(play, "ask").state is StepState.Waiting and play.status.waits_for == "Confirm by database-owner"


def test_silence_is_a_no() -> None:
    play = running(ASK)
    play.tick()
    play.now += ASK.timeout
    play.tick()
    assert record(play, "ask").state is StepState.Failed and play.status.options[0].state is OptionState.Failed
    assert play.status.option == "restart", "the next option"


def test_a_late_confirm_has_no_effect() -> None:
    play = running(ASK)
    play.tick()
    play.now += ASK.timeout
    play.tick()
    play.say(Verb.Confirm, role="database-owner", option="undo", step="ask")
    play.tick()
    assert record(play, "ask").state is StepState.Failed


@pytest.mark.parametrize("on_failure", list(OnFailure))
def test_a_rejected_step_goes_no_further(on_failure: OnFailure) -> None:
    play = running(ASK, option("undo").steps[0], on_failure=on_failure)
    play.tick()
    play.say(Verb.Reject, option="undo", step="ask")
    play.tick()
    assert record(play, "ask").state is StepState.Failed and not any("/undo/undo" in token for token in play.written)
    stopped = on_failure is OnFailure.Stop
    assert (play.status.phase is Phase.Escalated) == stopped and bool(play.written) != stopped


def test_an_abort_ends_the_waiting() -> None:
    play = running(ASK)
    play.tick()
    play.say(Verb.Abort)
    play.until(Phase.Aborted)
    assert play.written == []


# Its own course.


def course(*said: outcomes.Outcome) -> Play:
    play = running(JOB)
    play.answers[moves.Write] = outcomes.Written("Job created", found=False, underway=True)
    left = list(said)
    play.answers[moves.Settle] = lambda _: left.pop(0) if len(left) > 1 else left[0]
    return play


def test_what_goes_on_by_itself_is_asked_until_it_is_over() -> None:
    running, over = outcomes.Later("Underway", "1 of 3", 2.0), outcomes.Written("3 of 3", found=True, output=42)
    play = course(running, running, over)
    move = play.tick()
    assert record(play, "job").state is StepState.Waiting and move.wake_at == play.now + timedelta(seconds=2)
    wake(play)
    wake(play)
    assert record(play, "job").state is StepState.Done and play.status.facts["rows"] == "42"


def test_a_new_leader_asks_on_and_writes_nothing_again() -> None:
    play = course(outcomes.Later("Underway", "1 of 3", 2.0))
    play.tick()
    play.performed.clear()
    play.epoch = 2
    play.tick()
    assert {type(effect) for effect in play.performed} == {moves.Settle}


def test_what_went_wrong_in_the_end_fails_the_option() -> None:
    play = course(outcomes.Written("it ended", found=True, failed="exit code 1"))
    play.tick()
    assert record(play, "job").state is StepState.Failed and "exit code 1" in play.status.options[0].message


def test_what_is_not_over_in_time_fails_the_option() -> None:
    play = course(outcomes.Later("Underway", "1 of 3", 2.0))
    play.tick()
    play.now += JOB.timeout
    play.tick()
    assert record(play, "job").state is StepState.Failed and "not over within" in play.status.options[0].message


def test_what_cannot_be_asked_for_good_fails_the_option() -> None:
    play = course(outcomes.Denied("NotFound", "the Job is gone"))
    play.tick()
    assert record(play, "job").state is StepState.Failed and play.status.options[0].state is OptionState.Failed


# Smoke tests.


def smoked(*more: Step) -> Play:
    return running(replace(option("undo").steps[0], smoke=(LIMITED,)), *more)


def test_a_smoke_test_must_hold_before_the_next_step() -> None:
    play = smoked(Step("second", "rolloutRestart", "app"))
    move = play.tick()
    assert record(play, "undo").state is StepState.Waiting and record(play, "undo").hold_until == play.now + LIMITED.hold_for
    assert len(play.written) == 1 and move.wake_at is not None
    play.until(Phase.Verifying, Phase.Holding, Phase.Mitigated, Phase.Resolved)
    assert len(play.written) == 2 and "1/step/undo/undo/smoke" in play.lines


@pytest.mark.parametrize("reading", [NO, UNKNOWN])
def test_a_smoke_test_that_does_not_become_true_in_time_stops_the_option(reading: Any) -> None:
    play = smoked(Step("second", "rolloutRestart", "app"))
    play.readings = {"health": YES, "limited": reading}
    start = play.now
    play.until(Phase.Resolved)
    assert [token.rpartition("/")[2] for token in play.written] == ["undo", "restart"]
    assert play.now - start >= LIMITED.within and "smoke test" in play.status.options[0].message


def test_a_smoke_test_that_is_denied_while_it_must_hold_stops_the_option() -> None:
    play = smoked()
    play.tick()
    play.readings = {"health": YES, "limited": NO}
    wake(play)
    assert record(play, "undo").state is StepState.Failed and play.status.options[0].state is OptionState.Failed


def test_a_smoke_test_of_which_nothing_is_known_holds_anew() -> None:
    play = smoked()
    first = play.tick().status.steps[0].hold_until
    play.readings = {"health": YES, "limited": UNKNOWN}
    wake(play)
    assert record(play, "undo").hold_until is None
    play.readings = {"health": YES, "limited": YES}
    wake(play)
    assert record(play, "undo").hold_until > first


def test_a_new_leader_has_not_seen_the_smoke_test_hold() -> None:
    play = smoked()
    play.tick()
    play.epoch, play.now = 2, play.now + 2 * MINUTE
    play.tick()
    assert record(play, "undo").state is StepState.Waiting and record(play, "undo").hold_until == play.now + LIMITED.hold_for


def test_the_options_time_ends_a_smoke_test() -> None:
    play = running(replace(option("undo").steps[0], smoke=(LIMITED,)), timeout=timedelta(seconds=40))
    play.tick()
    play.now += timedelta(seconds=41)
    play.tick()
    assert record(play, "undo").state is StepState.Failed and "not done within" in play.status.options[0].message


# Nobody knows what it did.


def indeterminate() -> Play:
    """A step whose answer was lost, and that must not be done twice."""
    play = running(Step("send", "http", "app", at_most_once=True), timeout=5 * MINUTE)
    play.answers[moves.Write] = outcomes.Unknown("no answer within 10 s")
    play.tick()
    return play


def test_what_nobody_can_tell_waits_for_a_person_and_is_not_done_again() -> None:
    play = indeterminate()
    move = play.tick()
    assert record(play, "send").state is StepState.Indeterminate and move.wake_at is None
    assert play.status.waits_for == "Confirm or Reject of send"
    assert sum(isinstance(effect, moves.Write) for effect in play.performed) == 1


def test_no_timeout_takes_the_question_away() -> None:
    play = indeterminate()
    play.now += 60 * MINUTE
    play.tick()
    assert record(play, "send").state is StepState.Indeterminate


def test_a_person_says_that_it_took_effect() -> None:
    play = indeterminate()
    play.say(Verb.Confirm, option="undo", step="send")
    play.until(Phase.Resolved)
    assert record(play, "send").state is StepState.Done and play.status.option == "undo"


def test_a_person_says_that_it_did_not() -> None:
    play = indeterminate()
    play.say(Verb.Reject, option="undo", step="send")
    play.answers.pop(moves.Write)
    play.until(Phase.Resolved)
    assert record(play, "send").state is StepState.Failed and play.status.option == "restart"


def test_an_abort_says_what_is_not_known() -> None:
    play = indeterminate()
    play.say(Verb.Abort)
    play.until(Phase.Aborted)
    (aborted,) = [entry.line for entry in play.chain if entry.line.key == "1/aborted"]
    assert "unknown: undo/send" in aborted.result


@pytest.mark.parametrize("over", [False, True])
def test_an_abort_says_that_a_job_was_begun(over: bool) -> None:
    """Nobody waits for its end any more, and it runs on."""
    play = course(outcomes.Later("Underway", "it runs", 2.0))
    play.tick()
    assert record(play, "job").state is StepState.Waiting
    if over:
        play.now += JOB.timeout
        play.tick()
        assert record(play, "job").state is StepState.Failed
    play.say(Verb.Abort)
    play.until(Phase.Aborted)
    (aborted,) = [entry.line for entry in play.chain if entry.line.key == "1/aborted"]
    assert "written: undo/job" in aborted.result


# Conditions.


@pytest.mark.parametrize(
    ("when", "state"),
    [
        ("incident.severity == 'P0'", StepState.Done),
        ("incident.severity == 'P3'", StepState.Skipped),
        ("facts.nothing == 'x'", StepState.Skipped),
    ],
)
def test_a_step_is_run_when_its_condition_holds(when: str, state: StepState) -> None:
    play = running(replace(option("undo").steps[0], when=when), Step("second", "rolloutRestart", "app"))
    play.until(Phase.Resolved)
    assert record(play, "undo").state is state and record(play, "second").state is StepState.Done

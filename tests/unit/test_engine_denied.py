"""A no counts more than a yes: beside it, whichever is seen first, and after it as long as nothing was written."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import OptionState, Phase, StepRecord, StepState
from stanch.domain.plan import OnFailure, Step
from stanch.engine import moves, outcomes
from tests.unit.play import NO, T0, Play, approval, option, plan

ROLE = "incident-commander"
RESTARTED = ["uid-inc/1/restart/restart"]
ASK = Step("ask", "askPerson", expect="there is a backup", writes=False, role="dba")
NOT_KNOWN = (StepState.Intended, StepState.Indeterminate)
LATER = outcomes.Later(outcomes.LOCKED, "deployment/frontend is being changed by another", 5.0)
RECORD = StepRecord("undo", "undo", StepState.Intended, token="uid-inc/1/undo/undo", epoch=1, resource_version="41", intended_at=T0)
UNDO = Step("undo", "rolloutUndo", "app", expect="pods ready")


def asked(*steps: Step, **changes: object) -> Play:
    """The first option needs one yes, the second none."""
    first = option("undo", steps=steps or (UNDO,), approval=approval(incident_commander=1), **changes)
    play = Play(plan=plan(first, option("restart")))
    play.until(Phase.AwaitingApproval)
    return play


def says(play: Play, verb: Verb, by: str) -> None:
    play.say(verb, by=by, role=ROLE, option="undo")


def let_run(*steps: Step, **changes: object) -> Play:
    """Somebody else's incident is on the target: its first step waits."""
    play = asked(*steps, **changes)
    play.answers[moves.Prepare] = LATER
    says(play, Verb.Approve, "bob")
    play.until(Phase.Mitigating)
    return play


def states(play: Play) -> dict[str, OptionState]:
    return {record.name: record.state for record in play.status.options}


@pytest.mark.parametrize("order", [(Verb.Approve, Verb.Reject), (Verb.Reject, Verb.Approve)])
@pytest.mark.parametrize("apart", [timedelta(), timedelta(seconds=1)])
def test_of_a_yes_and_a_no_that_are_seen_in_one_look_the_no_wins(order: tuple[Verb, Verb], apart: timedelta) -> None:
    play = asked()
    for verb, by in zip(order, ("bob", "carol"), strict=True):
        says(play, verb, by)
        play.now += apart
    play.until(Phase.Resolved)
    assert play.written == RESTARTED and states(play)["undo"] is OptionState.Denied
    told = [entry.line.result for entry in play.chain if "/decision/" in entry.line.key]
    effects = {Verb.Reject: "option undo will not be run", Verb.Approve: f"approved as {ROLE}"}
    if order[0] is Verb.Reject:
        effects[Verb.Approve] = "no effect: option undo is denied already"
    assert told == [effects[verb] for verb in order]


def test_a_no_after_the_yes_still_stops_what_nobody_has_written() -> None:
    play = let_run()
    says(play, Verb.Reject, "carol")
    del play.answers[moves.Prepare]
    play.until(Phase.Resolved)
    assert play.written == RESTARTED and states(play) == {"undo": OptionState.Denied, "restart": OptionState.Confirmed}
    assert not [step for step in play.status.steps if step.option == "undo"]
    (told,) = [entry.line for entry in play.chain if entry.line.key == "1/option/undo/denied"]
    assert told.result == "rejected by carol: because" and told.next == "next option"


def test_it_does_so_while_somebody_holds_it_up_and_the_rest_stays_held_up() -> None:
    play = asked()
    play.say(Verb.Hold)
    says(play, Verb.Approve, "bob")
    play.until(Phase.Mitigating)
    says(play, Verb.Reject, "carol")
    play.tick()
    assert play.status.held is not None and states(play) == {"undo": OptionState.Denied, "restart": OptionState.Running}
    assert (play.written, play.status.waits_for) == ([], "Resume")


def test_it_goes_on_to_the_next_one_as_after_a_no_before_also_where_a_failure_would_stop() -> None:
    play = let_run(on_failure=OnFailure.Stop)
    says(play, Verb.Reject, "carol")
    del play.answers[moves.Prepare]
    play.until(Phase.Resolved)
    assert play.written == RESTARTED


def test_a_question_that_was_asked_meanwhile_is_no_change() -> None:
    play = asked(ASK, UNDO)
    says(play, Verb.Approve, "bob")
    play.until(Phase.Mitigating)
    assert [step.state for step in play.status.steps] == [StepState.Waiting]
    says(play, Verb.Reject, "carol")
    play.until(Phase.Resolved)
    assert play.written == RESTARTED
    assert {step.name: step.state for step in play.status.steps}["ask"] is StepState.Failed
    play.say(Verb.Confirm, role="dba", option="undo", step="ask")
    play.tick()
    assert "no effect" in play.chain[-1].line.result


def test_what_met_a_conflict_and_was_not_written_is_stopped_too() -> None:
    play = asked()

    def conflict(_: moves.Write) -> outcomes.Outcome:
        play.answers = {moves.Prepare: LATER}
        return outcomes.Stale("it was not written")

    play.answers[moves.Write] = conflict
    says(play, Verb.Approve, "bob")
    play.until(Phase.Mitigating)
    assert [(step.state, step.attempts) for step in play.status.steps] == [(StepState.Failed, 1)]
    play.answers = {}
    says(play, Verb.Reject, "carol")
    play.until(Phase.Resolved)
    assert play.written == RESTARTED


@pytest.mark.parametrize("state", [StepState.Intended, StepState.Indeterminate, StepState.Waiting, StepState.Done])
def test_what_may_be_written_already_it_does_not_stop(state: StepState) -> None:
    """Of that a person says what became of it, or takes it back: Abort, Reject of the step."""
    play = let_run()
    (record,) = [replace(RECORD, state=state, written_at=None if state in NOT_KNOWN else play.now)]
    play.status = replace(play.status, steps=(record,))
    says(play, Verb.Reject, "carol")
    play.answers = dict.fromkeys((moves.Write, moves.Settle), outcomes.Later("Timeout", "no answer", 5.0))
    play.tick()
    assert states(play)["undo"] is not OptionState.Denied
    assert [entry.line.result for entry in play.chain if "/decision/" in entry.line.key][
        -1
    ] == "no effect: option undo is running already"


def test_a_no_to_another_plan_or_to_what_needs_no_yes_stops_nothing() -> None:
    play = let_run()
    play.say(Verb.Reject, by="carol", role=ROLE, option="undo", digest="sha256:" + "0" * 64)
    play.say(Verb.Reject, by="carol", role=ROLE, option="restart")
    play.tick()
    assert states(play) == {"undo": OptionState.Running}


@pytest.mark.parametrize("verb", [Verb.Approve, Verb.BreakGlass])
def test_a_yes_to_what_runs_is_none(verb: Verb) -> None:
    play = let_run()
    says(play, verb, "dave")
    play.tick()
    assert play.chain[-1].line.result == "no effect: option undo is running already" and len(play.status.approvals) == 1


def test_it_is_chosen_no_more_and_may_be_after_a_resume() -> None:
    play = let_run()
    says(play, Verb.Reject, "carol")
    play.readings = {"health": NO}
    del play.answers[moves.Prepare]
    play.until(Phase.Escalated)
    assert play.written == RESTARTED
    play.say(Verb.Resume)
    play.until(Phase.AwaitingApproval)
    assert play.status.option == "undo" and play.status.approvals == ()

"""Diagnosis: answers become facts, no answer is no fact, facts choose the option and fill the plan; a false alarm ends the run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import OptionState, Phase, Verdict
from stanch.domain.plan import Check, FactType
from stanch.engine import moves, outcomes
from stanch.engine.parts import Reading, Value
from tests.unit.play import DIGEST, NO, UNKNOWN, YES, Play, approval, option, plan

BOUND = "sha256:" + "e" * 64
WITHIN = timedelta(seconds=30)
COUNT = Check("connections", "exec", within=WITHIN, fact=FactType.Integer)
DOWN = Check("down", "http", within=WITHIN, fact=FactType.Boolean)


def measured(value: Value) -> Reading:
    return Reading(Verdict.Confirmed, f"value is {value}", value=value)


def asking(*checks: Check, when: str = "", false_alarm: str = "") -> Play:
    play = Play(plan(replace(option("restart"), when=when), option("undo"), diagnosis=checks, false_alarm=false_alarm))
    play.readings = {"health": YES, "connections": measured(97), "down": NO}
    return play


@pytest.mark.parametrize(("reading", "fact"), [(measured(97), "97"), (YES, "true"), (NO, "false"), (measured(""), "")])
def test_an_answer_becomes_a_fact(reading: Reading, fact: str) -> None:
    play = asking(COUNT)
    play.readings = {**play.readings, "connections": reading}
    play.until(Phase.Resolved)
    assert play.status.facts["connections"] == fact and "1/diagnosis/connections" in play.lines


@pytest.mark.parametrize(("value", "chosen"), [(97, "restart"), (3, "undo")])
def test_facts_choose_the_option(value: int, chosen: str) -> None:
    play = asking(COUNT, when="facts.connections > 50")
    play.readings = {**play.readings, "connections": measured(value)}
    play.until(Phase.Resolved)
    assert [token.split("/")[2] for token in play.written] == [chosen]


def test_a_question_is_asked_until_it_is_answered() -> None:
    play = asking(COUNT, when="facts.connections > 50")
    play.readings = {**play.readings, "connections": UNKNOWN}
    move = play.tick()
    assert play.status.phase is Phase.Diagnosing and move.wake_at is not None
    play.now = move.wake_at
    play.readings = {**play.readings, "connections": measured(97)}
    play.until(Phase.Resolved)
    assert play.status.option == "restart"


def test_no_answer_in_time_is_no_fact_and_no_yes() -> None:
    play = asking(COUNT, when="facts.connections > 50")
    play.readings = {**play.readings, "connections": UNKNOWN}
    start = play.now
    play.until(Phase.Verifying, Phase.Holding)
    assert play.now >= start + WITHIN and "connections" not in play.status.facts
    (skipped,) = [record for record in play.status.options if record.name == "restart"]
    assert skipped.state is OptionState.Skipped and "no value" in skipped.message and play.status.option == "undo"


def test_an_answer_that_is_final_is_not_waited_for() -> None:
    play = asking(COUNT)
    play.readings = {**play.readings, "connections": replace(UNKNOWN, final=True)}
    start = play.now
    play.tick()
    assert play.status.diagnosed and play.now == start


def test_one_question_without_an_answer_does_not_take_the_others() -> None:
    play = asking(COUNT, DOWN, when="facts.down")
    play.readings = {**play.readings, "connections": UNKNOWN, "down": YES}
    play.until(Phase.Resolved)
    assert play.status.facts["down"] == "true" and play.status.option == "restart"


def test_false_alarm_changes_nothing_and_a_person_closes_it() -> None:
    play = asking(COUNT, false_alarm="facts.connections < 15")
    play.readings = {**play.readings, "connections": measured(3)}
    play.until(Phase.Resolved)
    assert play.written == [] and play.status.reason == "FalseAlarm" and play.status.waits_for == "Close"
    assert "1/false-alarm" in play.lines and not play.status.locked
    play.say(Verb.Close)
    play.tick()
    assert play.status.phase is Phase.Closed


@pytest.mark.parametrize("reading", [measured(97), UNKNOWN])
def test_what_is_not_known_to_be_a_false_alarm_is_none(reading: Reading) -> None:
    play = asking(COUNT, false_alarm="facts.connections < 15")
    play.readings = {**play.readings, "connections": reading}
    play.until(Phase.Resolved)
    assert play.written and play.status.reason == "Resolved"


def test_diagnosis_is_not_asked_again_for_the_next_option() -> None:
    play = asking(COUNT)
    play.readings = {**play.readings, "health": NO}
    play.until(Phase.Escalated)
    asked = [effect for effect in play.performed if isinstance(effect, moves.Read) and effect.of is moves.Checks.diagnosis]
    assert len(asked) == 1 and len(play.status.options) == 2


def test_resumed_it_is_asked_anew() -> None:
    play = asking(COUNT, when="facts.connections > 50")
    play.readings = {**play.readings, "health": NO}
    play.until(Phase.Escalated)
    play.readings = {"health": YES, "connections": measured(3)}
    play.say(Verb.Resume)
    play.until(Phase.Resolved)
    assert play.status.facts["connections"] == "3" and play.status.option == "undo"


# Facts that are filled into the plan.


def unbound() -> Play:
    play = asking(COUNT)
    first = play.plan.options[0]
    waiting = replace(first.steps[0], params={"replicas": "${facts.connections}"}, unbound=("/replicas",))
    play.plan = replace(play.plan, options=(replace(first, steps=(waiting,)), *play.plan.options[1:]))
    return play


def test_what_diagnosis_found_is_part_of_the_plan_that_is_run() -> None:
    play = unbound()

    def bind(effect: moves.Bind) -> outcomes.Outcome:
        first = play.plan.options[0]
        step = replace(first.steps[0], params={"replicas": effect.facts["connections"]}, unbound=())
        return outcomes.Bound(replace(play.plan, options=(replace(first, steps=(step,)), *play.plan.options[1:])), BOUND)

    play.answers[moves.Bind] = bind
    play.until(Phase.Resolved)
    assert play.status.plan_digest == BOUND and "1/bound" in play.lines
    kinds = [type(effect) for effect in play.performed]
    assert kinds.index(moves.Bind) < kinds.index(moves.Prepare) and kinds.count(moves.Bind) == 1


def test_an_approval_of_the_plan_before_it_was_filled_in_is_void() -> None:
    play = unbound()
    asks = tuple(replace(one, approval=approval(incident_commander=1)) for one in play.plan.options)
    play.plan = replace(play.plan, options=asks)
    play.answers[moves.Bind] = outcomes.Later("Busy", "not now", 5.0)
    play.tick()
    bound = tuple(replace(one, steps=tuple(replace(step, unbound=()) for step in one.steps)) for one in asks)
    play.answers[moves.Bind] = outcomes.Bound(replace(play.plan, options=bound), BOUND)
    play.now += timedelta(seconds=5)
    play.tick()
    play.say(Verb.Approve, option="restart", digest=DIGEST, role="incident-commander")
    play.tick()
    assert play.status.approvals == () and play.status.phase is Phase.AwaitingApproval
    play.say(Verb.Approve, option="restart", digest=BOUND, role="incident-commander")
    play.until(Phase.Resolved)


def test_an_approval_given_before_the_plan_is_filled_in_does_not_outlive_it() -> None:
    """Whoever gave it has not seen the values; the timeline says that it is void."""
    play = unbound()
    asks = tuple(replace(one, approval=approval(incident_commander=1)) for one in play.plan.options)
    bound = tuple(replace(one, steps=tuple(replace(step, unbound=()) for step in one.steps)) for one in asks)
    play.plan = replace(play.plan, options=asks)
    play.answers[moves.Bind] = outcomes.Later("Busy", "not now", 5.0)
    play.tick()
    play.say(Verb.Approve, option="restart", digest=DIGEST, role="incident-commander")
    play.tick()
    assert [given.option for given in play.status.approvals] == ["restart"], "it is the plan, until it is filled in"
    play.answers[moves.Bind] = outcomes.Bound(replace(play.plan, options=bound), BOUND)
    play.now += timedelta(seconds=5)
    play.until(Phase.AwaitingApproval)
    assert play.written == [] and play.status.approvals == ()
    (line,) = [entry.line for entry in play.chain if entry.line.key == "1/bound"]
    assert "void" in line.result
    # The same person may approve what it has become.
    play.say(Verb.Approve, option="restart", digest=BOUND, role="incident-commander")
    play.until(Phase.Resolved)


def test_a_plan_that_cannot_be_filled_in_is_for_people() -> None:
    play = unbound()
    play.answers[moves.Bind] = outcomes.Denied("TemplateInvalid", "replicas: 97 is too many")
    play.until(Phase.Escalated)
    assert play.written == [] and play.status.waits_for == "Resume, Close or Abort" and "1/unbound" in play.lines


def test_filling_in_is_tried_again_when_it_could_not_be_had() -> None:
    play = unbound()
    play.answers[moves.Bind] = outcomes.Later("Timeout", "no answer", 5.0)
    move = play.tick()
    assert move.wake_at == play.now + timedelta(seconds=5) and play.status.phase is Phase.Diagnosing


# When nobody diagnoses.


def test_abort_while_it_is_asked_writes_nothing() -> None:
    play = asking(COUNT)
    play.readings = {**play.readings, "connections": UNKNOWN}
    play.tick()
    play.say(Verb.Abort)
    play.until(Phase.Aborted)
    assert play.written == []


def test_a_read_that_fails_as_a_whole_is_no_answer() -> None:
    play = asking(COUNT, false_alarm="facts.connections < 15")
    play.answers[moves.Read] = outcomes.Later("Timeout", "no answer", 2.0)
    play.tick()
    assert play.status.phase is Phase.Diagnosing and not play.status.diagnosed

"""Until when an incident waits for whom: a time where there is one, and none where it takes as long as it takes."""

from __future__ import annotations

from datetime import timedelta

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from stanch.domain.plan import Step
from stanch.engine import moves, outcomes
from stanch.engine.guards import Block
from tests.unit.play import NO, T0, Play, approval, option, plan

ASK = Step("ask", "askPerson", timeout=timedelta(minutes=5), writes=False, role="dba")


def asking(**changes: timedelta) -> Play:
    return Play(plan=plan(option("undo", steps=(ASK,), **changes)))


def test_approvals_are_waited_for_until_silence_is_a_no() -> None:
    play = Play(plan=plan(option("undo", approval=approval(sre=1))))
    play.tick()
    assert play.status.waits_until == play.status.deadline == T0 + timedelta(minutes=15)
    said = {condition.type: condition.message for condition in play.status.conditions}
    for kind in ("Ready", "Reconciling"):
        assert said[kind].endswith("; waits for sre 0/1 until 2026-11-21 03:15:00 UTC")
    play.say(Verb.Approve, role="sre", option="undo")
    play.until(Phase.Verifying, Phase.Holding)
    assert play.status.waits_until is None and "waits for" not in play.status.conditions[0].message


def test_an_answer_to_a_step_until_the_step_is_over() -> None:
    play = asking()
    play.until(Phase.Mitigating)
    play.tick()
    assert (play.status.waits_for, play.status.waits_until) == ("Confirm by dba", T0 + timedelta(minutes=5))


def test_an_answer_to_a_step_not_longer_than_its_option_takes() -> None:
    play = asking(timeout=timedelta(minutes=2))
    play.until(Phase.Mitigating)
    play.tick()
    assert play.status.waits_until == T0 + timedelta(minutes=2) == play.status.deadline


def test_what_would_lift_a_guard_until_the_option_is_given_up() -> None:
    play = Play(plan=plan(option("undo")))
    play.answers[moves.Prepare] = outcomes.Held(Block("MinAvailable", "1 of 2", "at least 1", "more pods"), 5.0)
    play.until(Phase.Mitigating)
    assert (play.status.waits_for, play.status.waits_until) == ("more pods", play.status.deadline)


def test_while_somebody_holds_it_up_its_time_stands_still_and_that_of_an_approval_does_not() -> None:
    play = Play(plan=plan(option("undo", approval=approval(sre=1))))
    play.tick()
    play.say(Verb.Hold)
    play.tick()
    assert play.status.waits_until == play.status.deadline == T0 + timedelta(minutes=15)
    play.say(Verb.Approve, role="sre", option="undo")
    play.until(Phase.Mitigating)
    assert (play.status.waits_for, play.status.waits_until) == ("Resume", None)


def test_who_must_say_what_a_step_has_done_has_no_limit() -> None:
    play = Play(plan=plan(option("undo")), answers={moves.Write: outcomes.Unknown("the connection broke")})
    play.until(Phase.Mitigating)
    assert play.status.waits_for == "Confirm or Reject of undo" and play.status.waits_until is None


def test_nobody_is_given_a_time_where_there_is_none() -> None:
    play = Play(readings={"health": NO})
    play.until(Phase.Escalated)
    assert play.status.waits_for == "Resume, Close or Abort" and play.status.waits_until is None

"""A last resort is run when each other option was tried or does not fit (E-10)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import OptionState, Phase
from stanch.domain.plan import Step
from stanch.engine import moves, outcomes
from stanch.engine.figures import Block
from tests.unit.play import NO, Play, approval, option, plan

PODS = Block("MinAvailable", "0 of 3 would stay", "at least 1 must stay", "more available pods")


def play(other: Mapping[str, Any] | None = None, last: Mapping[str, Any] | None = None) -> Play:
    resort = option("restart", last_resort=True, **(last or {}))
    return Play(plan(option("undo", timeout=timedelta(minutes=10), **(other or {})), resort))


def approved() -> Play:
    """The last resort, by the commander, while the other option is held up."""
    of = play(last={"approval": approval(incident_commander=1)})
    of.answers[moves.Prepare] = held
    of.until(Phase.AwaitingApproval)
    assert "It is a last resort, so that an approval alone does not let it run; not tried: undo" in of.status.message
    of.say(Verb.Approve, option="restart", role="incident-commander")
    of.tick()
    return of


def held(effect: moves.Prepare) -> outcomes.Outcome:
    return outcomes.Held(PODS, 5.0) if effect.option == "undo" else outcomes.Prepared("41", "sha256:" + "b" * 64, "restart")


def refused(effect: moves.Prepare) -> outcomes.Outcome:
    return outcomes.Denied("OwnedByArgoCD", "argo owns it") if effect.option == "undo" else held(effect)


def last(of: Play) -> str:
    return next(record.message for record in of.status.options if record.name == "restart")


@pytest.mark.requirement("E-10")
@pytest.mark.parametrize("why", [held, refused])
def test_it_is_refused_while_another_option_could_not_be_tried(why: Any) -> None:
    of = play()
    of.answers[moves.Prepare] = why
    of.until(Phase.Escalated)
    assert of.written == [] and "held up by LastResort: options that were not tried: undo;" in last(of)
    assert of.status.waits_for == "Resume, Close or Abort"


@pytest.mark.requirement("E-10")
def test_nor_because_nobody_answered_for_the_other_one_or_said_no() -> None:
    for says_no in (True, False):
        of = play({"approval": approval(incident_commander=1)})
        of.until(Phase.AwaitingApproval)
        if says_no:
            of.say(Verb.Reject, option="undo", role="incident-commander")
        of.until(Phase.Escalated)
        assert of.written == [] and "LastResort" in last(of)


@pytest.mark.requirement("E-10")
def test_nor_where_nobody_knows_whether_the_other_one_fits() -> None:
    of = play({"when": "facts.unknown > 3"})
    of.until(Phase.Escalated)
    assert of.status.options[0].state is OptionState.Skipped and of.written == [] and "LastResort" in last(of)


@pytest.mark.requirement("E-10")
def test_it_is_run_when_the_others_were_tried_and_did_not_help() -> None:
    of = play()
    of.readings = {"health": NO}
    of.until(Phase.Escalated)
    assert of.written == ["uid-inc/1/undo/undo", "uid-inc/1/restart/restart"]


@pytest.mark.requirement("E-10")
def test_it_is_run_when_the_others_do_not_fit() -> None:
    of = play({"when": "incident.severity == 'P3'"})
    of.until(Phase.Resolved)
    assert of.written == ["uid-inc/1/restart/restart"]


@pytest.mark.requirement("E-10")
def test_who_approves_it_knows_what_was_not_tried_and_does_not_let_it_run() -> None:
    of = approved()
    assert (of.status.phase, of.status.reason) == (Phase.AwaitingApproval, "LastResort") and of.written == []
    assert "Option restart is approved, and held up by LastResort: options that were not tried: undo" in of.status.message
    assert "lifted by a try of undo after a Resume, or a BreakGlass" in of.status.message
    assert of.status.waits_for == "BreakGlass or Reject of restart" and of.status.approvals
    assert {c.type: c.reason for c in of.status.conditions}["Blocked"] == "LastResort"
    lines = len(of.chain)
    of.now += timedelta(minutes=2)
    of.tick()
    assert len(of.chain) == lines, "it is said once"
    of.until(Phase.Escalated)
    assert of.written == [] and last(of).startswith("approved, and held up by LastResort: options that were not tried: undo")


@pytest.mark.requirement("E-10")
def test_once_the_others_were_tried_an_approval_lets_it_run() -> None:
    of = approved()
    of.say(Verb.Reject, option="restart", role="incident-commander")
    of.until(Phase.Escalated)
    del of.answers[moves.Prepare]
    of.readings = {"health": NO}
    of.say(Verb.Resume)
    of.until(Phase.AwaitingApproval)
    assert of.written == ["uid-inc/2/undo/undo"] and "last resort" not in of.status.message
    of.say(Verb.Approve, option="restart", role="incident-commander")
    of.until(Phase.Escalated)
    assert of.written == ["uid-inc/2/undo/undo", "uid-inc/2/restart/restart"]


@pytest.mark.requirement("E-10", "A-16")
def test_who_breaks_the_glass_answers_for_what_was_not_tried() -> None:
    of = approved()
    of.say(Verb.BreakGlass, option="restart", ticket="OPS-4711", by="carol")
    of.until(Phase.Resolved)
    assert of.written == ["uid-inc/1/restart/restart"]
    assert [glass.without for glass in of.status.broken_glass] == ["a try of undo"]


@pytest.mark.requirement("E-10")
def test_one_that_has_begun_goes_on_whatever_is_said_of_the_others_since() -> None:
    """Another severity makes the other option fit; half a last resort helps nobody."""
    steps = (Step("restart", "rolloutRestart", "app"), Step("again", "rolloutRestart", "app"))
    of = play({"when": "incident.severity == 'P3'"}, {"steps": steps})

    def classified(effect: moves.Write) -> outcomes.Outcome:
        if effect.step == "restart":
            of.say(Verb.Classify, severity="P3")
        return of._write(effect)

    of.answers[moves.Write] = classified
    of.until(Phase.Resolved)
    assert of.status.classified and of.written == ["uid-inc/1/restart/restart", "uid-inc/1/restart/again"]


@pytest.mark.requirement("E-10")
def test_where_all_else_was_tried_nothing_of_that_is_said() -> None:
    of = play(last={"approval": approval(incident_commander=1)})
    of.readings = {"health": NO}
    of.until(Phase.AwaitingApproval)
    assert "last resort" not in of.status.message


@pytest.mark.requirement("E-10")
def test_it_is_not_approved_beforehand() -> None:
    """Whoever says so while the others are to come cannot know that they will not be tried."""
    of = play({"approval": approval(sre=1)}, last={"approval": approval(incident_commander=1)})
    of.until(Phase.AwaitingApproval)
    of.say(Verb.Approve, option="restart", role="incident-commander")
    of.tick()
    assert not of.status.approvals and "is a last resort: say it again" in of.chain[-1].line.result
    of.say(Verb.Reject, option="undo", role="sre")
    of.tick()
    assert (of.status.option, of.status.waits_for, of.written) == ("restart", "incident-commander 0/1", [])


def test_who_breaks_the_glass_for_it_does_too() -> None:
    of = play(last={"approval": approval(incident_commander=1)})
    of.answers[moves.Prepare] = held
    of.until(Phase.AwaitingApproval)
    of.say(Verb.BreakGlass, option="restart", ticket="OPS-4711")
    of.until(Phase.Resolved)
    assert of.written == ["uid-inc/1/restart/restart"]
    assert [glass.without for glass in of.status.broken_glass] == ["incident-commander 0/1, a try of undo"]


def test_another_last_resort_need_not_be_tried_before() -> None:
    of = Play(plan(option("undo", last_resort=True, timeout=timedelta(minutes=10)), option("restart", last_resort=True)))
    of.answers[moves.Prepare] = held
    of.until(Phase.Resolved)
    assert of.written == ["uid-inc/1/restart/restart"]

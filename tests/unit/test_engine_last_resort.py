"""A last resort is run when each other option was tried or does not fit (E-10)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import OptionState, Phase
from stanch.engine import moves
from stanch.engine.figures import Block
from tests.unit.play import NO, Play, approval, option, plan

PODS = Block("MinAvailable", "0 of 3 would stay", "at least 1 must stay", "more available pods")


def play(other: Mapping[str, Any] | None = None, last: Mapping[str, Any] | None = None) -> Play:
    resort = option("restart", last_resort=True, **(last or {}))
    return Play(plan(option("undo", timeout=timedelta(minutes=10), **(other or {})), resort))


def held(effect: moves.Prepare) -> moves.Outcome:
    return moves.Held(PODS, 5.0) if effect.option == "undo" else moves.Prepared("41", "sha256:" + "b" * 64, "restart")


def refused(effect: moves.Prepare) -> moves.Outcome:
    return moves.Denied("OwnedByArgoCD", "argo owns it") if effect.option == "undo" else held(effect)


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
def test_who_approves_it_knows_what_was_not_tried() -> None:
    of = play(last={"approval": approval(incident_commander=1)})
    of.answers[moves.Prepare] = held
    of.until(Phase.AwaitingApproval)
    assert of.status.message.endswith("It is a last resort, and not tried: undo")
    of.say(Verb.Approve, option="restart", role="incident-commander")
    of.until(Phase.Resolved)
    assert of.written == ["uid-inc/1/restart/restart"]


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


def test_another_last_resort_need_not_be_tried_before() -> None:
    of = Play(plan(option("undo", last_resort=True, timeout=timedelta(minutes=10)), option("restart", last_resort=True)))
    of.answers[moves.Prepare] = held
    of.until(Phase.Resolved)
    assert of.written == ["uid-inc/1/restart/restart"]

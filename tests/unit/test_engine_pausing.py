"""Hold: nothing further is changed until somebody resumes, what is owed in time is taken back. Assign: who holds which role."""

from __future__ import annotations

from datetime import timedelta

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from stanch.domain.plan import Revert, Step
from stanch.engine import moves, outcomes
from tests.unit.play import NO, REVERSIBLE, Play, approval, option, plan

TEN = timedelta(minutes=10)


def conditions(play: Play) -> dict[str, str]:
    return {condition.type: condition.message for condition in play.status.conditions if condition.status == "True"}


def awaiting() -> Play:
    play = Play(plan=plan(option("undo", approval=approval(incident_commander=1), timeout=TEN)))
    play.until(Phase.AwaitingApproval)
    return play


def changed_for_a_time(revert: Revert) -> Play:
    """Mitigated by a change that is to be taken back."""
    step = Step("undo", "rolloutUndo", "app", expect="pods ready", revert=revert, reversible=True)
    play = Play(plan=plan(option("undo", steps=(step,))))
    play.answers[moves.Prepare] = REVERSIBLE
    return play


def ending(play: Play) -> str:
    return play.chain[-1].line.result


def test_nothing_is_changed_until_somebody_resumes_and_its_time_begins_then() -> None:
    play = awaiting()
    play.say(Verb.Hold, by="carol")
    play.say(Verb.Approve, role="incident-commander", option="undo")
    move = play.tick()
    assert play.status.phase is Phase.Mitigating and move.wake_at is None and play.written == []
    assert (play.status.reason, play.status.waits_for) == ("OnHold", "Resume")
    assert conditions(play)["OnHold"] == "carol: because"
    play.now += timedelta(hours=3)
    play.tick()
    assert play.status.phase is Phase.Mitigating and play.written == [], "longer than the option's time"
    play.say(Verb.Resume)
    play.until(Phase.Resolved)
    assert play.written == ["uid-inc/1/undo/undo"], "the same plan, the same attempt"
    assert "OnHold" not in conditions(play)


def test_what_is_begun_goes_to_its_end_and_the_next_step_waits() -> None:
    steps = (Step("one", "rolloutUndo", "app", expect="ready"), Step("two", "rolloutUndo", "app", expect="ready"))
    play = Play(plan=plan(option("undo", steps=steps)), answers={moves.Write: outcomes.Later("Timeout", "no answer", 1.0)})
    play.tick()
    play.say(Verb.Hold)
    del play.answers[moves.Write]
    play.now += timedelta(seconds=2)
    play.tick()
    assert play.written == ["uid-inc/1/undo/one"] and play.status.waits_for == "Resume"
    play.say(Verb.Resume)
    play.until(Phase.Resolved)
    assert play.written == ["uid-inc/1/undo/one", "uid-inc/1/undo/two"]


def test_recovery_takes_nothing_back_meanwhile() -> None:
    play = changed_for_a_time(Revert())
    play.until(Phase.Holding)
    play.say(Verb.Hold)
    play.until(Phase.Mitigated)
    play.now += timedelta(hours=1)
    play.tick()
    assert play.taken == [] and play.status.waits_for == "Resume"
    play.say(Verb.Resume)
    play.until(Phase.Resolved)
    assert play.taken == play.written


@pytest.mark.requirement("E-18")
def test_a_time_holds_all_the_same() -> None:
    play = changed_for_a_time(Revert(after=TEN, on_recovery=True))
    play.until(Phase.Holding)
    play.say(Verb.Hold)
    move = play.until(Phase.Mitigated)
    due = play.status.reverts[0].due_at
    assert due is not None and move.wake_at == due and play.taken == []
    play.now = due
    play.tick()
    assert play.taken == play.written and play.status.held is not None


def test_what_people_are_called_for_meanwhile_stays_said() -> None:
    """Its time has come under the Hold, and somebody has changed the same."""
    play = changed_for_a_time(Revert(after=TEN, on_recovery=False))
    play.answers[moves.PrepareRevert] = outcomes.Contested("somebody set it to 7")
    play.until(Phase.Mitigated)
    play.say(Verb.Hold)
    play.tick()
    play.now += TEN
    play.tick()
    assert (play.status.waits_for, play.status.reason) == ("Revert or Confirm of undo/undo; Resume", "RevertConflict")
    play.say(Verb.Confirm, option="undo", step="undo")
    play.tick()
    assert (play.status.waits_for, play.status.reason) == ("Resume", "OnHold")
    play.say(Verb.Resume)
    play.until(Phase.Resolved)


def test_who_resumes_is_not_waited_for_any_more_and_who_is_called_still_is() -> None:
    play = changed_for_a_time(Revert(after=TEN, on_recovery=False))
    play.answers[moves.PrepareRevert] = outcomes.Contested("somebody set it to 7")
    play.until(Phase.Mitigated)
    play.say(Verb.Hold)
    play.now += TEN
    play.tick()
    play.say(Verb.Resume)
    play.tick()
    assert play.status.waits_for == "Revert or Confirm of undo/undo" and play.status.phase is Phase.Mitigated


def test_the_resume_that_ends_it_lets_no_guard_pass() -> None:
    """One that plans anew does: that is a person's yes to what is changed then. This one says that it goes on as it was."""
    play = awaiting()
    play.say(Verb.Hold)
    play.say(Verb.Resume)
    play.tick()
    assert play.status.held is None and not play.status.resumed


@pytest.mark.parametrize("way", [Verb.Abort, Verb.Revert])
def test_people_take_back_what_they_want(way: Verb) -> None:
    play = changed_for_a_time(Revert())
    play.until(Phase.Holding)
    play.say(Verb.Hold)
    play.until(Phase.Mitigated)
    play.say(way)
    if way is Verb.Abort:
        play.until(Phase.Aborted)
    play.tick()
    assert play.taken == play.written


def test_the_first_one_holds_it_and_anybody_who_may_resumes() -> None:
    play = awaiting()
    play.say(Verb.Hold, by="carol")
    play.say(Verb.Hold, by="dave")
    play.tick()
    assert play.status.held.by == "carol" and "carol holds it up already" in ending(play)
    play.say(Verb.Resume, by="dave")
    play.tick()
    assert play.status.held is None and play.status.attempt == 1 and play.status.phase is Phase.AwaitingApproval
    assert play.status.waits_for == "incident-commander 0/1"


def test_where_nothing_is_changed_there_is_nothing_to_hold() -> None:
    play = Play(plan=plan(option("restart")), readings={"health": NO})
    play.until(Phase.Escalated)
    play.say(Verb.Hold)
    play.tick()
    assert play.status.held is None and "changes nothing by itself" in ending(play)


def test_escalated_while_it_was_on_hold_a_resume_plans_anew_and_ends_the_hold() -> None:
    play = Play(plan=plan(option("restart")), readings={"health": NO})
    play.until(Phase.Verifying)
    play.say(Verb.Hold)
    play.until(Phase.Escalated)
    assert play.status.held is not None
    play.say(Verb.Resume)
    play.until(Phase.Verifying)
    assert play.status.attempt == 2 and play.status.held is None


def test_the_next_leader_holds_it_up_too() -> None:
    play = awaiting()
    play.say(Verb.Hold)
    play.say(Verb.Approve, role="incident-commander", option="undo")
    play.tick()
    play.epoch = 2
    play.tick()
    assert play.written == [] and play.status.waits_for == "Resume"


def test_evidence_is_of_now_when_it_goes_on() -> None:
    play = awaiting()
    play.say(Verb.Hold)
    play.say(Verb.Approve, role="incident-commander", option="undo")
    play.tick()
    before, play.now = play.status.evidence.captures, play.now + timedelta(hours=1)
    play.say(Verb.Resume)
    play.until(Phase.Holding)
    assert play.status.evidence.captures > before


# Who holds which role.


def held(play: Play) -> dict[str, str]:
    return {record.role: record.assignee for record in play.status.roles}


@pytest.mark.requirement("A-03", "A-27")
def test_the_last_one_who_was_assigned_holds_the_role() -> None:
    play = awaiting()
    play.say(Verb.Assign, role="incident-commander", assignee="carol")
    play.say(Verb.Assign, role="scribe", assignee="sam")
    play.now += timedelta(minutes=1)
    play.say(Verb.Assign, by="carol", role="incident-commander", assignee="dave")
    play.tick()
    assert held(play) == {"incident-commander": "dave", "scribe": "sam"}
    assert ending(play) == "dave is incident-commander instead of carol"
    play.say(Verb.Assign, role="scribe", assignee="sam")
    play.tick()
    assert ending(play) == "no effect: sam is scribe already"


def test_it_gives_nobody_a_yes() -> None:
    """What they may say the API server asks RBAC, as of everybody."""
    play = awaiting()
    play.say(Verb.Assign, role="incident-commander", assignee="carol")
    play.tick()
    assert play.status.phase is Phase.AwaitingApproval and not play.status.approvals


def test_as_many_roles_as_a_status_holds() -> None:
    play = awaiting()
    for number in range(17):
        play.say(Verb.Assign, role=f"role-{number}", assignee="carol")
    play.tick()
    assert len(play.status.roles) == 16
    assert any("more than that are not kept" in entry.line.result for entry in play.chain)


def test_what_is_over_has_no_roles() -> None:
    play = Play(plan=plan(option("restart")))
    play.until(Phase.Resolved)
    play.say(Verb.Close)
    play.tick()
    play.say(Verb.Assign, role="scribe", assignee="sam")
    play.tick()
    assert play.status.phase is Phase.Closed and not play.status.roles

"""Who takes an incident on, and how grave it is: in time, late, nobody; confirmed, changed, and what is asked anew then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from stanch.domain.plan import Occasion, Pin
from stanch.engine import moves, outcomes
from stanch.engine.figures import Block
from tests.unit.play import DIGEST, NO, T0, Play, approval, option, plan

FIVE = timedelta(minutes=5)
OTHER = "sha256:" + "e" * 64
ASKED = plan(option("undo", approval=approval(incident_commander=1)))


def play(said: str = "P0", respond: Mapping[str, timedelta] | None = None, **changes: Any) -> Play:
    """Said to be so grave, under a policy that knows P0 and P1 and wants an answer within five minutes; of P1 there is another
    plan."""
    made = Play(**{"plan": ASKED, **changes})

    def resolve(effect: moves.Resolve) -> outcomes.Resolved:
        severity = made.status.classified.severity if made.status.classified else said
        made.plan = replace(made.plan, attempt=effect.attempt, occasion=Occasion("availability", severity, "frontend"))
        digest = DIGEST if severity == "P0" else OTHER
        within = (respond or {}).get(severity, FIVE)
        return outcomes.Resolved(made.plan, digest, Pin("aureus"), "", {}, "file:///packs/x", None, "", None, ("P0", "P1"), within)

    made.answers[moves.Resolve] = resolve
    return made


def standing(made: Play, kind: str = "Acknowledged") -> tuple[str, str]:
    (found,) = [condition for condition in made.status.conditions if condition.type == kind]
    return found.status, found.reason


def ending(made: Play) -> str:
    return made.chain[-1].line.result


@pytest.mark.requirement("B-02", "E-30")
def test_in_time_is_in_time() -> None:
    made = play()
    made.tick()
    assert standing(made) == ("False", "Awaited") and made.status.acknowledge_by == T0 + FIVE
    made.now += timedelta(minutes=4)
    made.say(Verb.Acknowledge, by="carol", reason="")
    made.until(Phase.Escalated)
    taken = made.status.acknowledged
    assert taken is not None and (taken.by, taken.at) == ("carol", T0 + timedelta(minutes=4))
    assert standing(made) == ("True", "InTime") and "1/unheeded" not in made.lines


@pytest.mark.requirement("B-02")
def test_nobody_in_time_is_told_when_the_time_is_over_and_whoever_comes_late_hides_nothing() -> None:
    made = play()
    made.until(Phase.AwaitingApproval)
    made.now = T0 + timedelta(seconds=270)
    assert made.tick().wake_at == T0 + FIVE, "it wakes by itself"
    made.now = T0 + FIVE
    made.tick()
    assert standing(made) == ("False", "Overdue") and made.status.unheeded and made.lines[-1] == "1/unheeded"
    made.now += timedelta(seconds=90)
    made.say(Verb.Acknowledge, by="carol")
    made.tick()
    assert standing(made) == ("True", "Late") and "carol has it, 90 s late" in ending(made)
    made.until(Phase.Escalated)
    assert made.lines.count("1/unheeded") == 1


@pytest.mark.requirement("B-02")
@pytest.mark.parametrize("first", [Verb.Acknowledge, Verb.Classify])
def test_late_stays_late_though_it_is_called_less_grave(first: Verb) -> None:
    """Of a P1 there would have been an hour."""
    made = play(respond={"P0": FIVE, "P1": timedelta(hours=1)})
    made.until(Phase.AwaitingApproval)
    made.now = T0 + timedelta(minutes=6)
    made.tick()
    for verb in (first, Verb.Classify if first is Verb.Acknowledge else Verb.Acknowledge):
        made.say(verb, by="carol", severity="P1" if verb is Verb.Classify else "")
        made.tick()
    assert made.status.plan_digest == OTHER and made.status.acknowledge_by == T0 + FIVE
    assert standing(made) == ("True", "Late") and made.status.unheeded


@pytest.mark.requirement("B-02")
def test_a_time_that_is_over_before_anybody_looked_is_late_all_the_same() -> None:
    """The operator was away; the clock has run since the incident was opened."""
    made = play()
    made.now += timedelta(minutes=6)
    made.say(Verb.Acknowledge)
    made.until(Phase.AwaitingApproval)
    assert standing(made) == ("True", "Late")


def test_the_first_one_has_it() -> None:
    made = play()
    made.tick()
    made.say(Verb.Acknowledge, by="carol")
    made.say(Verb.Acknowledge, by="dave")
    made.tick()
    assert made.status.acknowledged.by == "carol" and "carol acknowledged it already" in ending(made)


def test_what_is_over_waits_for_nobody() -> None:
    made = play(plan=plan(option("restart")))
    made.until(Phase.Resolved)
    made.say(Verb.Acknowledge)
    made.tick()
    assert made.status.acknowledged is None and "waits for nobody" in "".join(entry.line.result for entry in made.chain)
    made.now += timedelta(hours=1)
    made.tick()
    assert not made.status.unheeded


def test_without_a_time_nobody_is_late() -> None:
    made = Play(plan=ASKED)
    made.until(Phase.AwaitingApproval)
    made.now += timedelta(minutes=14)
    made.tick()
    assert standing(made) == ("False", "Awaited")
    made.say(Verb.Acknowledge)
    made.tick()
    assert standing(made) == ("True", "InTime")


@pytest.mark.requirement("A-02", "E-33")
def test_confirmed_is_recorded_and_changes_nothing() -> None:
    made = play()
    made.until(Phase.AwaitingApproval)
    made.say(Verb.Classify, by="carol", role="incident-commander", severity="P0")
    made.tick()
    assert made.status.phase is Phase.AwaitingApproval and made.status.attempt == 1
    said = made.status.classified
    assert (said.severity, said.was, said.by, said.at, said.role) == ("P0", "P0", "carol", made.now, "incident-commander")
    assert ending(made) == "confirmed as P0"


@pytest.mark.requirement("A-02", "E-17")
def test_changed_it_is_planned_and_approved_anew() -> None:
    made = play()
    made.until(Phase.AwaitingApproval)
    made.say(Verb.Classify, by="carol", severity="P1")
    made.until(Phase.AwaitingApproval)
    assert (made.status.plan_digest, made.status.attempt, made.plan.occasion.severity) == (OTHER, 2, "P1")
    made.say(Verb.Approve, role="incident-commander", option="undo")  # of the plan before
    made.tick()
    assert made.status.phase is Phase.AwaitingApproval and "names plan" in ending(made)
    made.say(Verb.Approve, role="incident-commander", option="undo", digest=OTHER)
    made.until(Phase.Resolved)
    told = next(entry.line for entry in made.chain if entry.line.action == "Classify")
    assert told.actor == "carol" and told.result.startswith("P1 instead of P0")


def test_what_was_approved_beforehand_is_asked_anew() -> None:
    made = play(plan=plan(option("restart"), option("undo", approval=approval(incident_commander=1))), readings={"health": NO})
    made.until(Phase.Verifying)
    made.say(Verb.Approve, role="incident-commander", option="undo")
    made.say(Verb.Classify, by="carol", severity="P1")
    made.tick()
    assert made.status.phase is Phase.Verifying and not made.status.approvals, "what runs goes on"
    made.until(Phase.AwaitingApproval)
    assert made.status.attempt == 1 and made.status.waits_for == "incident-commander 0/1"


@pytest.mark.parametrize("phase", [Phase.Capturing, Phase.Diagnosing, Phase.AwaitingApproval])
def test_whenever_it_is_said_before_the_first_change_it_holds(phase: Phase) -> None:
    made = play()
    while made.status.phase is not phase and made.status.phase is not Phase.AwaitingApproval:
        effect = made.step()
        outcome = made.answer(effect.effect) if effect.effect else None
        made.step(effect.effect, outcome)
    made.say(Verb.Classify, by="carol", severity="P1")
    made.until(Phase.AwaitingApproval)
    assert made.status.plan_digest == OTHER and made.written == []


def test_a_plan_that_was_made_meanwhile_is_made_again() -> None:
    """Said while the plan was being made: what comes of that is of another severity."""
    made = play()
    move = made.step()
    outcome = made.answer(move.effect)
    made.say(Verb.Classify, by="carol", severity="P1")
    unread = replace(made.status, pack=replace(made.status.pack, head=replace(made.status.pack.head, seq=0)))
    assert unread == made.status
    made.step(move.effect, outcome)
    made.until(Phase.AwaitingApproval)
    assert made.status.plan_digest == OTHER


def test_no_level_of_the_policy_has_no_effect() -> None:
    made = play()
    made.until(Phase.AwaitingApproval)
    made.say(Verb.Classify, severity="P9")
    made.tick()
    assert made.status.classified is None and "has no severity 'P9'; it has P0, P1" in ending(made)


def test_what_a_person_resumed_stays_so_when_it_is_classified() -> None:
    """The guards that their Resume passes it goes on passing: who says how grave it is takes nothing of that back."""
    made = play(plan=plan(option("restart", approval=approval(incident_commander=1))), readings={"health": NO})
    made.until(Phase.AwaitingApproval)
    made.say(Verb.Reject, role="incident-commander", option="restart")
    made.until(Phase.Escalated)
    made.say(Verb.Resume)
    made.until(Phase.AwaitingApproval)
    made.say(Verb.Classify, severity="P1")
    made.until(Phase.AwaitingApproval)
    assert (made.status.attempt, made.status.resumed, made.status.plan_digest) == (3, True, OTHER)


@pytest.mark.parametrize("end", [Verb.Abort, Verb.Close])
def test_what_is_over_is_not_classified(end: Verb) -> None:
    made = play(plan=plan(option("restart")))
    if end is Verb.Close:
        made.until(Phase.Resolved)
    else:
        made.until(Phase.Holding)
    made.say(end)
    made.until(Phase.Closed, Phase.Aborted)
    made.say(Verb.Classify, severity="P1")
    made.tick()
    assert made.status.classified is None


def test_escalated_it_is_planned_with_it_once_somebody_resumes() -> None:
    made = play(plan=plan(option("restart")), readings={"health": NO})
    made.until(Phase.Escalated)
    made.say(Verb.Classify, severity="P1")
    made.tick()
    assert made.status.phase is Phase.Escalated
    made.say(Verb.Resume)
    made.until(Phase.Escalated)
    made.tick()
    assert made.status.plan_digest == OTHER


def test_what_came_back_without_its_past_is_not_planned_for_that() -> None:
    made = play(plan=plan(option("restart")))
    resolve = made.answers[moves.Resolve]
    made.answers[moves.Resolve] = outcomes.CameBack("its status was lost", made.status.pack.head)
    made.until(Phase.Waiting)
    made.say(Verb.Classify, severity="P1")
    made.tick()
    assert made.status.phase is Phase.Waiting and "after a Resume" in ending(made)
    made.answers[moves.Resolve] = resolve
    made.say(Verb.Resume)
    made.until(Phase.Resolved)
    assert made.status.plan_digest == OTHER


BYPASS = plan(option("bypass", when="incident.severity == 'P0'", approval=approval(incident_commander=1, security_team=1)))


def both_approve(made: Play) -> None:
    for by, role in (("carol", "incident-commander"), ("sam", "security-team")):
        made.say(Verb.Approve, by=by, role=role, option="bypass", digest=made.status.plan_digest)


@pytest.mark.requirement("E-17")
def test_what_is_for_one_severity_only_is_not_run_at_another_until_it_is_classified_so() -> None:
    made = play(plan=BYPASS, said="P1")
    made.until(Phase.Escalated)
    both_approve(made)
    made.say(Verb.BreakGlass, option="bypass", digest=made.status.plan_digest, ticket="OPS-1")
    made.tick()
    assert made.status.phase is Phase.Escalated and not made.status.approvals and not made.status.broken_glass
    assert "bypass skipped: condition does not hold at severity P1 (it does at P0: Classify, then Resume)" in made.status.message
    made.say(Verb.Classify, by="carol", role="incident-commander", severity="P0")
    made.say(Verb.Resume)
    made.until(Phase.AwaitingApproval)
    assert made.status.waits_for == "incident-commander 0/1, security-team 0/1" and made.written == []
    both_approve(made)
    made.until(Phase.Resolved)
    assert made.written == ["uid-inc/2/bypass/bypass"]


@pytest.mark.requirement("E-17")
def test_let_run_and_held_up_it_is_not_run_any_more_once_it_is_of_another_severity() -> None:
    """Approved as a P0, kept from its first step by a guard: as a P1 nobody would have been asked."""
    made = play(plan=BYPASS)
    made.until(Phase.AwaitingApproval)
    pods = Block("MinAvailable", "0 of 3 would stay", "at least 1 must stay", "more available pods")
    made.answers[moves.Prepare] = outcomes.Held(pods, 5.0)
    both_approve(made)
    made.until(Phase.Mitigating)
    del made.answers[moves.Prepare]
    made.say(Verb.Classify, by="carol", severity="P1")
    made.until(Phase.Escalated)
    assert made.written == [] and "skipped" in made.status.message and made.status.attempt == 2
    assert moves.Release(()) in made.performed, "and its targets are let go"


@pytest.mark.requirement("E-17")
def test_one_that_another_option_was_tried_before_is_judged_by_what_was_said_meanwhile() -> None:
    made = play(plan=plan(option("restart"), *BYPASS.options), readings={"health": NO})
    made.until(Phase.Verifying)
    made.say(Verb.Classify, by="carol", severity="P1")
    made.until(Phase.Escalated)
    assert made.status.attempt == 1 and made.written == ["uid-inc/1/restart/restart"]
    assert "at severity P1" in next(record.message for record in made.status.options if record.name == "bypass")

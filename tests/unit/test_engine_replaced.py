"""A target is deleted and created anew while approvals are gathered: planned anew, asked again, and the old yes is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import OptionState, Phase
from stanch.domain.plan import Pin, Step
from stanch.engine import moves, outcomes
from stanch.engine.choosing import LOOK_EVERY
from tests.unit.play import DIGEST, NO, REVERSIBLE, YES, Play, approval, option, plan

NEW = "sha256:" + "e" * 64
ANEW = outcomes.Replaced("deployment/frontend was created anew (UID uid-2, the plan is about uid-app)")
STEPS = (Step("first", "rolloutRestart", "app"), Step("undo", "rolloutUndo", "app"))


def needing(**roles: int) -> Play:
    """The plan of its second attempt has another digest, as it is about another object."""
    play = Play(plan=plan(option("undo", approval=approval(**roles)), option("restart")))

    def resolve(effect: moves.Resolve) -> outcomes.Outcome:
        play.plan = replace(play.plan, attempt=effect.attempt)
        return outcomes.Resolved(play.plan, DIGEST if effect.attempt == 1 else NEW, Pin("aureus"), "", {}, "file:///packs/x")

    play.answers[moves.Resolve] = resolve
    return play


def awaiting(**roles: int) -> Play:
    play = needing(**roles)
    play.tick()
    assert play.status.phase is Phase.AwaitingApproval
    return play


def recreated(play: Play) -> None:
    """Once: the next plan is about the new one."""

    def once(_: moves.Recognize) -> outcomes.Outcome:
        del play.answers[moves.Recognize]
        return ANEW

    play.answers[moves.Recognize] = once


@pytest.mark.requirement("A-15")
def test_an_approval_of_what_is_gone_is_void_and_asked_again() -> None:
    play = awaiting(sre=2)
    play.say(Verb.Approve, by="bob", role="sre", option="undo")
    play.tick()
    recreated(play)
    play.say(Verb.Approve, by="carol", role="sre", option="undo")
    play.tick()
    assert play.written == [], "both yes were there, for another object"
    assert (play.status.phase, play.status.attempt, play.status.plan_digest) == (Phase.AwaitingApproval, 2, NEW)
    assert play.status.approvals == () and play.status.waits_for == "sre 0/2"
    (told,) = [entry.line for entry in play.chain if entry.line.key == "1/option/undo/replaced"]
    assert told.result == f"{ANEW.message}; approvals that do not count any more: bob (sre), carol (sre)"
    said = [status for status in play.statuses if status.reason == "TargetReplaced"]
    assert said and ANEW.message in said[0].message
    play.say(Verb.Approve, by="bob", role="sre", option="undo", digest=DIGEST)
    play.tick()
    assert play.status.approvals == () and f"it names plan {DIGEST}" in play.chain[-1].line.result
    for by in ("bob", "carol"):
        play.say(Verb.Approve, by=by, role="sre", option="undo", digest=NEW)
    play.until(Phase.Resolved)
    assert play.written == ["uid-inc/2/undo/undo"]


def test_a_yes_that_comes_while_it_is_looked_is_looked_at_for_itself() -> None:
    play = awaiting(sre=1)

    def look(_: moves.Recognize) -> outcomes.Outcome:
        recreated(play)
        play.say(Verb.Approve, role="sre", option="undo")
        return outcomes.Done()

    play.answers[moves.Recognize] = look
    play.tick()
    assert (play.status.phase, play.status.attempt, play.written) == (Phase.AwaitingApproval, 2, [])


def test_evidence_is_captured_again_of_what_is_there_now() -> None:
    play = awaiting(sre=1)
    recreated(play)
    play.now += LOOK_EVERY
    play.tick()
    assert sum(isinstance(effect, moves.Capture) for effect in play.performed) == 2


def test_people_need_not_speak_for_it_to_be_seen() -> None:
    play = awaiting(sre=1)
    move = play.step()
    looks = [effect for effect in play.performed if isinstance(effect, moves.Recognize)]
    assert looks == [moves.Recognize("undo")], "once a tick"
    assert play.tick().wake_at == play.now + LOOK_EVERY and isinstance(move.effect, moves.Recognize)
    recreated(play)
    play.now += LOOK_EVERY
    play.tick()
    assert play.status.attempt == 2 and "nobody had approved yet" in str([entry.line.result for entry in play.chain])


def test_the_last_look_is_not_after_the_deadline() -> None:
    play = awaiting(sre=1)
    assert play.status.deadline is not None
    play.now = play.status.deadline - timedelta(seconds=5)
    assert play.tick().wake_at == play.status.deadline
    play.now = play.status.deadline
    play.answers[moves.Recognize] = ANEW
    play.tick()
    assert play.status.options[0].state is OptionState.Denied and play.status.attempt == 1, "silence is a no, whatever is there"


UNSEEN = [outcomes.Later("Unreachable", "no answer", 2.0), outcomes.Denied("Forbidden", "may not get it")]


@pytest.mark.parametrize("unseen", UNSEEN)
def test_what_cannot_be_looked_at_is_looked_at_again_before_it_begins(unseen: outcomes.Later | outcomes.Denied) -> None:
    play = awaiting(sre=1)
    play.answers[moves.Recognize] = unseen
    play.say(Verb.Approve, role="sre", option="undo")
    move = play.tick()
    assert (play.status.phase, play.status.reason, play.written) == (Phase.AwaitingApproval, unseen.reason, [])
    assert unseen.message in play.status.message and move.wake_at is not None
    del play.answers[moves.Recognize]
    play.until(Phase.Resolved)
    assert play.written == ["uid-inc/1/undo/undo"]


@pytest.mark.parametrize("unseen", UNSEEN)
def test_what_can_never_be_looked_at_is_denied_in_the_end(unseen: outcomes.Later | outcomes.Denied) -> None:
    play = awaiting(sre=1)
    play.answers[moves.Recognize] = unseen
    play.say(Verb.Approve, role="sre", option="undo")
    play.until(Phase.Resolved)
    record = next(record for record in play.status.options if record.name == "undo")
    assert record.state is OptionState.Denied and "cannot be looked at" in record.message
    assert play.written == ["uid-inc/1/restart/restart"], "the next option, which needs no approval"


def test_a_target_that_is_gone_is_waited_for_and_then_asked_for_anew() -> None:
    play = awaiting(sre=1)
    recreated(play)
    resolve = play.answers[moves.Resolve]
    play.answers[moves.Resolve] = outcomes.Denied("TargetNotFound", "there is no Deployment 'frontend'")
    play.say(Verb.Approve, role="sre", option="undo")
    move = play.tick()
    assert (play.status.phase, play.status.reason, play.status.waits_for) == (Phase.Waiting, "TargetNotFound", "alice")
    assert move.wake_at is not None and play.status.approvals == ()
    play.answers[moves.Resolve] = resolve
    play.now = move.wake_at
    play.tick()
    assert (play.status.phase, play.status.plan_digest) == (Phase.AwaitingApproval, NEW)


def test_locks_of_what_is_gone_are_given_back() -> None:
    play = Play(plan=plan(option("restart"), option("undo", approval=approval(sre=1))), readings={"health": NO})
    play.until(Phase.AwaitingApproval)
    assert play.status.locked
    recreated(play)
    play.now += LOOK_EVERY
    play.tick()
    kinds = [type(effect).__name__ for effect in play.performed]
    assert kinds.index("Release") > kinds.index("Recognize") and kinds[kinds.index("Release") + 1] == "Resolve"


class TestBetweenApprovalAndWrite:
    """It may still be held up by a guard for long."""

    def test_an_approved_option_that_has_done_nothing_is_asked_again(self) -> None:
        play = awaiting(sre=1)

        def prepare(_: moves.Prepare) -> outcomes.Outcome:
            del play.answers[moves.Prepare]
            return ANEW

        play.answers[moves.Prepare] = prepare
        play.say(Verb.Approve, role="sre", option="undo")
        play.tick()
        assert (play.status.phase, play.status.attempt, play.written) == (Phase.AwaitingApproval, 2, [])
        assert "1/option/undo/replaced" in play.lines

    def test_one_that_has_written_already_fails(self) -> None:
        play = Play(plan=plan(option("undo", steps=STEPS, approval=approval(sre=1)), option("restart")), readings={"health": YES})
        play.tick()

        def prepare(effect: moves.Prepare) -> outcomes.Outcome:
            play.now += timedelta(seconds=1)
            return REVERSIBLE if effect.step == "first" else ANEW

        play.answers[moves.Prepare] = prepare
        play.say(Verb.Approve, role="sre", option="undo")
        play.until(Phase.Diagnosing, Phase.Escalated)
        record = next(record for record in play.status.options if record.name == "undo")
        assert play.status.attempt == 1 and record.state is OptionState.Failed and "TargetReplaced" in record.message

    def test_one_that_needed_no_approval_is_refused(self) -> None:
        play = Play(plan=plan(option("restart")), answers={moves.Prepare: ANEW})
        play.until(Phase.Escalated)
        assert play.status.attempt == 1 and "TargetReplaced: deployment/frontend was created anew" in play.status.message

"""No Decision is taken in while nobody vouches for it; the rest of an incident goes on; what is older does not count."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase, RevertState, VouchRecord
from stanch.domain.plan import Revert
from stanch.engine import moves
from stanch.engine.shipped import DECISIONS
from stanch.engine.summary import TRUSTED as CONDITION
from stanch.engine.vouching import NONE, Distrust, NotVouched, Trust, Vouched, unproven
from stanch.runtime.announce import newly_distrusted
from tests.unit.play import REVERSIBLE, T0, TRUSTED, Play, approval, option, plan

GONE = NotVouched(Distrust.PolicyMissing, "the policy is missing")


def waiting(trust: Trust = TRUSTED) -> Play:
    play = Play(plan(option("undo", approval=approval(incident_commander=1))), trust=trust)
    play.until(Phase.AwaitingApproval)
    return play


def approve(play: Play, **changes: object) -> None:
    play.say(Verb.Approve, "carol", "incident-commander", "undo", **changes)
    play.tick()


def condition(play: Play) -> tuple[str, str, str]:
    found = next(condition for condition in play.status.conditions if condition.type == CONDITION)
    return found.status, found.reason, found.message


def marked(play: Play) -> list[moves.Mark]:
    return [effect for effect in play.performed if isinstance(effect, moves.Mark)]


def test_one_that_is_vouched_for_counts() -> None:
    play = waiting()
    approve(play)
    assert play.status.phase is not Phase.AwaitingApproval and condition(play)[:2] == ("True", "Vouched")


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize("reason", Distrust)
def test_none_is_taken_in_whatever_it_says(verb: Verb, reason: Distrust) -> None:
    play = waiting(replace(GONE, reason=reason))
    before = play.lines
    play.say(verb, "carol", "incident-commander", "undo", step="undo")
    play.tick()
    assert (play.status.phase, play.lines, marked(play)) == (Phase.AwaitingApproval, before, [])
    assert condition(play) == ("False", str(reason), "the policy is missing")


def test_it_waits_and_counts_once_it_is_vouched_for() -> None:
    """Nobody could read for a while: the policy is the one that it was."""
    play = waiting()
    play.trust = NotVouched(Distrust.Unreadable, "no answer")
    play.tick()
    approve(play)
    assert play.status.phase is Phase.AwaitingApproval
    play.trust = TRUSTED
    play.tick()
    assert play.status.phase is not Phase.AwaitingApproval and [mark.effect for mark in marked(play)] == ["Counted"]


@pytest.mark.parametrize(("after", "effect"), [(0, "NoEffect"), (3, "NoEffect"), (4, "Counted")])
def test_one_from_before_the_policy_is_recorded_without_effect(after: int, effect: str) -> None:
    play = waiting()
    play.trust = Vouched("re-created", T0, T0)
    play.now = T0 + timedelta(minutes=1)
    approve(play, created_at=T0 + timedelta(seconds=after))
    (mark,) = marked(play)
    assert mark.effect == effect and ("say it again" in mark.message) == (effect == "NoEffect")
    assert (play.status.phase is Phase.AwaitingApproval) == (effect == "NoEffect")


def test_a_policy_that_was_changed_while_nobody_looked_counts_from_when_it_was_seen() -> None:
    """Changed and changed back: it stands there since long ago, but its generation tells."""
    play = waiting()
    seen = T0 + timedelta(minutes=2)
    play.now = seen + timedelta(minutes=1)
    play.trust = replace(TRUSTED, mark="policy/3 binding/1", seen=seen)
    play.say(Verb.Note, created_at=T0 + timedelta(minutes=1))
    approve(play, created_at=T0 + timedelta(minutes=1))
    assert [mark.effect for mark in marked(play)] == ["NoEffect", "NoEffect"]
    approve(play, created_at=seen + timedelta(seconds=30))
    assert [mark.effect for mark in marked(play)] == ["NoEffect", "NoEffect", "Counted"]


def test_what_was_not_vouched_for_when_the_operator_ended_is_so_in_its_next_life() -> None:
    play = waiting()
    play.trust = GONE
    play.tick()
    assert play.status.vouched == VouchRecord(NONE)
    play.epoch, play.now = 2, T0 + timedelta(minutes=3)
    play.trust = replace(TRUSTED, seen=T0 + timedelta(minutes=2))
    approve(play, created_at=T0 + timedelta(minutes=1))
    assert [mark.effect for mark in marked(play)] == ["NoEffect"]


def test_steps_without_an_approval_and_what_is_owed_go_on() -> None:
    undo = option("undo")
    step = replace(undo.steps[0], reversible=True, revert=Revert(timedelta(minutes=5)))
    play = Play(plan(replace(undo, steps=(step,))), trust=GONE, answers={moves.Prepare: REVERSIBLE})
    play.until(Phase.Mitigated)
    assert play.written and not play.taken
    play.now += timedelta(minutes=6)
    play.tick()
    assert play.taken and play.status.reverts[0].state is RevertState.Done


def test_who_deletes_the_incident_ends_it_all_the_same() -> None:
    play = waiting(GONE)
    play.facts = replace(play.facts, deleted=True)
    play.until(Phase.Aborted)


def test_people_are_told_once_for_each_reason() -> None:
    play = waiting()
    told = []
    for trust in (TRUSTED, GONE, GONE, unproven(DECISIONS, None), TRUSTED, GONE):
        assert trust is not None
        before, play.trust = play.status, trust
        play.tick()
        told.append("".join(found.reason for found in newly_distrusted(before, play.status)))
    assert told == ["", "PolicyMissing", "", "ProbeAccepted", "", "PolicyMissing"]


def test_an_open_incident_is_not_stored_again_for_it() -> None:
    play = waiting()
    stored = len({status for status in map(repr, play.statuses)})
    for _ in range(3):
        play.tick()
    assert len({status for status in map(repr, play.statuses)}) == stored

"""What was changed is noted before it is, ends when it ends, and outlives the attempt that made it, as does what came of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanch.domain.decision import Verb
from stanch.domain.incident import CHANGES, ChangeRecord, EndRecord, Phase, StepState
from stanch.domain.plan import Revert
from stanch.engine import moves, outcomes
from stanch.engine.changes import ANY, ENDED, LONGEST, end_of, fewer, noted
from stanch.engine.figures import Block
from stanch.engine.parts import Reading
from tests.unit.play import APP, NO, REVERSIBLE, T0, YES, Play, option, plan

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
UNDO = "uid-inc/1/undo/undo"


def undoing(**step: object) -> Play:
    """Each write takes a second."""
    chosen = option("undo")
    play = Play(plan(replace(chosen, steps=(replace(chosen.steps[0], **step),))))

    def write(effect: moves.Write) -> outcomes.Outcome:
        play.now += SECOND
        return outcomes.Written("written", found=False)

    def write_revert(effect: moves.WriteRevert) -> outcomes.Outcome:
        play.now += SECOND
        return outcomes.Written("taken back", found=False)

    play.answers |= {moves.Write: write, moves.WriteRevert: write_revert, moves.Prepare: REVERSIBLE}
    return play


def test_it_is_noted_with_its_intent_and_again_at_its_end() -> None:
    play = undoing()
    play.until(Phase.Resolved)
    intended = next(s for s in play.statuses if any(step.state is StepState.Intended for step in s.steps))
    assert intended.changes == (ChangeRecord(UNDO, APP.uid, T0, APP.kind, APP.name),)
    assert play.status.changes == (ChangeRecord(UNDO, APP.uid, T0 + SECOND, APP.kind, APP.name),)


def test_what_is_taken_back_is_a_change_too() -> None:
    play = undoing(revert=Revert(after=MINUTE), reversible=True)
    play.until(Phase.Resolved)
    back = play.status.reverts[0]
    taken_back = ChangeRecord(f"{UNDO}/revert", APP.uid, back.done_at, APP.kind, APP.name)
    assert back.done_at and play.status.changes[-1] == taken_back


def test_what_writes_nothing_is_none() -> None:
    play = undoing(action="wait", target="", writes=False, pause=SECOND)
    play.until(Phase.Resolved)
    assert play.status.changes == ()


def test_another_attempt_does_not_forget_it() -> None:
    play = undoing()
    play.readings = {"health": NO}
    play.until(Phase.Escalated)
    play.say(Verb.Resume)
    play.tick()
    assert play.status.attempt == 2 and play.status.resumed
    play.until(Phase.Escalated)
    assert [change.token for change in play.status.changes] == [UNDO, "uid-inc/2/undo/undo"]


def many(number: int, at: datetime = T0 - MINUTE) -> tuple[ChangeRecord, ...]:
    """Each of another object."""
    return tuple(ChangeRecord(f"old-{place}", f"uid-{place}", at) for place in range(number))


def test_beyond_its_places_a_change_counts_with_the_next_one_of_the_same_object() -> None:
    play = undoing()
    play.status = replace(play.status, changes=(*many(CHANGES - 2), *many(2, T0)))
    play.until(Phase.Resolved)
    first, second, *_, last = play.status.changes
    assert len(play.status.changes) == CHANGES and last == ChangeRecord(UNDO, APP.uid, T0 + SECOND, APP.kind, APP.name)
    assert (first.target, first.count, second.target) == ("uid-1", 1, "uid-2")
    assert play.status.changes[-3:-1] == (ChangeRecord("old-0", "uid-0", T0, count=2), ChangeRecord("old-1", "uid-1", T0))


def test_of_one_attempt_no_object_is_forgotten() -> None:
    changes = many(CHANGES)
    for place in range(CHANGES):
        changes = noted(changes, ChangeRecord(f"back-{place}", f"uid-{place}", T0), T0)
    assert [(one.target, one.at, one.count) for one in changes] == [(f"uid-{place}", T0, 2) for place in range(CHANGES)]


def test_where_each_is_of_another_object_the_first_may_have_been_any() -> None:
    changes = noted(many(CHANGES), ChangeRecord("new", "uid-new", T0), T0)
    assert changes[0] == ChangeRecord("", ANY, T0 - MINUTE, count=2) and changes[1:-1] == many(CHANGES)[2:]
    changes = noted(changes, ChangeRecord("newer", "uid-newer", T0), T0)
    assert changes[0] == ChangeRecord("", ANY, T0 - MINUTE, count=3) and len(changes) == CHANGES


def test_what_no_guard_looks_back_to_gives_way_first() -> None:
    old = many(CHANGES, T0 - LONGEST)
    assert noted(old[1:], ChangeRecord("new", "uid", T0), T0) == (*old[1:], ChangeRecord("new", "uid", T0))
    assert noted(old, ChangeRecord("new", "uid", T0), T0) == (ChangeRecord("new", "uid", T0),)


minutes = st.integers(0, 9).map(lambda number: T0 + number * MINUTE)
one = st.builds(ChangeRecord, st.just("t"), st.sampled_from("abcdef"), minutes, st.integers(1, 3))


@given(st.lists(one, max_size=12).map(tuple), st.integers(1, 5))
def test_fewer_are_never_less(changes: tuple[ChangeRecord, ...], most: int) -> None:
    """Neither within any time until now, nor of any object. Clocks may be set back between two."""
    kept = fewer(changes, most)
    assert len(kept) <= most
    for begin in (T0 + n * MINUTE for n in range(10)):
        made, told = (sum(one.count for one in of if one.at >= begin) for of in (changes, kept))
        assert told >= made
    for target in "abcdef":
        latest = max((one.at for one in changes if one.target == target), default=None)
        told = max((one.at for one in kept if one.target in (target, ANY)), default=None)
        assert latest is None or (told and told >= latest)


HELD = outcomes.Held(Block("FreezeWindow", "it is Saturday", "window weekend", "its end", people=True), 5.0)


def again(play: Play, phase: Phase) -> EndRecord | None:
    """Resumed, and played until there. What is known then of how it ended."""
    before, number = end_of(play.status), len(play.statuses)
    play.say(Verb.Resume)
    play.until(phase)
    under_way = [status for status in play.statuses[number:] if status.phase not in ENDED]
    assert under_way and all(end_of(status) == before for status in under_way), "while it goes on it is known how it ended before"
    return end_of(play.status)


@pytest.mark.parametrize(("helps", "phase"), [(NO, Phase.Escalated), (YES, Phase.Resolved)])
def test_how_it_ended_stays_known_until_another_attempt_that_changed_something_ends(helps: Reading, phase: Phase) -> None:
    play = undoing()
    play.readings = {"health": helps}
    play.until(phase)
    first = end_of(play.status)
    assert first == EndRecord(play.plan.playbook, T0 + SECOND, helped=helps is YES) and play.status.ended is None
    play.answers[moves.Prepare] = HELD
    assert again(play, Phase.Escalated) == first == play.status.ended and not play.status.steps
    play.answers[moves.Prepare], play.readings = REVERSIBLE, {"health": YES}
    second = again(play, Phase.Resolved)
    assert second and second.helped and second.at > first.at


def test_before_anything_was_changed_there_is_no_end() -> None:
    play = undoing()
    play.answers[moves.Prepare] = HELD
    play.until(Phase.Escalated)
    assert end_of(play.status) is None
    assert again(play, Phase.Escalated) is None

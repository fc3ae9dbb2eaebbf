"""Many Decisions at once: each is taken once, what directs the incident before what is noted, and no flood holds anything up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from stanch.domain.decision import Decision, Verb
from stanch.domain.incident import Phase, RevertState
from stanch.domain.plan import Revert
from stanch.engine import moves, outcomes
from stanch.engine.decisions import NOTES, REMEMBERED
from stanch.engine.vouching import Distrust, NotVouched
from tests.unit.play import TRUSTED, Play, option, plan
from tests.unit.test_engine_reverts import HOUR, TOKEN, boxed, due, rest, states, until_effect

LOST = outcomes.Later("Timeout", "no answer", 1.0)
SECOND = timedelta(seconds=1)


def owing() -> Play:
    play = boxed(Revert(HOUR, on_recovery=False))
    play.until(Phase.Mitigated)
    return play


def notes(play: Play, number: int) -> list[Decision]:
    return [play.say(Verb.Note) for _ in range(number)]


def told(play: Play) -> list[str]:
    """UIDs of Decisions, in the order in which they were taken."""
    return [key.rpartition("/")[2] for key in play.lines if "/decision/" in key]


def extend(play: Play, **changes: Any) -> Decision:
    return play.say(Verb.Extend, option="undo", step="undo", extend_by=HOUR, **changes)


class Marking:
    """Marks as the API server would, but for what `lost` says of a Decision's name."""

    def __init__(self, play: Play, **lost: list[outcomes.Outcome]) -> None:
        self.play, self.lost = play, lost
        self.names: list[str] = []
        play.answers[moves.Mark] = self

    def __call__(self, mark: moves.Mark) -> outcomes.Outcome:
        self.names.append(mark.decision)
        if left := self.lost.get(mark.decision):
            return left.pop(0)
        return self.play._mark(mark)


# Each counts once.


@pytest.mark.requirement("A-17")
@pytest.mark.parametrize("behind", [Verb.Note, Verb.Acknowledge])
@pytest.mark.parametrize("lost", [LOST, outcomes.Denied("Forbidden", "not permitted")])
def test_one_whose_mark_is_lost_counts_once_however_many_are_behind_it(behind: Verb, lost: outcomes.Outcome) -> None:
    play = owing()
    before = due(play)
    extend(play)
    for _ in range(40):
        play.say(behind)
    Marking(play, d1=[lost, lost])
    for _ in range(10):
        play.tick()
    assert due(play) == before + HOUR
    assert sorted(told(play)) == sorted(decision.uid for decision in play.decisions)
    assert all(decision.recorded for decision in play.decisions)


def test_while_no_mark_arrives_no_more_is_taken_than_is_remembered() -> None:
    play = owing()
    for _ in range(3 * REMEMBERED):
        play.say(Verb.Acknowledge)
    play.answers[moves.Mark] = LOST
    for _ in range(5):
        assert play.tick().wake_at != play.now, "nothing spins"
    assert len(told(play)) == len(play.status.decisions) == REMEMBERED
    Marking(play)
    play.tick()
    assert len(set(told(play))) == len(told(play)) == 3 * REMEMBERED


def test_where_marks_are_refused_for_good_notes_leave_room_for_an_abort() -> None:
    play = owing()
    notes(play, 3 * REMEMBERED)
    play.answers[moves.Mark] = outcomes.Denied("Forbidden", "not permitted")
    for _ in range(5):
        assert play.tick().wake_at != play.now, "nothing spins"
    assert len(told(play)) == NOTES
    play.say(Verb.Abort)
    rest(play)
    assert play.status.phase is Phase.Aborted


def test_while_a_mark_is_late_notes_wait_and_an_abort_does_not() -> None:
    play = owing()
    notes(play, 3)
    marking = Marking(play, d1=[LOST])
    play.tick()
    assert marking.names == ["d1"], "who did not take one takes the next no better"
    play.say(Verb.Abort)
    rest(play)
    assert marking.names == ["d1", "d4", "d1", "d2", "d3"] and play.status.phase is Phase.Aborted


def test_one_that_cannot_be_marked_keeps_no_other_from_it() -> None:
    play = owing()
    notes(play, 20)
    Marking(play, d1=[outcomes.Denied("Forbidden", "not permitted")] * 100)
    for _ in range(4):
        play.tick()
    assert [decision.name for decision in play.decisions if not decision.recorded] == ["d1"]


# Who notes holds nothing up.


@pytest.mark.requirement("E-18")
def test_what_is_due_comes_before_notes_and_an_abort_before_both() -> None:
    play = owing()
    notes(play, 600)
    play.now = due(play)
    play.say(Verb.Abort)
    marking, before = Marking(play), len(play.performed)
    play.tick()
    assert marking.names[0] == "d601"
    assert play.taken == [TOKEN] and states(play) == {"undo": RevertState.Done}
    since = play.performed[before:]
    written = next(at for at, effect in enumerate(since) if isinstance(effect, moves.WriteRevert))
    assert not [effect for effect in since[:written] if isinstance(effect, moves.Mark) and effect.decision != "d601"]


def test_a_flood_of_notes_holds_no_step_up() -> None:
    play = Play(plan(option("restart")))
    notes(play, 600)
    Marking(play)
    for _ in range(5):
        move = play.tick()
        notes(play, NOTES + 1)
        assert len(told(play)) <= 5 * NOTES and move.wake_at == play.now, "the rest in the next tick, at once"
    assert play.written == ["uid-inc/1/restart/restart"]


def test_all_notes_are_told_in_their_order_when_there_is_time() -> None:
    play = owing()
    said = notes(play, 50)
    rest(play)
    assert told(play) == [decision.uid for decision in sorted(said, key=lambda one: one.uid)]


def test_no_note_comes_between_an_effect_and_what_came_of_it() -> None:
    play = Play(plan(option("restart")))
    move = until_effect(play, moves.Write)
    notes(play, 1)
    after = play.step(move.effect, play.answer(move.effect))
    assert not isinstance(after.effect, moves.Mark) and told(play) == []


def test_directing_words_keep_the_order_in_which_they_were_said() -> None:
    play = owing()
    notes(play, 2)
    for seconds, verb in enumerate((Verb.Hold, Verb.Resume, Verb.Hold)):
        play.say(verb, created_at=play.now + seconds * SECOND)
    play.tick()
    assert told(play) == ["uid-d3", "uid-d4", "uid-d5", "uid-d1", "uid-d2"] and play.status.held


def test_nobody_vouches_and_nothing_is_looked_at_again_for_what_waits() -> None:
    play = owing()
    play.trust = NotVouched(Distrust.Unreadable, "no answer")
    notes(play, 3)
    assert play.tick().wake_at != play.now and told(play) == []
    play.trust = TRUSTED
    play.tick()
    assert len(told(play)) == 3


# Said in time.


@pytest.mark.requirement("E-18")
def test_an_extension_said_in_time_counts_though_nobody_could_hear_it_by_then() -> None:
    play = owing()
    before = due(play)
    play.now = before + timedelta(seconds=30)
    extend(play, created_at=before - SECOND)
    play.tick()
    assert due(play) == before + HOUR and play.taken == []


@pytest.mark.parametrize("how", ["said too late", "it was begun", "a person wants it back", "it is aborted"])
def test_an_extension_comes_too_late(how: str) -> None:
    play = owing()
    before = due(play)
    if how == "it was begun":
        play.answers[moves.PrepareRevert] = outcomes.Later("Busy", "not now", 5.0)
        play.now = before
        play.tick()
    elif how != "said too late":
        verb = Verb.Abort if how == "it is aborted" else Verb.Revert
        play.say(verb, option="undo", step="undo", created_at=before - 2 * SECOND)
    play.now = before + SECOND
    late = extend(play, created_at=before if how == "said too late" else before - SECOND)
    play.tick()
    (line,) = (entry.line for entry in play.chain if entry.line.key == f"1/decision/{late.uid}")
    assert line.result.startswith("no effect: undo/undo is being taken back already")
    assert due(play) <= play.now


def test_an_extension_does_not_stop_what_is_just_being_taken_back() -> None:
    play = owing()
    before = play.now = due(play)
    move = until_effect(play, moves.PrepareRevert)
    extend(play, created_at=before - SECOND)
    play.step(move.effect, play.answer(move.effect))
    assert due(play) == before and told(play) == ["uid-d1"]


def test_what_is_wanted_back_stays_wanted_when_the_extension_is_heard_later() -> None:
    play = owing()
    before = due(play)
    play.answers[moves.PrepareRevert] = outcomes.Later("Busy", "not now", 5.0)
    play.say(Verb.Revert, option="undo", step="undo")
    play.tick()
    play.now += timedelta(minutes=1)
    extend(play, created_at=before - HOUR)
    play.tick()
    assert due(play) <= play.now

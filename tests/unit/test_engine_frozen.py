"""Frozen: nothing is written, nothing is captured in vain, nobody's time runs out; afterwards it goes on as if it began then."""

from __future__ import annotations

from datetime import datetime, timedelta

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase, StepState
from stanch.engine import moves, outcomes
from tests.unit.play import Play, option, plan

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
TIME = 10 * MINUTE
FROZEN = outcomes.Later("Frozen", "policy aureus is suspended", 5.0)
LOCKED = outcomes.Later("TargetLocked", "it is being changed by incident aureus/other", 5.0)


def playing() -> Play:
    play = Play(plan(option("undo", timeout=TIME), option("restart")))
    play.answers[moves.Prepare] = FROZEN
    return play


def passing(play: Play, time: timedelta) -> None:
    """Ticks at each wake time, and stops at the end of this time."""
    until = play.now + time
    move = play.tick()
    while play.now < until:
        assert move.wake_at is not None
        play.now = min(max(move.wake_at, play.now + timedelta(milliseconds=1)), until)
        move = play.tick()


def captured(play: Play, since: int = 0) -> int:
    return sum(isinstance(effect, moves.Capture) for effect in play.performed[since:])


def frozen_for(time: timedelta) -> Play:
    play = playing()
    passing(play, time)
    return play


def thawed_until(play: Play, held_up: outcomes.Later) -> None:
    """It goes on, somebody writes the object first, and when it is read again this holds it up."""

    def write(_: moves.Write) -> outcomes.Outcome:
        play.answers[moves.Prepare] = held_up
        return outcomes.Stale("somebody wrote first")

    play.answers |= {moves.Prepare: outcomes.Prepared("41", "sha256:" + "b" * 64, "revision 3 -> 2"), moves.Write: write}
    play.tick()
    assert play.status.steps[0].state is StepState.Failed and play.status.reason == held_up.reason


def test_an_hour_s_freeze_makes_a_few_captures_and_takes_no_options_time() -> None:
    play = frozen_for(HOUR)
    assert (play.status.phase, play.status.option, play.status.reason) == (Phase.Mitigating, "undo", "Frozen")
    assert captured(play) <= 3 and play.written == []
    assert [option.name for option in play.status.options] == ["undo"], "no other is tried meanwhile"


def test_after_it_evidence_of_then_comes_before_the_write() -> None:
    play = frozen_for(HOUR)
    del play.answers[moves.Prepare]
    before = len(play.performed)
    thawed: datetime = play.now
    passing(play, 10 * SECOND)
    kinds = [type(effect) for effect in play.performed[before:]]
    assert play.written == ["uid-inc/1/undo/undo"]
    assert kinds.index(moves.Capture) < kinds.index(moves.Write)
    # What is written is what was read after that capture.
    assert moves.Prepare in kinds[kinds.index(moves.Capture) : kinds.index(moves.Write)]
    assert play.status.evidence.at is not None and play.status.evidence.at >= thawed
    assert play.status.evidence.at <= play.status.steps[0].intended_at


def test_after_it_the_option_has_its_whole_time() -> None:
    play = frozen_for(HOUR)
    thawed_until(play, LOCKED)
    passing(play, TIME - 10 * SECOND)
    assert play.status.phase is Phase.Mitigating and play.status.option == "undo"
    passing(play, 20 * SECOND)
    assert play.status.options[0].message.startswith(f"not done within {TIME}"), "and no more than that"


def test_a_freeze_that_becomes_a_lock_leaves_the_options_time_to_it() -> None:
    """A lock is no freeze: the option's time ends it. The time of the freeze does not count."""
    play = frozen_for(HOUR)
    play.answers[moves.Prepare] = LOCKED
    play.now += 5 * SECOND
    play.tick()
    assert play.status.option == "undo" and play.status.phase is Phase.Mitigating
    passing(play, 2 * TIME)
    assert {record.name: record.message[:15] for record in play.status.options}["undo"] == "not done within"


def test_a_second_freeze_is_as_the_first() -> None:
    play = frozen_for(HOUR)
    thawed_until(play, FROZEN)
    before = len(play.performed)
    passing(play, HOUR)
    assert play.status.reason == "Frozen" and play.status.phase is Phase.Mitigating and captured(play, before) <= 3


def test_a_lock_does_not_fill_the_store_either() -> None:
    play = playing()
    play.answers[moves.Prepare] = LOCKED
    passing(play, TIME - SECOND)
    assert captured(play) <= 3
    play.now += SECOND
    play.tick()
    assert play.status.options[0].message.startswith("not done within")


def test_people_may_abort_while_it_is_frozen() -> None:
    play = frozen_for(HOUR)
    play.say(Verb.Abort)
    play.until(Phase.Aborted)
    assert play.written == [] and all(step.state is not StepState.Intended for step in play.status.steps)

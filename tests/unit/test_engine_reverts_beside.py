"""Reverts beside steps and beside each other: an object bears one token, and an outcome is about what it was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase, RevertState, StepState
from stanch.domain.plan import Revert, Step
from stanch.engine import moves, outcomes
from tests.unit.play import NO, REVERSIBLE, Play, option, plan
from tests.unit.test_engine_reverts import HOUR, due, followed, rest, states

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
PREFIX = "uid-inc/1/undo/"
WRITES = (moves.Prepare, moves.Write, moves.PrepareRevert, moves.WriteRevert)


def boxed(name: str, after: timedelta) -> Step:
    return Step(name, "setEnv", "app", expect="it is set", reversible=True, revert=Revert(after, on_recovery=False))


def playing(*steps: Step, **changes: Any) -> Play:
    """One option with these steps, all on one object."""
    play = Play(plan(replace(option("undo"), steps=steps, **changes)))
    play.answers[moves.Prepare] = REVERSIBLE
    return play


def both_owed(first: timedelta = HOUR, second: timedelta = 5 * HOUR) -> Play:
    play = playing(boxed("one", first), boxed("two", second))
    play.until(Phase.Mitigated)
    return play


def due_of(play: Play, step: str) -> Any:
    return next(record.due_at for record in play.status.reverts if record.step == step)


def course(play: Play) -> list[str]:
    """What was read for a write and written, in its order."""
    return [f"{type(effect).__name__} {effect.token.rpartition('/')[2]}" for effect in play.performed if isinstance(effect, WRITES)]


def losing(play: Play, kind: type, step: str, after: float, arrived: Callable[[str], None]) -> None:
    """The first write of this step, or the first taking back of it, arrives; its answer does not."""
    usual = {moves.Write: play._write, moves.WriteRevert: play._writerevert}[kind]
    lost = iter([step])

    def write(effect: Any) -> outcomes.Outcome:
        if effect.token.endswith(f"/{step}") and next(lost, ""):
            arrived(effect.token)
            return outcomes.Later("Timeout", "no answer in time; whether it took effect is unknown", after)
        return usual(effect)

    play.answers[kind] = write


# A step and a revert on one object.


def test_a_due_revert_waits_until_a_step_whose_answer_was_lost_is_observed() -> None:
    """The token of the revert would hide that of the step, which would be written once more."""
    play = playing(boxed("one", 5 * SECOND), boxed("two", HOUR))
    losing(play, moves.Write, "two", after=10, arrived=play.written.append)
    play.until(Phase.Mitigated)
    after_loss = course(play)[course(play).index("Write two") + 1 :]
    assert after_loss[0] == "Write two", "observed first"
    assert play.written == [f"{PREFIX}one", f"{PREFIX}two"] and f"{PREFIX}one" in play.taken


def test_a_due_revert_waits_for_the_step_of_a_life_that_ended_too() -> None:
    play = playing(boxed("one", 5 * SECOND), boxed("two", HOUR))
    move = play.step()
    while not (isinstance(move.effect, moves.Write) and move.effect.step == "two"):
        move = play.step(move.effect, play.answer(move.effect))
    play.written.append(move.effect.token)  # it arrived, and then the operator died
    play.performed.clear()
    play.epoch, play.now = 2, play.now + MINUTE
    rest(play)
    assert course(play)[0] == "Write two" and play.written.count(move.effect.token) == 1
    assert states(play)["one"] is RevertState.Done


def test_no_step_is_written_while_a_revert_may_still_have_arrived() -> None:
    """The mirror: the step's token would hide the revert's, and what the step sets would be taken for somebody's edit."""
    pause = Step("pause", "wait", writes=False, pause=2 * MINUTE)
    play = playing(boxed("one", MINUTE), pause, boxed("two", HOUR))
    losing(play, moves.WriteRevert, "one", after=300, arrived=play.taken.append)
    play.until(Phase.Verifying, Phase.Mitigated)
    assert course(play) == [
        "Prepare one", "Write one",
        "PrepareRevert one", "WriteRevert one", "WriteRevert one",
        "Prepare two", "Write two",
    ]  # fmt: skip
    assert play.taken == [f"{PREFIX}one"] and states(play)["one"] is RevertState.Done


def test_a_due_revert_comes_between_two_steps_of_one_walk() -> None:
    slow = [Step(f"slow-{number}", "exec", "app", expect="done", at_most_once=True) for number in range(3)]
    play = playing(boxed("one", MINUTE), *slow, timeout=2 * HOUR)

    def write(effect: moves.Write) -> outcomes.Outcome:
        play.now += 9 * MINUTE if effect.step.startswith("slow") else timedelta()
        return play._write(effect)

    play.answers[moves.Write] = write
    play.until(Phase.Resolved)
    told = [word for word in course(play) if word.startswith("Write")]
    assert told == ["Write one", "Write slow-0", "WriteRevert one", "Write slow-1", "Write slow-2"]


# One revert and another.


def test_an_outcome_is_not_taken_for_that_of_one_that_became_due_meanwhile() -> None:
    play = playing(boxed("one", HOUR), boxed("two", HOUR + SECOND))
    play.until(Phase.Mitigated)

    def prepare(effect: moves.PrepareRevert) -> outcomes.Outcome:
        if not effect.token.endswith("/one"):
            return play._preparerevert(effect)
        play.now += 2 * SECOND
        return outcomes.Unneeded("somebody took it back already")

    play.answers[moves.PrepareRevert] = prepare
    play.now = due_of(play, "one")
    rest(play)
    assert play.taken == [f"{PREFIX}two"], "one was back already, two was not"
    assert states(play) == {"one": RevertState.Done, "two": RevertState.Done}


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (outcomes.Gone("the deployment is gone"), RevertState.Abandoned),
        (outcomes.Unneeded("it is back already"), RevertState.Done),
        (outcomes.Contested("somebody set it to 7"), RevertState.Conflict),
        (outcomes.Denied("Forbidden", "no right to get"), RevertState.Blocked),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, RevertState) else "",
)
def test_an_outcome_is_not_taken_for_that_of_one_that_a_person_asks_for(outcome: outcomes.Outcome, state: RevertState) -> None:
    play = both_owed()

    def prepare(effect: moves.PrepareRevert) -> outcomes.Outcome:
        if not effect.token.endswith("/one"):
            return play._preparerevert(effect)
        if not play.decisions:
            play.say(Verb.Revert, option="undo", step="two")
        return outcome

    play.answers[moves.PrepareRevert] = prepare
    play.now = due_of(play, "one")
    rest(play)
    assert states(play) == {"one": state, "two": RevertState.Done} and play.taken == [f"{PREFIX}two"]


def test_an_outcome_for_what_a_person_released_meanwhile_is_nobody_elses() -> None:
    play = both_owed(HOUR, HOUR)
    play.answers[moves.PrepareRevert] = outcomes.Denied("Forbidden", "no right to get")
    play.now = max(due_of(play, "one"), due_of(play, "two"))
    rest(play)
    assert states(play) == dict.fromkeys(("one", "two"), RevertState.Blocked)

    def prepare(effect: moves.PrepareRevert) -> outcomes.Outcome:
        if not effect.token.endswith("/two"):
            return play._preparerevert(effect)
        play.say(Verb.Confirm, option="undo", step="two")
        return outcomes.Gone("the deployment is gone")

    play.answers[moves.PrepareRevert] = prepare
    play.until(Phase.Resolved)
    assert states(play) == {"one": RevertState.Done, "two": RevertState.Released} and play.taken == [f"{PREFIX}one"]


# What follows another one.


def marks(play: Play) -> list[moves.Mark]:
    return [effect for effect in play.performed if isinstance(effect, moves.Mark)]


def test_what_follows_cannot_be_taken_back_alone_and_the_answer_says_what_can() -> None:
    """It would be due and wait for what it follows, with neither a wake time nor a person."""
    play = followed()
    at = due(play)
    play.say(Verb.Revert, option="undo", step="set-restart", digest="")
    rest(play)
    (mark,) = marks(play)
    assert mark.effect == "NoEffect" and "undo/set:" in mark.message
    assert play.taken == [] and [record.due_at for record in play.status.reverts] == [at, at]


def test_taking_back_what_is_followed_takes_back_what_follows_it() -> None:
    play = followed()
    play.say(Verb.Revert, option="undo", step="set", digest="")
    rest(play)
    assert marks(play)[0].effect == "Counted"
    assert play.taken == [f"{PREFIX}set", f"{PREFIX}set-restart"], "who reads it is restarted now, not at its own time"


def test_what_follows_can_be_asked_for_again_once_it_is_alone() -> None:
    play = followed()
    play.answers[moves.PrepareRevert] = lambda effect: (
        outcomes.Denied("Forbidden", "no right to patch") if effect.token.endswith("restart") else play._preparerevert(effect)
    )
    play.now = due(play)
    rest(play)
    assert states(play) == {"set": RevertState.Done, "set-restart": RevertState.Blocked}
    del play.answers[moves.PrepareRevert]
    play.say(Verb.Revert, option="undo", step="set-restart", digest="")
    rest(play)
    assert states(play)["set-restart"] is RevertState.Done


# An option that failed, whose steps were both there.


def test_a_failed_step_beside_an_open_debt_is_settled_before_people_are_called() -> None:
    play = playing(boxed("one", 5 * SECOND), boxed("two", HOUR), revert_on_failure=True)
    losing(play, moves.Write, "two", after=10, arrived=play.written.append)
    play.readings = {"health": NO}
    play.until(Phase.Escalated)
    assert {step.state for step in play.status.steps} == {StepState.Done}
    assert sorted(play.taken) == [f"{PREFIX}one", f"{PREFIX}two"] and play.status.open_reverts == 0

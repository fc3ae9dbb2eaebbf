"""What one status may hold, however much is to be told at once: it could not be stored otherwise, and nothing would go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from stanch.api import codec
from stanch.domain.incident import Phase, Verdict
from stanch.domain.plan import Check, FactType, Option, Step
from stanch.engine import moves
from stanch.engine.parts import Reading
from tests.unit.play import YES, Play, option, plan

PENDING = 24
QUESTIONS = tuple(Check(f"q{number}", "prometheus", fact=FactType.Integer) for number in range(16))


def asking(count: int, *options: Option) -> Play:
    play = Play(plan(*options, diagnosis=QUESTIONS[:count]))
    play.readings = {check.name: Reading(Verdict.Confirmed, "value is 1", value=1) for check in QUESTIONS} | {"health": YES}
    return play


def many_options() -> Play:
    """Each is skipped, and says so."""
    return asking(16, *(replace(option("undo"), name=f"option-{number}", when="false") for number in range(8)))


def many_steps() -> Play:
    steps = tuple(Step(f"step-{number}", "rolloutRestart", "app", expect="it is restarted", when="false") for number in range(16))
    return asking(8, replace(option("undo"), steps=steps))


def everything() -> Play:
    """As many steps as a status takes, of several options that do not help, after as many questions without an answer."""
    steps = tuple(Step(f"step-{number}", "rolloutRestart", "app", expect="it is restarted", when="false") for number in range(16))
    play = asking(16, *(replace(option("undo"), name=f"option-{number}", steps=steps) for number in range(4)))
    play.readings = {check.name: Reading(Verdict.Inconclusive, "no data", final=True) for check in QUESTIONS}
    return play


@pytest.mark.parametrize("made", [many_options, many_steps, everything])
def test_lines_that_are_told_at_once_fit_into_the_status(made: Callable[[], Play]) -> None:
    play = made()
    play.until(Phase.Escalated, Phase.Mitigated, Phase.Resolved)
    assert max(len(status.pack.pending) for status in play.statuses) <= PENDING
    for status in play.statuses:
        codec.status_to_json(status)  # refuses what the stored form cannot hold
    assert [entry.seq for entry in play.chain] == list(range(1, len(play.chain) + 1)), "none is lost between two statuses"


@pytest.mark.parametrize("made", [many_options, many_steps])
def test_each_of_them_is_told_once(made: Callable[[], Play]) -> None:
    play = made()
    play.until(Phase.Escalated, Phase.Mitigated, Phase.Resolved)
    assert len(play.lines) == len(set(play.lines))
    told = [line for line in play.lines if line.startswith("1/diagnosis/")]
    assert len(told) == len(play.plan.diagnosis)


def test_what_is_stored_in_between_is_no_rest() -> None:
    """A crash there must find the rest to do: it wakes at once."""
    play = many_options()
    move = play.tick()
    while play.status.phase is not Phase.Escalated:
        assert move.wake_at == play.now
        move = play.tick()
    assert not any(isinstance(effect, moves.Prepare) for effect in play.performed)

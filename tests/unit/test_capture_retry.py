"""A capture that the store could not take is tried again while its budget lasts, and each try has a folder of its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from stanch.api import codec
from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from stanch.domain.plan import EvidencePlan, OnMissing
from stanch.engine import moves, outcomes
from tests.unit.play import NO, T0, Play, plan

BUDGET = timedelta(seconds=30)
SLOW = outcomes.Later("StoreSlow", "logs/a.log: the evidence store did not answer", 5.0)


def tries(play: Play) -> list[moves.Capture]:
    return [effect for effect in play.performed if isinstance(effect, moves.Capture)]


def failing(play: Play, times: int, outcome: outcomes.Outcome = SLOW) -> Play:
    """The next captures end so, those after them well."""
    left = iter([outcome] * times)
    play.answers[moves.Capture] = lambda effect: next(left, None) or play._capture(effect)
    return play


def begun(play: Play) -> moves.Capture:
    """Up to a capture that is decided and stored, and no further."""
    move = play.step()
    while not isinstance(move.effect, moves.Capture):
        move = play.step(move.effect, play.answer(move.effect))
    return move.effect


def restarted(play: Play, away: timedelta) -> None:
    """What is not in the stored status is lost."""
    play.status = codec.status_of({"kind": "Incident", "metadata": {}, "status": codec.status_to_json(play.status)})
    play.epoch += 1
    play.now += away


@pytest.mark.requirement("E-04")
def test_one_time_out_of_the_store_costs_nobodys_help() -> None:
    play = failing(Play(), 1)
    play.until(Phase.Resolved)
    assert Phase.Escalated not in {status.phase for status in play.statuses}
    assert [effect.label for effect in tries(play)][:2] == ["before-1", "before-2"]
    assert play.status.evidence.captures == len(tries(play)) - 1


def test_person_on_call_sees_what_it_waits_for() -> None:
    play = failing(Play(), 1)
    play.tick()
    assert (play.status.phase, play.status.reason, play.status.message) == (Phase.Capturing, "StoreSlow", SLOW.message)


@pytest.mark.requirement("E-04")
@pytest.mark.parametrize("on_missing", OnMissing)
def test_store_that_stays_away_is_given_up_when_the_budget_is_spent(on_missing: OnMissing) -> None:
    play = failing(Play(plan=plan(evidence=EvidencePlan(budget=BUDGET, on_failure=on_missing))), 100)
    play.until(Phase.Escalated, Phase.Holding)
    first = [effect for effect in tries(play) if effect.baseline]
    assert len(first) > 3 and T0 + BUDGET - timedelta(seconds=6) <= play.now <= T0 + BUDGET
    assert "1/evidence/incomplete" in play.lines
    assert bool(play.written) == (on_missing is OnMissing.Proceed)


def test_each_try_has_what_is_left_of_the_budget() -> None:
    play = failing(Play(), 3)
    play.until(Phase.Holding)
    assert [effect.budget.total_seconds() for effect in tries(play)[:4]] == [30, 25, 20, 15]


def test_refusal_is_not_tried_again() -> None:
    play = failing(Play(), 1, outcomes.Denied("BadPath", "no"))
    play.tick()
    assert play.status.phase is Phase.Escalated and len(tries(play)) == 1


def test_tick_that_comes_early_does_not_try_sooner() -> None:
    """Each status that stanch writes wakes it up again by its own watch."""
    play = failing(Play(), 100)
    for _ in range(50):
        play.tick()
    assert len(tries(play)) == 1
    play.now += timedelta(seconds=4)
    assert play.tick().wake_at == T0 + timedelta(seconds=5) and len(tries(play)) == 1


@pytest.mark.parametrize("after", [0.0, 0.2, 600.0])
def test_pause_between_tries_is_neither_nothing_nor_an_age(after: float) -> None:
    play = failing(Play(), 1, replace(SLOW, after=after))
    wake_at = play.tick().wake_at
    assert wake_at and timedelta(seconds=1) <= wake_at - T0 <= timedelta(seconds=5)


def test_restart_does_not_lengthen_the_budget() -> None:
    play = failing(Play(), 100)
    play.tick()
    restarted(play, timedelta(seconds=20))
    play.tick()
    assert [effect.budget.total_seconds() for effect in tries(play)] == [30, 10]
    restarted(play, timedelta(seconds=20))
    play.tick()
    assert play.status.phase is Phase.Escalated and len(tries(play)) == 2
    assert "StoreSlow: logs/a.log" in play.status.message


def test_restart_in_a_retry_keeps_its_clock() -> None:
    play = failing(Play(), 100)
    play.tick()
    play.now += timedelta(seconds=5)
    retry = play.step()
    assert isinstance(retry.effect, moves.Capture)
    restarted(play, timedelta(seconds=20))
    play.tick()
    assert tries(play)[-1].budget == timedelta(seconds=5)


def test_capture_that_nobody_failed_begins_anew_after_a_crash() -> None:
    """A kill in the middle of a capture must end as if there had been none, however long the next leader takes to come."""
    play = Play()
    crashed = begun(play)
    restarted(play, timedelta(minutes=5))
    play.until(Phase.Resolved)
    again = tries(play)[0]
    assert (crashed.label, again.label, again.budget) == ("before-1", "before-2", BUDGET)
    assert play.status.phase is Phase.Resolved


def test_no_two_captures_have_one_folder() -> None:
    play = failing(Play(readings={"health": NO}), 2)
    play.until(Phase.Escalated)
    play.say(Verb.Resume)
    play.until(Phase.Escalated)
    labels = [effect.label for effect in tries(play)]
    assert len(labels) > 4 and len(set(labels)) == len(labels)


def test_what_an_earlier_capture_used_up_is_not_missing_to_a_later_one() -> None:
    """Aborted while it was tried again, resumed an hour later: the whole budget."""
    play = failing(Play(), 100)
    play.tick()
    play.now += timedelta(seconds=29)
    play.until(Phase.Escalated)
    play.now += timedelta(hours=1)
    play.say(Verb.Resume)
    play.tick()
    assert tries(play)[-1].budget == BUDGET


def test_evidence_afterwards_is_tried_again_too() -> None:
    play = Play()
    play.until(Phase.Holding)
    failing(play, 1)
    play.until(Phase.Resolved)
    assert "1/evidence/after" not in play.lines
    assert [effect.label for effect in tries(play)][-2:] == ["after-2", "after-3"]


def test_evidence_afterwards_that_stays_away_holds_nobody_up() -> None:
    play = Play()
    play.until(Phase.Holding)
    failing(play, 100)
    play.until(Phase.Resolved)
    assert "1/evidence/after" in play.lines

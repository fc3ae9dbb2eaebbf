"""Mitigated in time or not (RTO): the clock counts from when it was noticed, and nobody who comes late moves it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase, Status
from stanch.domain.plan import Occasion, Pin
from stanch.engine import moves, outcomes, restoring
from tests.unit.play import DIGEST, T0, Play, approval, option, plan

FIVE, HOUR = timedelta(minutes=5), timedelta(hours=1)
ASKED = plan(option("undo", approval=approval(incident_commander=1)))


def play(restore: timedelta | None = HOUR, **changes: Any) -> Play:
    """Under a policy that wants an answer within five minutes, and it mitigated within an hour; a P1 within two."""
    made = Play(**{"plan": ASKED, **changes})

    def resolve(effect: moves.Resolve) -> outcomes.Resolved:
        severity = made.status.classified.severity if made.status.classified else "P0"
        made.plan = replace(made.plan, attempt=effect.attempt, occasion=Occasion("availability", severity, "frontend"))
        within = restore * (1 if severity == "P0" else 2) if restore else None
        return outcomes.Resolved(
            made.plan, DIGEST, Pin("aureus"), "", {}, "file:///packs/x", None, "", None, ("P0", "P1"), FIVE, within
        )

    made.answers[moves.Resolve] = resolve
    return made


def standing(made: Play, kind: str = "Restored") -> tuple[str, str]:
    (found,) = [condition for condition in made.status.conditions if condition.type == kind]
    return found.status, found.reason


@pytest.mark.requirement("B-02")
def test_mitigated_in_time_it_is_in_time() -> None:
    made = play(plan=plan(option("restart")))
    made.tick()
    assert standing(made) == ("False", "Awaited") and made.status.restore_by == T0 + HOUR
    made.until(Phase.Resolved)
    at = made.status.restored_at
    assert at is not None and T0 < at <= T0 + HOUR and standing(made) == ("True", "InTime")
    made.now += 2 * HOUR
    made.tick()
    assert made.status.restored_at == at and not made.status.unrestored and "1/unrestored" not in made.lines


@pytest.mark.requirement("B-02")
def test_who_takes_it_on_late_wins_no_time_and_that_it_was_not_mitigated_is_told_once() -> None:
    made = play()
    made.until(Phase.AwaitingApproval)
    made.now = T0 + HOUR - timedelta(seconds=30)
    made.say(Verb.Acknowledge, by="carol")
    assert made.tick().wake_at == T0 + HOUR, "it wakes by itself"
    assert standing(made, "Acknowledged") == ("True", "Late") and standing(made) == ("False", "Awaited")
    made.now = T0 + HOUR
    made.tick()
    assert standing(made) == ("False", "Overdue") and made.status.unrestored and made.lines[-1] == "1/unrestored"
    made.now += FIVE
    made.tick()
    assert made.lines.count("1/unrestored") == 1


@pytest.mark.requirement("B-02")
def test_mitigated_late_it_stays_late() -> None:
    made = play(plan=plan(option("restart")))
    made.now += HOUR
    made.until(Phase.Resolved)
    assert standing(made) == ("True", "Late") and made.status.unrestored
    assert restoring.how_late(made.status).endswith(" s late")


@pytest.mark.requirement("B-02")
@pytest.mark.parametrize(("early", "counted"), [(timedelta(minutes=20), timedelta(minutes=20)), (-HOUR, timedelta())])
def test_the_clock_begins_when_it_was_noticed_and_not_later_than_it_was_opened(early: timedelta, counted: timedelta) -> None:
    """Both clocks. Who opens it late, or says that it begins in an hour, wins no time."""
    made = play()
    made.facts = replace(made.facts, started_at=T0 - early)
    made.until(Phase.AwaitingApproval)
    assert (made.status.acknowledge_by, made.status.restore_by) == (T0 + FIVE - counted, T0 + HOUR - counted)
    assert standing(made, "Acknowledged") == ("False", "Overdue" if counted else "Awaited")


@pytest.mark.requirement("B-02")
@pytest.mark.parametrize(("minutes", "by"), [(4, 2 * FIVE), (6, FIVE)])
def test_called_less_grave_it_has_more_time_unless_that_is_over(minutes: int, by: timedelta) -> None:
    made = play(FIVE)
    made.until(Phase.AwaitingApproval)
    made.now = T0 + timedelta(minutes=minutes)
    made.tick()
    made.say(Verb.Classify, by="carol", severity="P1")
    made.until(Phase.AwaitingApproval)
    assert made.status.restore_by == T0 + by


def test_without_a_time_nothing_is_late() -> None:
    made = play(restore=None)
    made.until(Phase.AwaitingApproval)
    made.now += timedelta(days=400)
    made.tick()
    assert made.status.restore_by is None and not made.status.unrestored


def test_what_ends_unmitigated_is_not_restored_and_waits_for_nothing() -> None:
    made = play()
    made.until(Phase.AwaitingApproval)
    made.say(Verb.Abort, by="carol")
    made.until(Phase.Aborted)
    assert standing(made) == ("False", "NotRestored") and restoring.next_at(made.status) is None


@pytest.mark.parametrize("phase", list(Phase))
def test_what_came_back_is_not_mitigated_and_what_is_over_stays_as_it_was(phase: Phase) -> None:
    was = Status(phase=phase, phase_since=T0, restored_at=T0 - HOUR)
    kept = phase in restoring.HELPED or phase in (Phase.Closed, Phase.Aborted, Phase.Failed)
    assert restoring.marked(was, T0).restored_at == (T0 - HOUR if kept else None)
    fresh = restoring.marked(replace(was, restored_at=None), T0 + HOUR).restored_at
    assert fresh == (T0 if phase in restoring.HELPED else None)

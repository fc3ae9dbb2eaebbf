"""The transition table: exhaustive, and without a phase that nothing leads to or out of."""

from __future__ import annotations

from itertools import product

import pytest

from stanch.domain.incident import TERMINAL, Phase
from stanch.engine.decide import HANDLERS
from stanch.engine.transitions import TABLE, Event, IllegalTransition, after, legal


@pytest.mark.parametrize(("phase", "event"), list(product(Phase, Event)))
def test_every_cell_is_legal_or_refused(phase: Phase, event: Event):
    if (phase, event) in TABLE:
        assert legal(phase, event)
        assert after(phase, event) is TABLE[phase, event]
        return
    assert not legal(phase, event)
    with pytest.raises(IllegalTransition, match=f"{event} is not legal in {phase}"):
        after(phase, event)


def test_the_table_speaks_of_phases_and_events_only():
    assert all(isinstance(phase, Phase) and isinstance(event, Event) for phase, event in TABLE)
    assert all(isinstance(goal, Phase) for goal in TABLE.values())


def test_every_event_leads_somewhere():
    assert {event for _, event in TABLE} == set(Event)


def test_every_phase_is_reached_from_opened():
    assert reachable(Phase.Opened) == set(Phase)


@pytest.mark.parametrize("phase", sorted(TERMINAL))
def test_a_terminal_phase_has_no_way_out(phase: Phase):
    assert not [event for event in Event if legal(phase, event)]


@pytest.mark.parametrize("phase", sorted(set(Phase) - TERMINAL))
def test_every_other_phase_has_a_way_to_a_terminal_one(phase: Phase):
    assert reachable(phase) & TERMINAL


@pytest.mark.parametrize("phase", sorted(set(Phase) - TERMINAL - {Phase.Resolved, Phase.Aborting}))
def test_an_unsettled_incident_can_always_be_aborted(phase: Phase):
    assert after(phase, Event.AbortAsked) is Phase.Aborting


def test_every_phase_has_a_handler():
    assert set(HANDLERS) == set(Phase)


def reachable(start: Phase) -> set[Phase]:
    """`start` and every phase that some events lead to from there."""
    seen, todo = {start}, [start]
    while todo:
        phase = todo.pop()
        new = {goal for (origin, _), goal in TABLE.items() if origin is phase} - seen
        seen |= new
        todo += new
    return seen

"""`wait` and `askPerson`: nothing is written to the cluster, time counts from when it began, whichever life began it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase, StepState
from stanch.engine.ports import Object
from tests.unit.world import Life, Site, lean

ROLE = "incident-commander"
WAIT = {"wait": {"for": "10m"}}
ASK = {"askPerson": {"role": ROLE, "question": "Is the load an attack?"}}


def site(action: Object) -> Site:
    def edit(playbook: Object) -> None:
        lean(playbook)
        step = {"name": "pause", "expect": "it settles", "timeout": "20m", **action}
        verify = [{"name": "rolled-out", "rollout": {"target": "app"}}]
        playbook["spec"]["options"] = [{"name": "only", "steps": [step], "verify": verify, "onFailure": "Stop", "timeout": "1h"}]

    return Site(edit)


async def waiting(action: Object) -> Site:
    """Until the step waits. What it holds by then: no target, for it changes none."""
    place = site(action)
    life = Life(place)
    while not place.status.steps:
        assert await life.tick() is not None or place.status.steps
    assert place.status.steps[0].state is StepState.Waiting
    assert not place.locks() and not place.frontend.mitigations
    assert not place.incident["metadata"].get("finalizers")
    return place


async def test_another_life_does_not_begin_the_wait_anew() -> None:
    place = await waiting(WAIT)
    place.passes(360)
    await Life(place, 2).live()
    step = place.status.steps[0]
    assert place.status.phase is Phase.Resolved
    assert timedelta(minutes=10) <= step.done_at - step.intended_at < timedelta(minutes=10, seconds=5)


async def test_an_abort_ends_the_wait() -> None:
    place = await waiting(WAIT)
    place.decide(Verb.Abort)
    life = Life(place, 2)
    await life.tick()
    assert place.status.phase is Phase.Aborted


@pytest.mark.parametrize(
    ("verb", "role", "phase", "says"),
    [
        (Verb.Confirm, ROLE, Phase.Resolved, "confirmed by carol"),
        (Verb.Reject, ROLE, Phase.Escalated, "rejected by carol"),
        (Verb.Confirm, "scribe", Phase.Escalated, ""),
    ],
)
async def test_the_person_with_the_role_says_how_it_goes_on(verb: Verb, role: str, phase: Phase, says: str) -> None:
    place = await waiting(ASK)
    assert place.status.waits_for == f"Confirm by {ROLE}"
    assert "Is the load an attack?" in place.status.message
    assert any("Is the load an attack?" in line.action for line in place.lines), "the timeline says what was asked"
    place.decide(verb, option="only", step="pause", role=role)
    await Life(place, 2).live()
    assert place.status.phase is phase
    assert says in place.status.steps[0].message


async def test_silence_is_a_no() -> None:
    place = await waiting(ASK)
    await Life(place, 2).live()
    assert f"nobody confirmed it as {ROLE}" in place.status.options[0].message
    assert place.status.steps[0].state is StepState.Failed

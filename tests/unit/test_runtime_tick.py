"""The tick between status, pack and effect: no effect whose telling is not stored, whatever fails in between."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stanch.domain.incident import Phase, StepState
from stanch.engine.errors import Retryable
from tests.unit.memory import Write
from tests.unit.world import KEY, Life, Site
from tests.unit.world_gates import Gate, Op


class Outage(Gate):
    """The packs take nothing, from the operation of this name on, until `over`."""

    def __init__(self, since: str) -> None:
        self.since = since
        self.begun = False
        self.over = False

    async def before(self, op: Op) -> None:
        self.begun = self.begun or op.what == self.since
        if op.kind == "store" and self.begun and not self.over:
            raise Retryable("StoreFull", "no space left", 0.0)


def conditions(site: Site) -> dict[str, str]:
    return {condition.type: condition.reason for condition in site.status.conditions if condition.status == "True"}


@pytest.mark.requirement("E-04")
async def test_intent_that_the_pack_does_not_take_is_kept_and_not_carried_out() -> None:
    site, gate = Site(), Outage("create chain/000004.json")
    life = Life(site, gate=gate)
    assert await life.tick() == 5.0, "it looks again by itself"
    assert site.status.steps[0].state is StepState.Intended
    assert site.frontend.mitigations == [] and conditions(site)["Stalled"] == "PackUnavailable"
    for _ in range(5):
        site.passes(5)
        assert await life.tick() == 5.0
    assert site.frontend.mitigations == []
    gate.over = True
    await life.live()
    assert site.status.phase is Phase.Resolved and len(site.frontend.mitigations) == 2
    assert "Stalled" not in conditions(site)


async def test_pack_that_takes_nothing_from_the_start_stops_everything_and_says_so() -> None:
    site, gate = Site(), Outage("create plans/1")
    gate.begun = True
    life = Life(site, gate=gate)
    delays = [await life.tick() for _ in range(3)]
    assert all(delay is not None and delay <= 5.0 for delay in delays)
    assert "StoreFull: no space left" in site.status.message and site.frontend.mitigations == []
    assert site.status.reason == conditions(site)["Stalled"] == "PackUnavailable"
    gate.over = True
    await life.live()
    assert site.status.phase is Phase.Resolved


async def test_result_that_the_pack_does_not_take_is_told_when_it_can() -> None:
    site, gate = Site(), Outage("create chain/000005.json")
    life = Life(site, gate=gate)
    await life.tick()
    assert len(site.frontend.mitigations) == 1 and len(site.chain) == 4
    gate.over = True
    site.passes(5)
    await life.tick()
    assert site.lines[4].key == "1/step/restart/restart/result" and not site.lines[4].result.endswith("(found written)")


async def test_incident_that_does_not_exist_wants_nothing() -> None:
    site = Site()
    site.server.remove(site.incident_ref)
    assert await Life(site).ticker.tick(KEY) is None


async def test_incident_that_goes_while_it_is_worked_on_wants_nothing() -> None:
    class Goes(Gate):
        async def after(self, op: Op) -> None:
            if op.what.startswith("create plans/"):
                site.server.remove(site.incident_ref)

    site = Site()
    assert await Life(site, gate=Goes()).ticker.tick(KEY) is None


async def test_process_that_does_not_lead_any_more_does_nothing_more() -> None:
    class Loses(Gate):
        async def after(self, op: Op) -> None:
            if op.what == "create chain/000004.json":
                life.leads = False

    site = Site()
    life = Life(site, gate=Loses())
    with pytest.raises(Retryable):
        await life.ticker.tick(KEY)
    assert site.status.steps[0].state is StepState.Intended and site.frontend.mitigations == []


async def test_status_of_a_later_version_is_left_to_it() -> None:
    site = Site()
    site.server.set_status(site.incident_ref, {"formatVersion": 99, "phase": "Dreaming"})
    before = site.incident
    assert await Life(site).tick() == 30.0
    assert site.incident == before


def between_intent_and_write(site: Site, meddle: Callable[[], object]) -> None:
    """`meddle` acts once, after the first intent is stored and before it is carried out."""

    def hook(write: Write) -> None:
        if (
            write.ref.kind == "Incident"
            and hook in site.server.after_write
            and any(s.state is StepState.Intended for s in site.status.steps)
        ):
            site.server.after_write.remove(hook)
            meddle()

    site.server.after_write.append(hook)


async def test_status_that_a_controller_writes_during_its_rollout_is_no_conflict() -> None:
    site = Site()
    between_intent_and_write(site, lambda: site.server.set_status(site.frontend.ref, {"observedGeneration": 2, "readyReplicas": 0}))
    await Life(site).tick()
    assert [step.attempts for step in site.status.steps] == [1] and len(site.frontend.mitigations) == 1


@pytest.mark.parametrize(
    "patch", [{"metadata": {"annotations": {"who": "bob"}}}, {"spec": {"minReadySeconds": 7}}], ids=["annotation", "spec"]
)
async def test_what_somebody_declares_meanwhile_is_read_again_before_anything_is_written(patch: dict) -> None:
    site = Site()
    between_intent_and_write(site, lambda: site.frontend.edit(patch))
    await Life(site).tick()
    assert [step.attempts for step in site.status.steps] == [2] and len(site.frontend.mitigations) == 1
    assert any("changed by somebody else" in line.result for line in site.lines)

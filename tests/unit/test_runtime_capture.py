"""A capture as a whole: what cannot be stored ends it, all of it; what cannot be read is a reading of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stanch.domain.incident import Phase, Verdict
from stanch.engine.errors import Refused, Retryable
from stanch.engine.parts import CheckScope, Reading
from stanch.runtime.effects import Effects
from stanch.runtime.metrics import Metrics
from stanch.runtime.tick import Ticker
from tests.unit.memory import settle
from tests.unit.world import Life, Site
from tests.unit.world_gates import Gate, Op


class Full(Gate):
    """The store takes nothing of this name."""

    def __init__(self, beginning: str) -> None:
        self.beginning = beginning
        self.late: list[str] = []
        self.over = False

    async def before(self, op: Op) -> None:
        if op.kind == "store" and self.over:
            self.late.append(op.what)
        if op.what.startswith(self.beginning):
            raise Retryable("StoreFull", "no space left", 0.0)


@pytest.mark.requirement("E-04")
@pytest.mark.parametrize("beginning", ["create checks/", "publish logs/", "create captures/"])
async def test_what_cannot_be_stored_blocks_and_nothing_writes_on_behind_it(beginning: str) -> None:
    site, gate = Site(), Full(beginning)
    life = Life(site, gate=gate)
    await life.tick()
    gate.over = True
    await settle()
    assert gate.late == [] and site.status.phase is Phase.Capturing and site.status.reason == "StoreFull"
    gate.over = False
    await life.live(Phase.Escalated)
    assert site.status.reason == "EvidenceIncomplete"
    assert site.status.evidence.begun > 3 and site.frontend.mitigations == []


async def stumbling(life: Life, error: Exception) -> Ticker:
    """The same life, whose health check raises."""

    async def read(scope: CheckScope, params: object) -> Reading:
        raise error

    checks = {**life.world.checks, "http": replace(life.world.checks["http"], read=read)}
    world = replace(life.world, checks=checks)
    return Ticker(world, Effects(world, Metrics()).perform, life.ticker.announce)


async def test_check_that_could_not_read_is_inconclusive_and_the_capture_goes_on() -> None:
    site = Site()
    life = Life(site)
    life.ticker = await stumbling(life, Refused("Forbidden", "may not ask"))
    await life.live()
    assert site.status.phase is Phase.Escalated and site.status.waits_for
    health = next(check for check in site.status.checks if check.name == "health")
    assert health.baseline is health.verdict is Verdict.Inconclusive and "may not ask" in health.message


async def test_check_that_stumbles_ends_the_whole_capture() -> None:
    """A fault of ours: it is raised as it is, for the log, and the sources do not write on meanwhile."""
    site = Site()
    life = Life(site)
    life.ticker = await stumbling(life, ZeroDivisionError("a fault of ours"))
    with pytest.raises(ZeroDivisionError):
        await life.tick()
    stored = len(site.memory.objects)
    await settle()
    assert len(site.memory.objects) == stored and site.frontend.mitigations == []

"""Capture: the playbook's evidence into the pack, and with the first one the checks' baseline, in parallel."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from stanch.engine.chain import canonical
from stanch.engine.moves import Capture, Captured, Outcome
from stanch.engine.parts import Reading
from stanch.engine.turn import spelled
from stanch.evidence.capture import Place, planned
from stanch.evidence.capture import capture as collect
from stanch.runtime.case import Case
from stanch.runtime.readings import PATIENCE, read_all
from stanch.runtime.world import World


async def capture(world: World, case: Case, effect: Capture) -> Outcome:
    assert case.plan is not None
    plan = case.plan
    cluster = world.clusters.acting_as(plan.namespace, plan.service_account)
    place = Place(cluster, case.pack, world.clock, plan.namespace, effect.label)
    sources = planned(plan.evidence.sources, plan.targets)
    try:
        async with asyncio.TaskGroup() as both:
            collecting = both.create_task(collect(sources, place, effect.budget))
            reading = both.create_task(baseline(world, case, effect))
    except BaseExceptionGroup as group:
        # One failed and the other was ended with it: nothing writes on into a pack that is told to have failed.
        raise group.exceptions[0] from group
    result = collecting.result()
    return Captured(result.at, result.files, result.bytes, tuple(result.missing), result.listing, reading.result())


async def baseline(world: World, case: Case, effect: Capture) -> Mapping[str, Reading]:
    """What the checks say before anything was changed: a verification is compared with it. The budget is theirs too."""
    assert case.plan is not None
    if not effect.baseline:
        return {}
    patience = min(PATIENCE, effect.budget.total_seconds())
    readings = await read_all(world, case, case.plan.checks, patience=patience)
    seen = {name: {"verdict": str(r.verdict), "message": r.message, "value": spelled(r.value)} for name, r in readings.items()}
    await case.pack.put(f"checks/{effect.label}.json", canonical(seen))
    return readings

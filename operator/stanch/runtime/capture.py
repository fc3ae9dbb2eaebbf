"""Capture: the playbook's evidence into the pack, and with the first one the checks' baseline, in parallel."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from stanch.domain.plan import Plan, Source, Target
from stanch.engine.chain import canonical
from stanch.engine.closing import effected
from stanch.engine.moves import Capture
from stanch.engine.outcomes import Captured, Outcome
from stanch.engine.parts import EffectClass, Reading
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
    sources = planned(*left(world, case, plan))
    try:
        async with asyncio.TaskGroup() as both:
            collecting = both.create_task(collect(sources, place, effect.budget))
            reading = both.create_task(baseline(world, case, effect))
    except BaseExceptionGroup as group:
        # One failed and the other was ended with it: nothing writes on into a pack that is told to have failed.
        raise group.exceptions[0] from group
    result = collecting.result()
    return Captured(result.at, result.files, result.bytes, tuple(result.missing), result.listing, reading.result())


def left(world: World, case: Case, plan: Plan) -> tuple[tuple[Source, ...], tuple[Target, ...]]:
    """Sources and targets, but for those that this incident itself has taken away: the step's before-image has them whole."""
    ours = f"{plan.incident_uid}/{plan.attempt}/"
    records = (record for record in case.status.steps if effected(record) and record.token.startswith(ours))
    done = [plan.step(record.option, record.name) for record in records]
    away = {step.target for step in done if world.actions[step.action].effect_class is EffectClass.uid_precondition}
    sources = tuple(source for source in plan.evidence.sources if source.target not in away)
    return sources, tuple(target for target in plan.targets if target.name not in away)


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

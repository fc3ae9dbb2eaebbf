"""Read: every check of an option once, in parallel, as the playbook's ServiceAccount."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from stanch.checks.reading import unread
from stanch.domain.incident import Verdict
from stanch.domain.plan import Check
from stanch.engine.errors import Failure
from stanch.engine.moves import Outcome, Read, Readings
from stanch.engine.parts import CheckScope, Reading
from stanch.runtime.case import Case
from stanch.runtime.world import World

# A check that does not answer within this is inconclusive this time; it is read again at the next poll.
PATIENCE = 10.0


async def read(world: World, case: Case, effect: Read) -> Outcome:
    assert case.plan is not None
    readings = await read_all(world, case, case.plan.option(effect.option).verify)
    return Readings({name: (r.verdict, r.message, r.final) for name, r in readings.items()})


async def read_all(world: World, case: Case, checks: tuple[Check, ...]) -> Mapping[str, Reading]:
    """Check name -> its reading; a name that two options share is read once."""
    named = {check.name: check for check in checks}
    readings = await asyncio.gather(*(read_one(world, case, check) for check in named.values()))
    return dict(zip(named, readings, strict=True))


async def read_one(world: World, case: Case, check: Check) -> Reading:
    assert case.plan is not None
    plan, kind = case.plan, world.checks[check.check]
    target = plan.target(check.target) if check.target else None
    cluster = world.clusters.acting_as(plan.namespace, plan.service_account)
    scope = CheckScope(cluster, world.web(plan.allowed_origins), plan.namespace, target)
    try:
        async with asyncio.timeout(PATIENCE):
            return await kind.read(scope, kind.params.model_validate(check.params))
    except Failure as failure:
        return unread(failure)
    except TimeoutError:
        return Reading(Verdict.Inconclusive, f"no answer within {PATIENCE:g} s")

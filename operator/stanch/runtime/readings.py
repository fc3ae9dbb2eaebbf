"""Read: every check of an option once, in parallel, as the playbook's ServiceAccount.

A check is told what it measured before the first change, and when the change came that it is to judge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from stanch.checks.reading import unknown, unread
from stanch.domain.incident import RevertState, Status
from stanch.domain.plan import Check, Plan
from stanch.engine.errors import Failure
from stanch.engine.moves import Checks, Read
from stanch.engine.outcomes import Outcome, Readings
from stanch.engine.parts import CheckScope, Reading, Value
from stanch.runtime.case import Case
from stanch.runtime.world import World

# A check that does not answer within this many seconds is inconclusive this time; it is read again at the next poll.
# What a playbook may say of one answer (engine.calls.LONGEST) fits in.
PATIENCE = 65.0


@dataclass(frozen=True)
class Moment:
    """What checks of this moment are told: what they measured before, by name, and since when they judge. Nothing: before the
    first change there is neither."""

    baseline: Mapping[str, Value]
    since: datetime | None


BEFORE = Moment({}, None)


async def read(world: World, case: Case, effect: Read) -> Outcome:
    assert case.plan is not None
    moment = BEFORE if effect.of is Checks.diagnosis else after_change(case.plan, case.status)
    return Readings(await read_all(world, case, asked(case.plan, effect), moment))


def asked(plan: Plan, effect: Read) -> tuple[Check, ...]:
    match effect.of:
        case Checks.verify:
            return plan.option(effect.option).verify
        case Checks.smoke:
            return plan.step(effect.option, effect.step).smoke
        case Checks.diagnosis:
            return plan.diagnosis
        case Checks.recovery:
            return plan.recovery.verify


def after_change(plan: Plan, status: Status) -> Moment:
    """A status keeps one baseline a name: where checks of one name differ, nobody knows whose it is, and there is none."""
    first: dict[str, Check] = {}
    unclear = {check.name for check in plan.checks if not alike(first.setdefault(check.name, check), check)}
    known = {record.name: record.baseline_value for record in status.checks if record.baseline_value}
    return Moment({name: value for name, value in known.items() if name not in unclear}, last_change(status))


def alike(one: Check, other: Check) -> bool:
    """Whether both ask the same; how long they wait for it does not matter."""
    return (one.check, one.target, one.params) == (other.check, other.target, other.params)


def last_change(status: Status) -> datetime | None:
    """When stanch last changed something: a step, or the taking back of one."""
    steps = (step.written_at for step in status.steps)
    reverts = (revert.done_at for revert in status.reverts if revert.state is RevertState.Done)
    return max((at for at in (*steps, *reverts) if at), default=None)


async def read_all(
    world: World, case: Case, checks: tuple[Check, ...], moment: Moment = BEFORE, patience: float = PATIENCE
) -> Mapping[str, Reading]:
    """Check name -> its reading; a name that two options share is read once. `patience` in seconds."""
    named = {check.name: check for check in checks}
    readings = await asyncio.gather(*(read_one(world, case, check, moment, patience) for check in named.values()))
    return dict(zip(named, readings, strict=True))


async def read_one(world: World, case: Case, check: Check, moment: Moment, patience: float) -> Reading:
    if check.unbound:
        return unknown("not read: it speaks of facts, which nobody knows yet")
    kind = world.checks[check.check]
    try:
        async with asyncio.timeout(patience):
            return await kind.read(scope_of(world, case, check, moment), kind.params.model_validate(check.params))
    except Failure as failure:
        return unread(failure)
    except TimeoutError:
        return unknown(f"no answer within {patience:g} s")


def scope_of(world: World, case: Case, check: Check, moment: Moment) -> CheckScope:
    assert case.plan is not None
    plan = case.plan
    cluster = world.clusters.acting_as(plan.namespace, plan.service_account)
    target = plan.target(check.target) if check.target else None
    web, baseline = world.web(plan.allowed_origins), moment.baseline.get(check.name)
    return CheckScope(cluster, web, plan.namespace, target, baseline, moment.since)

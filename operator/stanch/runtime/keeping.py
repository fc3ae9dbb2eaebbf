"""Where a plan is kept, and how large it may be."""

from __future__ import annotations

from dataclasses import fields

from stanch.api import codec
from stanch.domain.incident import Status
from stanch.domain.plan import Plan
from stanch.engine.errors import Refused
from stanch.runtime.case import INCIDENT_LABEL, Case, plan_name
from stanch.runtime.world import World

# An object of the cluster holds 1 MiB, with room for what else stands in it.
LARGEST = 700_000
# at, age, target, revision and changedBy of lastDeploy.
OWN_FACTS = 5


async def keep(world: World, case: Case, plan: Plan) -> str:
    """Beside the operator, where it survives the pack, and people may read it; in the pack, for the auditor.

    Raises `Refused` (PlanTooLarge).
    """
    data = codec.plan_to_bytes(plan)
    if len(data) > LARGEST:
        raise Refused(
            "PlanTooLarge", f"the plan of {plan.playbook.name} takes {len(data)} bytes, expected {LARGEST} or fewer: split it"
        )
    await case.pack.put(f"plans/{plan.attempt}-{codec.digest(data)[7:19]}.json", data)
    return await world.plans.put(plan_name(case.facts.uid, codec.digest(data)), data, {INCIDENT_LABEL: case.facts.uid})


def fits(plan: Plan) -> None:
    """Raises `Refused` (PlanTooLarge) where the status could not tell of everything: steps, checks, facts, approvals."""
    steps = [step for option in plan.options for step in option.steps]
    counts = {
        "steps": len(steps),
        "checks": len({check.name for check in plan.checks}),
        "targets": len(plan.touched),
        "facts": len(plan.diagnosis) + len([step for step in steps if step.fact]) + OWN_FACTS,
        "approvals": sum(sum(option.approval.roles.values()) for option in plan.options if option.approval),
    }
    bounds = {field.name: field.metadata["max_length"] for field in fields(Status) if field.name in counts}
    for what, count in counts.items():
        if count > bounds[what]:
            why = f"{plan.playbook.name} comes to {count} {what} on {len(plan.targets)} objects, expected {bounds[what]} or fewer"
            raise Refused("PlanTooLarge", f"{why}: narrow its selectors, or split it")

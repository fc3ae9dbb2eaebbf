"""Proof: asks the server whether it would admit each write of a plan from its identity, and keeps the difference it would make."""

from __future__ import annotations

import difflib
from dataclasses import replace

import yaml

from stanch.actions.owners import as_suspended
from stanch.domain.plan import Option, Plan, Step
from stanch.engine.errors import Conflict, Refused
from stanch.engine.parts import Action, Before, Change, EffectClass, Stage
from stanch.engine.ports import Cluster, Object
from stanch.evidence.writing import DUMPER
from stanch.runtime.guarding import of_target
from stanch.runtime.world import World

PREVIEW = 4096
# What the server changes by itself and what says nothing to a person.
NOISE = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")


async def prove_plan(world: World, stage: Stage, plan: Plan) -> Plan:
    """The plan with each step proven, as far as that can be done now."""
    return replace(plan, options=tuple([await prove_option(world, stage, plan, option) for option in plan.options]))


async def prove_option(world: World, stage: Stage, plan: Plan, option: Option) -> Option:
    steps = [await prove(world, stage, step, plan) for step in option.steps]
    return replace(option, steps=tuple(steps))


async def prove(world: World, stage: Stage, step: Step, plan: Plan) -> Step:
    """A step that the action itself refuses now (no earlier revision) may be possible when its turn comes: it stays in the
    plan, unproven, and says why; so does one that waits for facts. A write that the server would not admit refuses the plan."""
    action, ref = world.actions[step.action], plan.target(step.target) if step.target else None
    if step.unbound:
        return replace(step, preview=f"filled in after diagnosis: {', '.join(step.unbound)}"[:PREVIEW])
    if action.read is None or action.plan is None:
        return replace(step, preview=waits(step))
    params = action.params.model_validate(step.params)
    before = await action.read(stage, ref, params)
    if step.owner:
        before = as_suspended(before)
    try:
        change = action.plan(before, params, "dry-run")
    except Refused as failure:
        return replace(step, preview=f"would be refused now: {failure.message}"[:PREVIEW], proven=False)
    proven = await dry_run(stage.cluster, action, step, before, change)
    block = await of_target(stage, plan.guards, action, before, change, world.clock.now())
    return replace(proven, preview=f"would be held up now by {block}\n{proven.preview}"[:PREVIEW]) if block else proven


async def dry_run(cluster: Cluster, action: Action, step: Step, before: Before, change: Change) -> Step:
    if action.effect_class not in PROVABLE:
        return replace(step, preview=preview({}, {}, change.summary, change.why), proven=False)
    after = await PROVABLE[action.effect_class](cluster, change)
    return replace(step, preview=preview(before.target, after, change.summary, change.why), proven=True)


def waits(step: Step) -> str:
    if step.role:
        return f"waits for a Confirm under the role {step.role}"
    return f"waits for {step.pause}" if step.pause else ""


async def dry_patch(cluster: Cluster, change: Change) -> Object:
    return await cluster.patch(change.ref, change.patch, dry_run=True)


async def dry_create(cluster: Cluster, change: Change) -> Object:
    return await cluster.create(dict(change.patch), dry_run=True)


async def dry_delete(cluster: Cluster, change: Change) -> Object:
    """What may not be given back is not taken away: that it is there still is the last thing that speaks against creating it."""
    await cluster.delete(change.ref, dry_run=True)
    try:
        await cluster.create(dict(change.patch), dry_run=True)
    except Conflict as failure:
        if failure.reason != "AlreadyExists":
            raise
    return {}


# Of the others nobody can tell beforehand whether they would be admitted (invariant 14).
PROVABLE = {EffectClass.cas: dry_patch, EffectClass.named_create: dry_create, EffectClass.uid_precondition: dry_delete}


def preview(before: Object, after: Object, summary: str, why: str) -> str:
    """The change in a sentence, then the difference of spec and annotations as YAML, cut at 4,096 characters."""
    lines = difflib.unified_diff(readable(before), readable(after), "before", "after", lineterm="", n=1)
    text = "\n".join([f"{summary} ({why})" if why else summary, *lines])
    return text if len(text) <= PREVIEW else text[: PREVIEW - 20] + "\n… cut, see plan"


def readable(obj: Object) -> list[str]:
    metadata = {key: value for key, value in obj.get("metadata", {}).items() if key not in NOISE}
    content = {key: obj[key] for key in ("spec", "data", "roleRef", "subjects") if key in obj}
    return yaml.dump({"metadata": metadata, **(content or {"spec": {}})}, Dumper=DUMPER, sort_keys=True).splitlines()

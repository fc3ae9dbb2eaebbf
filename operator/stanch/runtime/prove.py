"""Proof: asks the server whether it would admit each write of a plan from its identity, and keeps the difference it would make.

It is also what an approval is for: `otherwise` tells where a step would by now do something else than was shown.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import replace

import yaml

from stanch.actions.owners import as_suspended
from stanch.actions.proof import NO_CHANGE, proof_of
from stanch.domain.plan import CUT, Option, Plan, Step
from stanch.engine.errors import Conflict, Refused
from stanch.engine.figures import Block
from stanch.engine.parts import Action, Before, Change, EffectClass, Stage
from stanch.engine.ports import Cluster, Object
from stanch.evidence.writing import DUMPER
from stanch.packs.render import visible
from stanch.runtime.case import Case
from stanch.runtime.guarding import of_target
from stanch.runtime.world import World

# Characters of one step's preview, and of all together: a plan has to fit into one object. As few as the least have many steps.
LONGEST, ROOM, LEAST = 64 * 1024, 256 * 1024, 4096
HELD_UP = "would be held up now by"
# What the server changes by itself and what says nothing to a person.
NOISE = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")


def stage_of(world: World, case: Case, plan: Plan, folder: str) -> Stage:
    cluster = world.clusters.acting_as(plan.namespace, plan.service_account)
    return Stage(cluster, world.web(plan.allowed_origins), case.pack, plan.namespace, folder, plan.service_account.name)


async def prove_plan(world: World, stage: Stage, plan: Plan) -> tuple[Plan, Block | None]:
    """The plan with each step proven, as far as that can be done now; and the first that would hold one of them up."""
    proven = [await prove_option(world, stage, plan, option) for option in plan.options]
    return replace(plan, options=tuple(option for option, _ in proven)), first(block for _, block in proven)


def room_of(steps: int) -> int:
    """Characters that each preview may have."""
    return max(LEAST, min(LONGEST, ROOM // max(steps, 1)))


async def prove_option(world: World, stage: Stage, plan: Plan, option: Option) -> tuple[Option, Block | None]:
    room = room_of(sum(len(one.steps) for one in plan.options))
    proven = [await prove(world, stage, step, plan, plan.token(option.name, step.name)) for step in option.steps]
    return replace(option, steps=tuple(fitted(step, room) for step, _ in proven)), first(block for _, block in proven)


def first(blocks: Iterable[Block | None]) -> Block | None:
    return next(filter(None, blocks), None)


def fitted(step: Step, room: int) -> Step:
    """Who approves must know what they do not see: a preview that is cut says so last."""
    if len(step.preview) <= room:
        return step
    kept = step.preview[: room - 64]
    return replace(step, preview=f"{kept}\n{CUT}: {len(step.preview) - len(kept)} characters more")


async def prove(world: World, stage: Stage, step: Step, plan: Plan, token: str) -> tuple[Step, Block | None]:
    """A step that the action itself refuses now (no earlier revision) may be possible when its turn comes: it stays in the
    plan, unproven, and says why; so does one that waits for facts. A write that the server would not admit refuses the plan."""
    action = world.actions[step.action]
    if step.unbound:
        return replace(step, preview=visible(f"filled in after diagnosis: {', '.join(step.unbound)}")), None
    if action.read is None or action.plan is None:
        return replace(step, preview=waits(step)), None
    before, change = await foresee(stage, action, step, plan, token)
    if isinstance(change, Refused):
        said = visible(f"would be refused now: {change.message}")
        return replace(step, preview=said, proven=False, change=NO_CHANGE), None
    proof = proof_of(action.effect_class, before, change)
    proven = replace(await dry_run(stage.cluster, action, step, before, change), change=proof)
    block = await of_target(world, stage, plan.guards, action, before, change)
    if block is None:
        return proven, None
    return replace(proven, preview=f"{visible(f'{HELD_UP} {block}')}\n{proven.preview}"), block


async def foresee(stage: Stage, action: Action, step: Step, plan: Plan, token: str) -> tuple[Before, Change | Refused]:
    """What the step would do now, with its own token: what it goes back to, and what it names, can follow from that."""
    params = action.params.model_validate(step.params)
    before = await action.read(stage, plan.target(step.target) if step.target else None, params)
    if step.owner:
        before = as_suspended(before)
    try:
        return before, action.plan(before, params, token)
    except Refused as failure:
        return before, failure


def otherwise(action: Action, step: Step, before: Before, change: Change) -> str:
    """How it is another change than the one that was shown; empty: it is that one, or nobody knows (an earlier version planned)."""
    if step.change in ("", proof_of(action.effect_class, before, change)):
        return ""
    was = next((line for line in step.preview.splitlines() if not line.startswith(HELD_UP)), "nothing")
    return f"step {step.name} would now do: {change.summary}; what was shown: {was}"


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
    """That one of its name is there is the last thing that speaks against creating it: whose it is, is asked when it is created."""
    try:
        return await cluster.create(dict(change.patch), dry_run=True)
    except Conflict as failure:
        if failure.reason != "AlreadyExists":
            raise
        return dict(change.patch)


async def dry_delete(cluster: Cluster, change: Change) -> Object:
    """What may not be given back is not taken away."""
    await cluster.delete(change.ref, dry_run=True)
    await dry_create(cluster, change)
    return {}


# Of the others nobody can tell beforehand whether they would be admitted (invariant 14).
PROVABLE = {EffectClass.cas: dry_patch, EffectClass.named_create: dry_create, EffectClass.uid_precondition: dry_delete}


def preview(before: Object, after: Object, summary: str, why: str) -> str:
    """The change in a sentence, on one line whatever a command has in it; then the difference of spec and annotations as YAML."""
    lines = difflib.unified_diff(readable(before), readable(after), "before", "after", lineterm="", n=1)
    return "\n".join([visible(f"{summary} ({why})" if why else summary), *lines])


def readable(obj: Object) -> list[str]:
    metadata = {key: value for key, value in obj.get("metadata", {}).items() if key not in NOISE}
    content = {key: obj[key] for key in ("spec", "data", "roleRef", "subjects") if key in obj}
    return yaml.dump({"metadata": metadata, **(content or {"spec": {}})}, Dumper=DUMPER, sort_keys=True).splitlines()

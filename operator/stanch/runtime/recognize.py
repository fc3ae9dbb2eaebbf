"""Recognize: whether the objects that an option would change are still those that its plan is about, and would still be changed as
it shows."""

from __future__ import annotations

from dataclasses import replace

from stanch.domain.plan import Option, Plan, Ref, Step
from stanch.engine.errors import NotFound, Refused
from stanch.engine.moves import Recognize
from stanch.engine.outcomes import Differs, Done, Outcome, Replaced
from stanch.engine.parts import Before, Change, Stage
from stanch.engine.ports import Cluster
from stanch.runtime.case import Case
from stanch.runtime.keeping import keep
from stanch.runtime.prove import foresee, otherwise, prove_option, stage_of
from stanch.runtime.world import World


async def recognize(world: World, case: Case, effect: Recognize) -> Outcome:
    """As the playbook's ServiceAccount, which reads them anyway."""
    plan = case.plan
    assert plan is not None
    stage, option = stage_of(world, case, plan, ""), plan.option(effect.option)
    refs = dict.fromkeys(plan.target(step.target) for step in option.steps if step.target)
    if found := [what for ref in refs if (what := await replaced(stage.cluster, ref))]:
        return Replaced("; ".join(found))
    told = [what for step in option.steps if (what := await differing(world, stage, plan, option, step))]
    return await anew(world, case, option.name, "; ".join(told)) if told else Done()


async def replaced(cluster: Cluster, ref: Ref) -> str:
    """What became of the object; empty: it is the same one."""
    try:
        uid = (await cluster.get(replace(ref, uid="")))["metadata"]["uid"]
    except NotFound:
        return f"{ref} is gone (the plan is about UID {ref.uid})"
    return "" if uid == ref.uid else f"{ref} was created anew (UID {uid}, the plan is about {ref.uid})"


async def differing(world: World, stage: Stage, plan: Plan, option: Option, step: Step) -> str:
    """How the step would change something else than its plan shows; empty: it would not. Of the option nothing is written, as when
    that was shown, so that all its steps can be compared. One that would be refused by now is refused when its turn comes."""
    if not step.change:
        return ""
    action = world.actions[step.action]
    before, change = await foresee(stage, action, step, plan, plan.token(option.name, step.name))
    return "" if isinstance(change, Refused) else otherwise(action, step, before, change)


async def as_shown(world: World, case: Case, option: str, step: Step, before: Before, change: Change) -> Differs | None:
    """An approved change is made as it was shown, or approved anew. What it would be on an object that the option itself changed
    before, nobody could show. Raises `Refused` (ChangeDiffers) where some of the option is done already."""
    assert case.plan is not None
    done = [record.name for record in case.status.steps if record.option == option and record.written_at]
    touched = {case.plan.step(option, name).target for name in done}
    what = otherwise(world.actions[step.action], step, before, change)
    if case.plan.option(option).approval is None or step.target in touched or not what:
        return None
    if done:
        raise Refused("ChangeDiffers", f"{what}; nobody has approved that")
    return await anew(world, case, option, what)


async def anew(world: World, case: Case, option: str, what: str) -> Differs:
    """The plan with that option as it would be run now: to be shown, and approved by itself."""
    plan = case.plan
    assert plan is not None
    now, _ = await prove_option(world, stage_of(world, case, plan, ""), plan, plan.option(option))
    shown = replace(plan, options=tuple(now if one.name == option else one for one in plan.options))
    digest = await keep(world, case, shown)
    case.plans[digest] = shown
    return Differs(shown, digest, what)

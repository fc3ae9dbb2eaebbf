"""Gathers what guards judge by, when an incident is planned and right before each step's intent.

What the policy limits costs no request. Of the target no more is read than the step has read anyway, but for the
PodDisruptionBudgets, and these only where available pods would be taken; where one is over them, workloads that incidents changed.
"""

from __future__ import annotations

from typing import Any

from stanch.actions.budgets import read_budgets
from stanch.api import policy as policies
from stanch.api.guards import Guards
from stanch.api.playbook import AnyPlaybook
from stanch.api.policy import Limits, ResponsePolicy
from stanch.domain.guards import Budgets, FreezeWindow
from stanch.domain.guards import Guards as Held
from stanch.domain.incident import Facts, Status
from stanch.domain.plan import Plan, Ref
from stanch.engine.availability import Pods, Unknown, pods_after
from stanch.engine.choosing import broken
from stanch.engine.figures import Block, Budget, Input
from stanch.engine.guards import OF_POLICY, OF_TARGET, judge
from stanch.engine.parts import Action, Before, Change, Stage
from stanch.engine.ports import Object
from stanch.runtime.case import Case
from stanch.runtime.lately import all_unknown, beside
from stanch.runtime.past import recipe_of
from stanch.runtime.world import World


def limits_of(under: tuple[str, ResponsePolicy], by: tuple[str, AnyPlaybook], facts: Facts) -> Held:
    """What holds for this incident: windows that it is exempt from are none for it."""
    (policy, said), (name, playbook) = under, by
    guards, limits = playbook.guards or Guards(), said.limits or Limits()
    windows = (window for window in said.freeze_windows if not exempt(window, f"{facts.namespace}/{name}", facts.severity))
    least = "" if guards.min_available is None else str(guards.min_available)
    return Held(
        policy, least, guards.pod_disruption_budgets, tuple(map(window_of, windows)), limits.concurrent_incidents, limits.cooldown,
        limits.consecutive_failures, limits.changes_per_hour, limits.storm.incidents, limits.storm.within,
    )  # fmt: skip


def exempt(window: policies.FreezeWindow, playbook: str, severity: str) -> bool:
    override = window.override
    return override is not None and (severity in override.severities or playbook in override.playbooks)


def window_of(window: policies.FreezeWindow) -> FreezeWindow:
    said: dict[str, Any] = {}
    if window.weekly:
        said = {"days": tuple(window.weekly.days), "start_time": window.weekly.start_time, "duration": window.weekly.duration}
    if window.once:
        said = {"start": window.once.start, "end": window.once.end}
    return FreezeWindow(window.name, window.time_zone, **said)


def of_policy(world: World, case: Case, plan: Plan, *targets: Ref) -> Block | None:
    """What speaks against a change of any of these objects."""
    key, policy = (case.facts.namespace, case.facts.name), plan.guards.policy
    lacks, beside = world.sight.lacks(), world.underway.beside(key, policy)
    uids, now = frozenset(target.uid for target in targets), world.clock.now()
    past = world.past.of(key, policy, recipe_of(plan.namespace, plan.playbook), uids, now)
    names, begun = ", ".join(map(str, targets)), attended(case.status)
    # Who began goes on, however many others there are.
    underway = beside if beside.mine else lacks or beside
    seen = Input(plan.guards, now, names, underway, lacks or past, begun)
    return judge(seen, OF_POLICY)


def attended(status: Status) -> bool:
    """Whether a person said yes to what is about to be changed (an approval or, in its place, a broken glass), or its option has
    begun. Of a plan that is made only now nothing was approved or begun."""
    if status.plan_digest == "" or status.resumed:
        return status.resumed
    approved = any(record.option == status.option for record in status.approvals)
    return approved or broken(status) is not None or any(step.option == status.option and step.written_at for step in status.steps)


def admit(world: World, case: Case, plan: Plan, *targets: Ref) -> Block | None:
    """As `of_policy`; who is let through is counted from now on. Nothing may be awaited between the two."""
    block = of_policy(world, case, plan, *targets)
    if block is None:
        key, policy = (case.facts.namespace, case.facts.name), plan.guards.policy
        world.underway.begin(key, policy)
        world.past.begin(key, policy, world.clock.now())
    return block


async def of_target(world: World, stage: Stage, limits: Held, action: Action, before: Before, change: Change) -> Block | None:
    if not action.takes_pods:
        return None
    pods = pods_after(before.target, change.patch)
    asked = limits.budgets is Budgets.Respect and not (isinstance(pods, Pods) and not pods.taken)
    budgets = await budgets_over(world, stage, before.target, change.ref) if asked else ()
    return judge(Input(limits, world.clock.now(), str(change.ref), pods=pods, budgets=budgets), OF_TARGET)


async def budgets_over(world: World, stage: Stage, target: Object, ref: Ref) -> tuple[Budget, ...] | Unknown:
    """Those of the target's pods, and who else is about to take some of these."""
    budgets = await read_budgets(stage.cluster, target)
    if isinstance(budgets, Unknown) or not budgets:
        return budgets
    if lacks := world.sight.lacks():
        return all_unknown(budgets, lacks)
    return await beside(world.clusters, world.lately, ref, budgets, world.clock.now())


async def admit_to_target(
    world: World, case: Case, plan: Plan, stage: Stage, action: Action, before: Before, change: Change
) -> Block | None:
    """As `of_target`; who is let through is known to the others from now on. What this one did is not always stored by now."""
    world.lately.told(case.facts, case.status)
    block = await of_target(world, stage, plan.guards, action, before, change)
    if block is None and action.takes_pods:
        world.lately.begin(case.facts, change.ref, plan.service_account, world.clock.now())
    return block

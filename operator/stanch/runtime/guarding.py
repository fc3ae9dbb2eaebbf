"""Gathers what guards judge by, when an incident is planned and right before each step's intent.

What the policy limits costs no request. Of the target no more is read than the step has read anyway, but for the
PodDisruptionBudgets, and these only where available pods would be taken.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from stanch.actions.budgets import read_budgets
from stanch.api import policy as policies
from stanch.api.guards import Guards
from stanch.api.playbook import AnyPlaybook
from stanch.api.policy import Limits, ResponsePolicy
from stanch.domain.guards import Budgets, FreezeWindow
from stanch.domain.guards import Guards as Held
from stanch.domain.incident import Facts
from stanch.domain.plan import Plan
from stanch.engine.availability import Pods, pods_after
from stanch.engine.guards import OF_POLICY, OF_TARGET, Block, Input, judge
from stanch.engine.parts import Action, Before, Change, Stage
from stanch.runtime.case import Case
from stanch.runtime.world import World


def limits_of(under: tuple[str, ResponsePolicy], by: tuple[str, AnyPlaybook], facts: Facts) -> Held:
    """What holds for this incident: windows that it is exempt from are none for it."""
    (policy, said), (name, playbook) = under, by
    guards, limits = playbook.guards or Guards(), said.limits or Limits()
    windows = (window for window in said.freeze_windows if not exempt(window, f"{facts.namespace}/{name}", facts.severity))
    least = "" if guards.min_available is None else str(guards.min_available)
    return Held(policy, least, guards.pod_disruption_budgets, tuple(map(window_of, windows)), limits.concurrent_incidents)


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


def of_policy(world: World, case: Case, plan: Plan) -> Block | None:
    beside = world.underway.beside((case.facts.namespace, case.facts.name), plan.guards.policy)
    return judge(Input(plan.guards, world.clock.now(), underway=beside), OF_POLICY)


def admit(world: World, case: Case, plan: Plan) -> Block | None:
    """As `of_policy`; who is let through is counted from now on. Nothing may be awaited between the two."""
    block = of_policy(world, case, plan)
    if block is None:
        world.underway.begin((case.facts.namespace, case.facts.name), plan.guards.policy)
    return block


async def of_target(stage: Stage, limits: Held, action: Action, before: Before, change: Change, now: datetime) -> Block | None:
    if not action.takes_pods:
        return None
    pods = pods_after(before.target, change.patch)
    asked = limits.budgets is Budgets.Respect and not (isinstance(pods, Pods) and not pods.taken)
    budgets = await read_budgets(stage.cluster, before.target) if asked else ()
    return judge(Input(limits, now, str(change.ref), pods=pods, budgets=budgets), OF_TARGET)

"""Bind: what diagnosis found is filled into the stored plan, which is proven and stored anew. The playbook is not read again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel

from stanch.domain.plan import Check, Option, Plan, Step
from stanch.engine.errors import Refused
from stanch.engine.expressions import Failed, declared_by
from stanch.engine.moves import Bind
from stanch.engine.outcomes import Bound, Outcome
from stanch.engine.templates import Scope
from stanch.engine.templates import bind as fill
from stanch.runtime.case import Case
from stanch.runtime.keeping import keep
from stanch.runtime.prove import prove_plan, stage_of
from stanch.runtime.rendering import checked, scope_of
from stanch.runtime.world import World

P = TypeVar("P", Step, Check)


async def bind(world: World, case: Case, effect: Bind) -> Outcome:
    """Raises `Refused` (TemplateInvalid) where a fact is not known, or makes something that its action or check does not take."""
    assert case.plan is not None
    plan = case.plan
    said = replace(case.facts, type=plan.occasion.type, severity=plan.occasion.severity, component=plan.occasion.component,
                   labels=plan.occasion.labels)  # fmt: skip
    binder = Binder(world, scope_of(said, declared_by(plan), plan.parameters, effect.facts))
    bound, _ = await prove_plan(world, stage_of(world, case, plan, ""), binder.plan(plan))
    digest = await keep(world, case, bound)
    case.plans[digest] = bound
    return Bound(bound, digest)


class Binder:
    def __init__(self, world: World, scope: Scope) -> None:
        self.world = world
        self.scope = scope

    def plan(self, plan: Plan) -> Plan:
        recovery = replace(plan.recovery, verify=self.checks(plan.recovery.verify, "recovery"))
        return replace(plan, options=tuple(self.option(option) for option in plan.options), recovery=recovery)

    def option(self, option: Option) -> Option:
        where = f"option {option.name}"
        steps = tuple(self.step(step, where) for step in option.steps)
        return replace(option, steps=steps, verify=self.checks(option.verify, where))

    def step(self, step: Step, where: str) -> Step:
        where = f"{where}, step {step.name}"
        bound = self.part(step, self.world.actions[step.action].params, where)
        return replace(bound, smoke=self.checks(step.smoke, where))

    def checks(self, checks: tuple[Check, ...], where: str) -> tuple[Check, ...]:
        return tuple(self.part(check, self.world.checks[check.check].params, f"{where}, check {check.name}") for check in checks)

    def part(self, part: P, model: type[BaseModel], where: str) -> P:
        if not part.unbound:
            return part
        filled: Any = fill(part.params, part.unbound, self.scope)
        if isinstance(filled, Failed):
            raise Refused("TemplateInvalid", f"{where}: {filled.message}")
        return replace(part, params=checked(where, model, filled), unbound=())

"""What a playbook says -> the options, checks and questions of a plan: on exactly these objects, with these values. Pure.

Values of parameters and of the incident are filled in as data. What speaks of facts stays, and the plan tells where.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ValidationError

from stanch.actions.reconcilers import title_of
from stanch.api import codec, names
from stanch.api.playbook import AnyPlaybook
from stanch.api.steps import check_names
from stanch.domain.duration import spell
from stanch.domain.incident import Facts
from stanch.domain.plan import Approval, Check, EvidencePlan, Option, Parameter, Plan, Recovery, Revert, Source, Step, Target
from stanch.engine.code import code_in
from stanch.engine.errors import Refused
from stanch.engine.expressions import Declared, Failed
from stanch.engine.parts import Action, CheckKind, EffectClass
from stanch.engine.paths import safe_name
from stanch.engine.templates import Scope, is_template, render
from stanch.runtime.owners import Owners, suspends
from stanch.runtime.targets import NAME, Found, of_object
from stanch.runtime.world import World

RESTART, SUSPEND = "rolloutRestart", "suspendOwner"


@dataclass(frozen=True)
class Brief:
    """What every part of a playbook is rendered with. `owners`: who may be suspended, by target; `incident`: namespace/name."""

    world: World
    found: Found
    scope: Scope
    owners: Owners = field(default_factory=dict)
    incident: str = ""

    def params(self, where: str, model: type[BaseModel], said: Mapping[str, Any]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """Filled in and checked; or, where facts are still missing, as it is, and where. Raises `Refused` (TemplateInvalid)."""
        if any(is_template(code) for code in code_in(said)):
            why = "a template in code (sh -c, psql --command) would become code: give the value as an argument of its own"
            raise Refused("TemplateInvalid", f"{where}: {why}")
        rendered = render(said, self.scope)
        if isinstance(rendered, Failed):
            raise Refused("TemplateInvalid", f"{where}: {rendered.message}")
        if rendered.unbound:
            return rendered.value, rendered.unbound
        return checked(where, model, rendered.value), ()


def checked(where: str, model: type[BaseModel], params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parameters as their action or check takes them. Raises `Refused` (TemplateInvalid), without the value."""
    try:
        return model.model_validate(params).model_dump(mode="json", by_alias=True, exclude_none=True)
    except ValidationError as error:
        raise Refused("TemplateInvalid", codec.describe(error, where)[:500]) from error


def scope_of(facts: Facts, declared: Declared, parameters: Sequence[Parameter], found: Mapping[str, str] | None = None) -> Scope:
    """What templates see. An absent component and empty labels have no value: nothing is filled in in silence."""
    incident = {
        "name": facts.name,
        "type": facts.type,
        "severity": facts.severity,
        "labels": {key: value for key, value in facts.labels.items() if value},
    } | ({"component": facts.component} if facts.component else {})
    params = {parameter.name: parameter.value for parameter in parameters}
    return Scope({"incident": incident, "params": params, "facts": nested(found or {})}, declared)


def nested(facts: Mapping[str, str]) -> dict[str, Any]:
    """`{"lastDeploy.at": …}` as expressions see it."""
    result: dict[str, Any] = {}
    for name, value in facts.items():
        head, dot, tail = name.partition(".")
        if dot:
            result.setdefault(head, {})[tail] = value
        else:
            result[head] = value
    return result


def filled(plan: Plan, brief: Brief, playbook: AnyPlaybook) -> Plan:
    """`plan` with all that the playbook says about evidence, diagnosis, options and recovery."""
    return replace(
        plan,
        evidence=evidence_of(playbook, brief),
        diagnosis=tuple(check for question in playbook.diagnosis for check in questions_of(question, brief)),
        false_alarm=playbook.false_alarm_when or "",
        options=tuple(option_of(spec, brief) for spec in playbook.options),
        recovery=recovery_of(playbook.recovery, brief) if playbook.recovery else Recovery(),
    )


def evidence_of(playbook: AnyPlaybook, brief: Brief) -> EvidencePlan:
    evidence = playbook.evidence
    sources = tuple(source for item in evidence.collect for source in sources_of(item, brief))
    return EvidencePlan(sources, evidence.budget, evidence.on_failure)


def sources_of(item: Any, brief: Brief) -> list[Source]:
    chosen = item.chosen
    params, unbound = brief.params(f"evidence {chosen.kind}", type(item.parameters), chosen.params)
    refuse_facts(f"evidence {chosen.kind}", unbound)
    targets = [target.name for target in brief.found[chosen.target]] if chosen.target else [""]
    return [Source(chosen.kind, params, target) for target in targets]


def refuse_facts(where: str, unbound: tuple[str, ...]) -> None:
    if unbound:
        raise Refused("TemplateInvalid", f"{where}{unbound[0]}: speaks of facts, which nobody knows yet at this point")


def questions_of(question: Any, brief: Brief) -> list[Check]:
    """One check: a fact has one value. Raises `Refused` (FactAmbiguous) where its target is several objects."""
    where = f"diagnosis {question.name}"
    checks = checks_of([(question, question.name, timedelta())], brief, where)
    if len(checks) > 1:
        raise Refused(
            "FactAmbiguous", f"{where}: {question.chosen.target} is {len(checks)} objects, expected one: a fact has one value"
        )
    refuse_facts(where, checks[0].unbound)
    return [replace(checks[0], fact=names.type_of(question))]


def recovery_of(spec: Any, brief: Brief) -> Recovery:
    return Recovery(tuple(verification(spec.verify, brief, "recovery", "recovery-")), spec.watch_for)


def verification(checks: Sequence[Any], brief: Brief, where: str, prefix: str = "") -> list[Check]:
    named = zip(checks, check_names(checks), strict=True)
    return checks_of([(check, prefix + name, check.hold_for) for check, name in named], brief, where)


def checks_of(items: Sequence[tuple[Any, str, timedelta]], brief: Brief, where: str) -> list[Check]:
    """One check an object. `items`: what the playbook says, its name, how long it must hold."""
    return [check for spec, name, hold in items for check in _checks_of(spec, name, hold, brief, f"{where}, check {name}")]


def _checks_of(spec: Any, name: str, hold: timedelta, brief: Brief, where: str) -> Iterator[Check]:
    chosen = spec.chosen
    kind: CheckKind = brief.world.checks[chosen.kind]
    params, unbound = brief.params(where, kind.params, chosen.params)
    targets = brief.found[chosen.target] if chosen.target else (None,)
    for target in targets:
        each = of_object(name, target.ref.name, len(targets) > 1) if target else name
        yield Check(safe_name(each, NAME), chosen.kind, params, target.name if target else "", spec.within, hold, unbound=unbound)


def option_of(spec: Any, brief: Brief) -> Option:
    steps = tuple(step for item in spec.steps for step in steps_of(item, brief, f"option {spec.name}"))
    approval = Approval(dict(spec.approval.roles), spec.approval.timeout) if spec.approval else None
    return Option(
        name=spec.name, steps=steps, verify=tuple(verification(spec.verify, brief, f"option {spec.name}")), when=spec.when or "",
        risk=spec.risk, approval=approval, on_failure=spec.on_failure, revert_on_failure=spec.revert_on_failure,
        timeout=spec.timeout, last_resort=spec.last_resort,
    )  # fmt: skip


def steps_of(spec: Any, brief: Brief, where: str) -> list[Step]:
    """One step an object: each has its own intent, token and before-image. Its consumers' restarts follow it."""
    where = f"{where}, step {spec.name}"
    steps = own_steps(spec, brief, where)
    steps += restarts(spec, brief, steps[-1])
    before, steps = suspending(spec, brief, steps) if suspends(spec) else ([], steps)
    # Smoke is for what consumers make of a change, not for what they made before they were restarted.
    smoked = steps[-1:] if steps[-1].follows else steps
    return before + [replace(step, smoke=smoke_of(spec, step, brief, where)) if step in smoked else step for step in steps]


def suspending(spec: Any, brief: Brief, steps: list[Step]) -> tuple[list[Step], list[Step]]:
    """A step that suspends each of their owners, and the steps, which say which one that is."""
    owners = list(dict.fromkeys(brief.owners[step.target] for step in steps if step.target in brief.owners))
    first = {owner.name: suspension(spec, brief, owner, place) for place, owner in enumerate(owners, 1)}
    owned = {target: first[owner.name].name for target, owner in brief.owners.items() if owner.name in first}
    return list(first.values()), [replace(step, owner=owned.get(step.target, "")) for step in steps]


def suspension(spec: Any, brief: Brief, owner: Target, place: int) -> Step:
    action = brief.world.actions[SUSPEND]
    revert = Revert(spec.revert.after, spec.revert.on_recovery) if spec.revert else Revert()
    until = f"for {spell(revert.after)} at most, and while a change is owed" if revert.after else "until the incident has recovered"
    common = replace(base(spec, action, None), revert=revert, fact="", last=True)
    return replace(
        common, name=safe_name(f"{spec.name}-owner" + (f"-{place}" if place > 1 else ""), NAME), target=owner.name,
        expect=f"{title_of(owner.ref)} leaves the target of {spec.name} alone", params={"by": brief.incident, "until": until},
    )  # fmt: skip


def own_steps(spec: Any, brief: Brief, where: str) -> list[Step]:
    chosen = spec.chosen
    action = brief.world.actions[chosen.kind]
    params, unbound = brief.params(where, action.params, chosen.params)
    known = spec.parameters if unbound else action.params.model_validate(params)
    step = replace(base(spec, action, known), params=params, unbound=unbound)
    if is_template(step.role):
        raise Refused("TemplateInvalid", f"{where}: speaks of facts in a role; who must confirm is known beforehand")
    if not chosen.target:
        return [step]
    targets = brief.found[chosen.target]
    return [on(step, target, len(targets) > 1) for target in targets]


def base(spec: Any, action: Action, params: Any) -> Step:
    output = names.output_of(spec)
    fact = {"fact": output[0], "fact_type": output[1]} if output else {}
    return Step(
        spec.name, action.name, expect=spec.expect, when=spec.when or "", timeout=spec.timeout,
        revert=Revert(spec.revert.after, spec.revert.on_recovery) if spec.revert else None,
        writes=action.effect_class is not EffectClass.none, reversible=action.inverse is not None,
        at_most_once=action.effect_class is EffectClass.at_most_once, pause=action.pauses(params), role=action.asks(params), **fact,
    )  # fmt: skip


def on(step: Step, target: Target, several: bool) -> Step:
    return replace(step, name=of_object(step.name, target.ref.name, several), target=target.name)


def restarts(spec: Any, brief: Brief, after: Step) -> list[Step]:
    """A restart of each consumer that the step names."""
    consumers = brief.world.actions[spec.chosen.kind].consumers
    targets = [target for name in (getattr(spec.parameters, consumers) if consumers else ()) for target in brief.found[name]]
    if not targets:
        return []
    restart = brief.world.actions[RESTART]
    common = replace(
        base(spec, restart, None),
        expect=f"{RESTART} of who reads it: {spec.expect}"[:1024],
        revert=None,
        fact="",
        follows=after.name,
    )
    named = [
        f"{spec.name}-restart" if len(targets) == 1 else f"{spec.name}-restart-{place}" for place in range(1, len(targets) + 1)
    ]
    return [replace(common, name=safe_name(name, NAME), target=target.name) for name, target in zip(named, targets, strict=True)]


def smoke_of(spec: Any, step: Step, brief: Brief, where: str) -> tuple[Check, ...]:
    return tuple(verification(spec.smoke, brief, where, f"{step.name}-"))

"""Resolve: policy, playbook, targets and ServiceAccount of one Incident; the plan, proven by dry run, digested, stored."""

from __future__ import annotations

import difflib
from dataclasses import fields, replace
from typing import Any

import yaml

from stanch.api import codec
from stanch.api.choice import Chosen
from stanch.domain.incident import Status
from stanch.domain.plan import Approval, Check, EvidencePlan, Occasion, Option, Pin, Plan, Purpose, Ref, Source, Step, Target
from stanch.engine.errors import NotFound, Refused
from stanch.engine.moves import Outcome, Resolve, Resolved
from stanch.engine.ports import Cluster, Object
from stanch.engine.workload import revisions_of
from stanch.evidence.last_deploy import last_deploy
from stanch.evidence.writing import DUMPER
from stanch.runtime.case import Case, plan_name
from stanch.runtime.matching import find_playbook, find_policy
from stanch.runtime.targets import Found, of_object, resolve_targets
from stanch.runtime.world import World
from stanch.runtime.write import INCIDENT_LABEL

PREVIEW = 4096
# What the server changes by itself and what says nothing to a person.
NOISE = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")


async def resolve(world: World, case: Case, effect: Resolve) -> Outcome:
    facts, own = case.facts, world.clusters.own
    policy_pin, policy = await find_policy(own, facts, case.spec)
    playbook_pin, playbook = await find_playbook(own, facts, case.spec)
    account = await find_account(own, facts.namespace, playbook.service_account_name)
    cluster = world.clusters.acting_as(facts.namespace, account)
    found = await resolve_targets(cluster, facts, playbook.targets)
    targets = tuple(target for group in found.values() for target in group)
    plan = Plan(
        incident_uid=facts.uid, attempt=effect.attempt, playbook=playbook_pin, service_account=account,
        namespace=facts.namespace, targets=targets, evidence=evidence_of(playbook, found),
        options=tuple([await option_of(world, cluster, spec, found) for spec in playbook.options]),
        occasion=Occasion(facts.type, facts.severity, facts.component, dict(facts.labels)), purpose=purpose_of(playbook),
        allowed_origins=tuple(policy.http.allowed_origins) if policy.http else (),
    )  # fmt: skip
    fits(plan)
    digest = await keep(world, case, plan)
    case.plan = plan
    return Resolved(plan, digest, policy_pin, policy.close_role or "", await diagnose(cluster, targets), case.pack.uri)


async def find_account(own: Cluster, namespace: str, name: str) -> Pin:
    try:
        found = await own.get(Ref("v1", "ServiceAccount", namespace, name))
    except NotFound as error:
        raise Refused("ServiceAccountNotFound", f"there is no ServiceAccount {name!r} in namespace {namespace}") from error
    return Pin(name, found["metadata"]["uid"])


async def keep(world: World, case: Case, plan: Plan) -> str:
    """In the vault, where it survives the pack and is out of reach; in the pack, for the auditor."""
    data = codec.plan_to_bytes(plan)
    await case.pack.put(f"plans/{plan.attempt}-{codec.digest(data)[7:19]}.json", data)
    return await world.vault.put(plan_name(case.facts.uid, codec.digest(data)), data, {INCIDENT_LABEL: case.facts.uid})


def fits(plan: Plan) -> None:
    """Raises `Refused` (PlanTooLarge) where the status could not tell of every step and check."""
    bounds = {field.name: field.metadata["max_length"] for field in fields(Status) if field.name in ("steps", "checks")}
    steps = sum(len(option.steps) for option in plan.options)
    checks = len({check.name for option in plan.options for check in option.verify})
    for what, count, most in (("steps", steps, bounds["steps"]), ("checks", checks, bounds["checks"])):
        if count > most:
            why = f"{plan.playbook.name} comes to {count} {what} on {len(plan.targets)} objects, expected {most} or fewer"
            raise Refused("PlanTooLarge", f"{why}: narrow its selectors, or split it")


def purpose_of(playbook: Any) -> Purpose:
    not_to_use = playbook.when_not_to_use or ""
    return Purpose(playbook.summary, playbook.when_to_use or "", not_to_use, tuple(playbook.controls))


def evidence_of(playbook: Any, found: Found) -> EvidencePlan:
    evidence = playbook.evidence
    sources = tuple(source for item in evidence.collect for source in sources_of(item.chosen, found))
    return EvidencePlan(sources, evidence.budget, evidence.on_failure)


def sources_of(chosen: Chosen, found: Found) -> list[Source]:
    if not chosen.target:
        return [Source(chosen.kind, chosen.params)]
    return [Source(chosen.kind, chosen.params, target.name) for target in found[chosen.target]]


async def option_of(world: World, cluster: Cluster, spec: Any, found: Found) -> Option:
    steps = [planned for item in spec.steps for planned in steps_of(item, found)]
    checks = [check for item, name in zip(spec.verify, spec.check_names(), strict=True) for check in checks_of(item, name, found)]
    approval = Approval(dict(spec.approval.roles), spec.approval.timeout) if spec.approval else None
    proven = [await prove(world, cluster, step, ref) for step, ref in steps]
    return Option(
        name=spec.name, steps=tuple(proven), verify=tuple(checks), when=spec.when or "", risk=spec.risk,
        approval=approval, on_failure=spec.on_failure, timeout=spec.timeout,
    )  # fmt: skip


def steps_of(spec: Any, found: Found) -> list[tuple[Step, Ref]]:
    """One step an object: each has its own intent, token and before-image."""
    chosen, targets = spec.chosen, found[spec.chosen.target]
    names = [of_object(spec.name, target.ref.name, len(targets) > 1) for target in targets]
    return [
        (Step(name, chosen.kind, target.name, chosen.params, spec.expect), target.ref)
        for name, target in zip(names, targets, strict=True)
    ]


def checks_of(spec: Any, name: str, found: Found) -> list[Check]:
    chosen = spec.chosen
    if not chosen.target:
        return [Check(name, chosen.kind, chosen.params, "", spec.within, spec.hold_for)]
    targets = found[chosen.target]
    names = [of_object(name, target.ref.name, len(targets) > 1) for target in targets]
    return [
        Check(each, chosen.kind, chosen.params, target.name, spec.within, spec.hold_for)
        for each, target in zip(names, targets, strict=True)
    ]


async def prove(world: World, cluster: Cluster, step: Step, ref: Ref) -> Step:
    """Asks the server whether it would admit the write from this identity, and keeps the difference it would make.

    A step that the action itself refuses now (no earlier revision) may be possible when its turn comes: it stays in the
    plan, unproven, and says why. A write that the server would not admit refuses the whole plan.
    """
    action = world.actions[step.action]
    params = action.params.model_validate(step.params)
    before = await action.read(cluster, ref, params)
    try:
        change = action.plan(before, params, "dry-run")
    except Refused as failure:
        return replace(step, preview=f"would be refused now: {failure.message}"[:PREVIEW])
    after = await cluster.patch(change.ref, change.patch, dry_run=True)
    return replace(step, preview=preview(before.target, after, change.summary, change.why), proven=True)


def preview(before: Object, after: Object, summary: str, why: str) -> str:
    """The change in a sentence, then the difference of spec and annotations as YAML, cut at 4,096 characters."""
    lines = difflib.unified_diff(readable(before), readable(after), "before", "after", lineterm="", n=1)
    text = "\n".join([f"{summary} ({why})" if why else summary, *lines])
    return text if len(text) <= PREVIEW else text[: PREVIEW - 20] + "\n… cut, see plan"


def readable(obj: Object) -> list[str]:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in NOISE}
    shown = {"metadata": metadata, "spec": obj.get("spec", {})}
    return yaml.dump(shown, Dumper=DUMPER, sort_keys=True).splitlines()


async def diagnose(cluster: Cluster, targets: tuple[Target, ...]) -> dict[str, str]:
    """Facts for `when`: the newest of the targets' deploys; one whose time is unknown makes it unknown (invariant 14)."""
    deploys = []
    for target in targets:
        obj = await cluster.get(target.ref)
        deploys.append(last_deploy(obj, await revisions_of(cluster, obj)))
    unknown = [deploy for deploy in deploys if deploy.at is None]
    return dict((unknown or sorted(deploys, key=lambda deploy: deploy.at))[-1].facts())

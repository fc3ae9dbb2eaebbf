"""Resolve: policy, playbook, targets and ServiceAccount of one Incident; the plan, proven by dry run, digested, stored."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import Any

import yaml

from stanch.api import codec
from stanch.api.choice import Chosen
from stanch.domain.plan import Approval, Check, EvidencePlan, Option, Pin, Plan, Ref, Source, Step, Target
from stanch.engine.errors import NotFound, Refused
from stanch.engine.moves import Outcome, Resolve, Resolved
from stanch.engine.ports import Cluster, Object
from stanch.engine.workload import revisions_of
from stanch.evidence.last_deploy import last_deploy
from stanch.runtime.case import Case, plan_name
from stanch.runtime.matching import find_playbook, find_policy
from stanch.runtime.targets import resolve_targets
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
    targets = await resolve_targets(cluster, facts, playbook.targets)
    plan = Plan(
        incident_uid=facts.uid, attempt=effect.attempt, playbook=playbook_pin, service_account=account,
        namespace=facts.namespace, targets=targets, evidence=evidence_of(playbook, targets),
        options=tuple([await option_of(world, cluster, spec, targets) for spec in playbook.options]),
        allowed_origins=tuple(policy.http.allowed_origins) if policy.http else (),
    )  # fmt: skip
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


def evidence_of(playbook: Any, targets: tuple[Target, ...]) -> EvidencePlan:
    evidence = playbook.evidence
    sources = tuple(source for item in evidence.collect for source in sources_of(item.chosen, targets))
    return EvidencePlan(sources, evidence.budget, evidence.on_failure)


def sources_of(chosen: Chosen, targets: tuple[Target, ...]) -> list[Source]:
    if not chosen.target:
        return [Source(chosen.kind, chosen.params)]
    return [Source(chosen.kind, chosen.params, target.name) for target in objects(targets, chosen.target)]


def objects(targets: tuple[Target, ...], name: str) -> tuple[Target, ...]:
    """The objects behind one of the playbook's targets: itself, or each that its selector found."""
    return tuple(target for target in targets if target.name == name or target.name.startswith(f"{name}."))


async def option_of(world: World, cluster: Cluster, spec: Any, targets: tuple[Target, ...]) -> Option:
    steps = [step for item in spec.steps for step in steps_of(item, targets)]
    checks = [check for item, name in zip(spec.verify, spec.check_names(), strict=True) for check in checks_of(item, name, targets)]
    approval = Approval(dict(spec.approval.roles), spec.approval.timeout) if spec.approval else None
    proven = [await prove(world, cluster, step, targets) for step in steps]
    return Option(
        name=spec.name, steps=tuple(proven), verify=tuple(checks), when=spec.when or "", risk=spec.risk,
        approval=approval, on_failure=spec.on_failure, timeout=spec.timeout,
    )  # fmt: skip


def steps_of(spec: Any, targets: tuple[Target, ...]) -> list[Step]:
    """One step an object: each has its own intent, token and before-image."""
    chosen, found = spec.chosen, objects(targets, spec.chosen.target)
    suffix = {target.name: f".{target.ref.name}" if len(found) > 1 else "" for target in found}
    return [Step(spec.name + suffix[t.name], chosen.kind, t.name, chosen.params, spec.expect) for t in found]


def checks_of(spec: Any, name: str, targets: tuple[Target, ...]) -> list[Check]:
    chosen = spec.chosen
    if not chosen.target:
        return [Check(name, chosen.kind, chosen.params, "", spec.within, spec.hold_for)]
    found = objects(targets, chosen.target)
    suffix = {target.name: f".{target.ref.name}" if len(found) > 1 else "" for target in found}
    return [Check(name + suffix[t.name], chosen.kind, chosen.params, t.name, spec.within, spec.hold_for) for t in found]


async def prove(world: World, cluster: Cluster, step: Step, targets: tuple[Target, ...]) -> Step:
    """Asks the server whether it would admit the write from this identity, and keeps the difference it would make.

    A step that the action itself refuses now (no earlier revision) may be possible when its turn comes: it stays in the
    plan, unproven, and says why. A write that the server would not admit refuses the whole plan.
    """
    action = world.actions[step.action]
    ref = next(target.ref for target in targets if target.name == step.target)
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
    return yaml.safe_dump(shown, sort_keys=True).splitlines()


async def diagnose(cluster: Cluster, targets: tuple[Target, ...]) -> dict[str, str]:
    """Facts for `when`: the newest of the targets' deploys; one whose time is unknown makes it unknown (invariant 14)."""
    deploys = []
    for target in targets:
        obj = await cluster.get(target.ref)
        deploys.append(last_deploy(obj, await revisions_of(cluster, obj)))
    unknown = [deploy for deploy in deploys if deploy.at is None]
    return dict((unknown or sorted(deploys, key=lambda deploy: deploy.at))[-1].facts())

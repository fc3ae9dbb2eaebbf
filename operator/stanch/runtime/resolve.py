"""Resolve: policy, playbook, targets and ServiceAccount of one Incident; the plan, proven by dry run, digested, stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from stanch.api import names
from stanch.api.parameters import bind_parameters
from stanch.api.playbook import AnyPlaybook
from stanch.api.policy import ResponsePolicy
from stanch.domain.incident import Mode
from stanch.domain.plan import Occasion, Pin, Plan, Purpose, Ref, Target
from stanch.domain.severity import Criterion, Rung
from stanch.domain.timeline import Head
from stanch.engine.chain import head_of
from stanch.engine.errors import Failure, NotFound, Refused, Retryable
from stanch.engine.moves import Resolve
from stanch.engine.outcomes import CameBack, Denied, Outcome, Resolved
from stanch.engine.ports import Cluster
from stanch.engine.severity import propose
from stanch.engine.summary import PACK_UNAVAILABLE
from stanch.engine.workload import revisions_of
from stanch.evidence.last_deploy import last_deploy
from stanch.evidence.workload import ROLLED_OUT
from stanch.runtime.asking import asked
from stanch.runtime.beside import beside
from stanch.runtime.case import Case
from stanch.runtime.drafting import drafts
from stanch.runtime.guarding import limits_of, of_policy
from stanch.runtime.keeping import fits, keep
from stanch.runtime.matching import find_playbook, find_policy
from stanch.runtime.owners import resolve_owners
from stanch.runtime.prove import prove_plan, stage_of
from stanch.runtime.rendering import Brief, filled, scope_of
from stanch.runtime.targets import resolve_targets
from stanch.runtime.world import World


async def resolve(world: World, case: Case, effect: Resolve) -> Outcome:
    facts, own = case.facts, world.clusters.own
    if effect.attempt == 1 and not case.status.pack.head.seq and (past := await look_back(world, case)):
        return replace(past, retention=await retention(own, case))
    async with beside(find_playbook(own, facts, case.spec)) as found:
        pin, policy = await find_policy(own, facts, case.spec)
        try:
            return await planned(world, case, effect.attempt, (pin, policy), await found)
        except Refused as failure:
            return Denied(failure.reason, failure.message, retention_of(policy))


async def planned(
    world: World, case: Case, attempt: int, under: tuple[Pin, ResponsePolicy], by: tuple[Pin, AnyPlaybook]
) -> Resolved:
    facts, own = case.facts, world.clusters.own
    (policy_pin, policy), (playbook_pin, playbook) = under, by
    parameters = bind_parameters(playbook.parameters, case.spec.get("parameters") or {})
    scope = scope_of(facts, names.for_templates(playbook), parameters)
    account = await find_account(own, facts.namespace, playbook.service_account_name)
    cluster = world.clusters.acting_as(facts.namespace, account)
    found = await resolve_targets(cluster, facts, playbook.targets, scope)
    targets = tuple(target for group in found.values() for target in group)
    owners = await resolve_owners(cluster, playbook, found, policy, facts.namespace)
    bare = Plan(
        incident_uid=facts.uid, attempt=attempt, playbook=playbook_pin, service_account=account,
        namespace=facts.namespace, targets=targets, owners=tuple(dict.fromkeys(owners.values())), parameters=parameters,
        observe_only=policy.observe_only,
        occasion=Occasion(facts.type, facts.severity, facts.component, dict(facts.labels)), purpose=purpose_of(playbook),
        allowed_origins=tuple(policy.http.allowed_origins) if policy.http else (),
        guards=limits_of((policy_pin.name, policy), (playbook_pin.name, playbook), facts),
    )  # fmt: skip
    brief = Brief(world, found, scope, owners, f"{facts.namespace}/{facts.name}")
    plan = asked(filled(bare, brief, playbook), facts, playbook, policy)
    fits(plan)
    async with beside(diagnose(cluster, targets)) as deploys:
        # In the order in which they are asked before a write.
        held_up = of_policy(world, case, plan, *(target.ref for target in targets))
        plan, block = await prove_plan(world, stage_of(world, case, plan, ""), plan)
        blocked = str(held_up or block or "")
        digest = await keep(world, case, plan)
        case.plans[digest] = plan
        close_role, kept = policy.close_role or "", retention_of(policy)
        suggested = propose(ladder_of(policy), facts.assessment)
        messages, files = await drafts(case, policy)
        levels = {level.name: level for level in policy.levels}
        level = levels[facts.severity]
        return Resolved(plan, digest, policy_pin, close_role, await deploys, case.pack.uri, kept, blocked, suggested, tuple(levels),
                        level.respond_within, level.restore_within, messages, files)  # fmt: skip


def ladder_of(policy: ResponsePolicy) -> tuple[Rung, ...]:
    return tuple(Rung(level.name, tuple(Criterion(**one.model_dump()) for one in level.criteria)) for level in policy.levels)


async def look_back(world: World, case: Case) -> CameBack | None:
    """Raises `Retryable` (PackUnavailable): without the packs nobody can tell, and nothing is done."""
    try:
        return await past_of(world, case)
    except Failure as failure:
        raise Retryable(PACK_UNAVAILABLE, f"The packs cannot be looked at: {failure}", after=5) from failure


async def past_of(world: World, case: Case) -> CameBack | None:
    """What a pack tells of this Incident, whose status tells nothing, or of an earlier one of its name (invariant 13)."""
    facts = case.facts
    if past := await case.pack.past():
        last = past.last
        told = f"its status was lost; {case.pack.uri} tells {last.seq} entries of it, the last at {last.at:%Y-%m-%d %H:%M:%S} UTC"
        return CameBack(told, head_of(last), int(last.line.key.split("/")[0]), past.captures)
    if facts.mode is Mode.DryRun:
        return None
    first = await world.packs.claim(facts.namespace, facts.name, facts.uid)
    if first == facts.uid:
        return None
    earlier = world.packs.of(facts.namespace, facts.name, first).uri
    return CameBack(f"an incident {facts.namespace}/{facts.name} with UID {first} was handled before, see {earlier}", Head())


async def retention(own: Cluster, case: Case) -> timedelta | None:
    """As the policy says that the Incident is under; None where there is none."""
    try:
        return retention_of((await find_policy(own, case.facts, case.spec))[1])
    except Refused:
        return None


def retention_of(policy: ResponsePolicy) -> timedelta | None:
    return policy.retention.incidents if policy.retention else None


async def find_account(own: Cluster, namespace: str, name: str) -> Pin:
    try:
        found = await own.get(Ref("v1", "ServiceAccount", namespace, name))
    except NotFound as error:
        raise Refused("ServiceAccountNotFound", f"there is no ServiceAccount {name!r} in namespace {namespace}") from error
    return Pin(name, found["metadata"]["uid"])


def purpose_of(playbook: AnyPlaybook) -> Purpose:
    not_to_use = playbook.when_not_to_use or ""
    return Purpose(playbook.summary, playbook.when_to_use or "", not_to_use, tuple(playbook.controls))


async def diagnose(cluster: Cluster, targets: tuple[Target, ...]) -> dict[str, str]:
    """Facts for `when`: the newest of the workloads' deploys; one whose time is unknown makes it unknown (invariant 14)."""
    deploys = []
    for target in targets:
        if target.ref.kind not in ROLLED_OUT:
            continue
        obj = await cluster.get(target.ref)
        deploys.append(last_deploy(obj, await revisions_of(cluster, obj)))
    if not deploys:
        return {}
    unknown = [deploy for deploy in deploys if deploy.at is None]
    return dict((unknown or sorted(deploys, key=lambda deploy: deploy.at))[-1].facts())

"""Prepare and Write: the two halves of a step, with the step's intent stored between them."""

from __future__ import annotations

import hashlib

from stanch.api import codec
from stanch.api.base import API_VERSION
from stanch.domain.incident import TERMINAL, Status
from stanch.domain.plan import Ref, Step
from stanch.engine.chain import canonical
from stanch.engine.errors import NotFound
from stanch.engine.moves import Later, Outcome, Prepare, Prepared, Stale, Write, Written
from stanch.engine.parts import Action, Before, Change
from stanch.engine.ports import Cluster, Holder, Object
from stanch.kube.lease import target_lease
from stanch.runtime import case as cases
from stanch.runtime.case import Case
from stanch.runtime.world import World

FINALIZER = "stanch.dev/incident"
EPOCH = "stanch.dev/epoch"
INCIDENT_LABEL = "stanch.dev/incident-uid"
BUSY_RETRY = 5.0


def parts(world: World, case: Case, option: str, step: str) -> tuple[Step, Action, Ref, Cluster]:
    assert case.plan is not None
    planned = next(item for item in case.plan.option(option).steps if item.name == step)
    cluster = world.clusters.acting_as(case.plan.namespace, case.plan.service_account)
    return planned, world.actions[planned.action], case.plan.target(planned.target), cluster


async def prepare(world: World, case: Case, effect: Prepare) -> Outcome:
    """Finalizer, locks, before-image: all idempotent, all before the intent. The target itself is only read."""
    step, action, ref, cluster = parts(world, case, effect.option, effect.step)
    await hold_back_deletion(world, case)
    if holder := await lock(world, case, ref):
        return Later("TargetLocked", f"{ref} is being changed by incident {holder.namespace}/{holder.name}", BUSY_RETRY)
    params = action.params.model_validate(step.params)
    before = await action.read(cluster, ref, params)
    change = action.plan(before, params, effect.token)
    version = before.target["metadata"]["resourceVersion"]
    digest = await keep_before(world, case, effect.token, before, change)
    case.prepared = cases.Prepared(effect.token, version, before, change)
    why = f" ({change.why})" if change.why else ""
    return Prepared(version, digest, change.summary + why)


async def hold_back_deletion(world: World, case: Case) -> None:
    metadata = case.raw["metadata"]
    finalizers = metadata.get("finalizers") or []
    if FINALIZER in finalizers:
        return
    patch = {"metadata": {"finalizers": [*finalizers, FINALIZER]}}
    case.raw = await world.clusters.own.patch(case.ref, patch, resource_version=case.resource_version)


async def lock(world: World, case: Case, ref: Ref) -> Holder | None:
    """None: the target is ours. A lock whose incident has ended or is gone is taken over."""
    me = Holder(case.facts.uid, case.facts.namespace, case.facts.name)
    other = await world.locks.lock(target_lease(ref.uid), me)
    if other is None or not await ended(world, other):
        return other
    await world.locks.takeover(target_lease(ref.uid), other.uid, me)
    return None


async def ended(world: World, holder: Holder) -> bool:
    ref = Ref(API_VERSION, "Incident", holder.namespace, holder.name, holder.uid)
    try:
        status: Status = codec.status_of(await world.clusters.own.get(ref))
    except NotFound:
        return True
    return status.phase in TERMINAL or not status.locked


async def keep_before(world: World, case: Case, token: str, before: Before, change: Change) -> str:
    """Stores what the step is about to change, immutable, under a name that follows from token and version."""
    version = before.target["metadata"]["resourceVersion"]
    name = "stanch-before-" + hashlib.sha256(f"{token}@{version}".encode()).hexdigest()[:32]
    image = {
        "token": token,
        "target": before.target,
        "patch": change.patch,
        "summary": change.summary,
        "why": change.why,
    }
    return await world.vault.put(name, canonical(image), {INCIDENT_LABEL: case.facts.uid})


async def write(world: World, case: Case, effect: Write) -> Outcome:
    """Observes first, always. Writes only what this life of the operator prepared, on exactly that version."""
    _, action, ref, cluster = parts(world, case, effect.option, effect.step)
    prepared = case.prepared
    fresh = prepared is not None and prepared.token == effect.token and not effect.fence
    seen = await cluster.get(ref) if fresh else await fence(cluster, ref, world.epoch(), effect.resource_version)
    if action.observe(seen, effect.token):
        return Written("observed on the target", found=True)
    if not fresh:
        return Stale("it was not written")
    assert prepared is not None
    if essence(seen) != essence(prepared.before.target):
        return Stale(f"{ref} was changed by somebody else meanwhile")
    await action.apply(cluster, prepared.change, seen["metadata"]["resourceVersion"])
    return Written(prepared.change.summary, found=False)


def essence(obj: Object) -> Object:
    """The object as people and GitOps declare it. While a rollout is under way its controller writes the status many times a
    second; the change was prepared on none of that. A fence is an annotation, so a stale leader still sees another object."""
    metadata = {name: value for name, value in obj["metadata"].items() if name not in ("resourceVersion", "managedFields")}
    return {name: value for name, value in obj.items() if name != "status"} | {"metadata": metadata}


async def fence(cluster: Cluster, ref: Ref, epoch: int, prepared_on: str) -> dict:
    """Moves the target's version on, so that a write still under way from an earlier life meets a 409.

    Named after the version that the write was prepared on too: a second fence of one epoch would otherwise change nothing,
    and a version that did not move would let that write in after it was observed not to be there.
    """
    return await cluster.patch(ref, {"metadata": {"annotations": {EPOCH: f"{epoch}-{prepared_on}"}}})

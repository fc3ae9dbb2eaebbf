"""Prepare and Write: the two halves of a step, with the step's intent stored between them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stanch.api import codec
from stanch.api.base import API_VERSION
from stanch.domain.incident import TERMINAL, Status
from stanch.domain.plan import Ref, Step
from stanch.engine.chain import canonical
from stanch.engine.errors import Conflict, NotFound, Refused, Retryable
from stanch.engine.mitigating import ASK_AGAIN, ITS_TURN
from stanch.engine.moves import Prepare, Settle, Write
from stanch.engine.outcomes import FROZEN, LOCKED, Held, Later, Outcome, Prepared, Replaced, Stale, Unknown, Written
from stanch.engine.parts import EPOCH, Action, Before, Change, EffectClass, Effected, Stage
from stanch.engine.ports import Cluster, Holder, Object
from stanch.kube.locks import target_lease
from stanch.runtime import case as cases
from stanch.runtime.beside import both
from stanch.runtime.case import INCIDENT_LABEL, Case
from stanch.runtime.guarding import admit, admit_to_target
from stanch.runtime.prove import dry_delete, stage_of
from stanch.runtime.recognize import as_shown, replaced
from stanch.runtime.world import World

FINALIZER = "stanch.dev/incident"
BUSY_RETRY = 5.0
SETTLE_POLL = 2.0
FREEZE_POLL = 5.0
FENCE_AGAIN = 0.2


@dataclass(frozen=True)
class Doing:
    """A step as it is carried out: the action, where it acts, on what (None: it has no target), when its intent was stored."""

    step: Step
    action: Action
    stage: Stage
    ref: Ref | None
    intended_at: datetime | None = None

    @property
    def params(self) -> Any:
        return self.action.params.model_validate(self.step.params)

    async def plan(self, token: str) -> Change:
        """What is, or was, to be done; for actions whose plan follows from step and token alone."""
        return self.action.plan(await self.action.read(self.stage, self.ref, self.params), self.params, token)


def doing(world: World, case: Case, option: str, name: str) -> Doing:
    assert case.plan is not None
    step = case.plan.step(option, name)
    folder = f"steps/{case.plan.attempt}-{option}-{name}"
    stage = stage_of(world, case, case.plan, folder)
    ref = case.plan.target(step.target) if step.target else None
    return Doing(step, world.actions[step.action], stage, ref, intended_at(case.status, option, name))


def intended_at(status: Status, option: str, step: str) -> datetime | None:
    return next((record.intended_at for record in status.steps if (record.option, record.name) == (option, step)), None)


async def prepare(world: World, case: Case, effect: Prepare) -> Outcome:
    """Finalizer, guards, locks, before-image: all idempotent, all before the intent. The target itself is only read."""
    assert case.plan is not None
    this = doing(world, case, effect.option, effect.step)
    # First, for it needs no request: a storm of incidents that wait for their turn asks nobody.
    if block := admit(world, case, case.plan, *((this.ref,) if this.ref else ())):
        return Held(block, ITS_TURN)
    frozen, _ = await both(freeze(world, case), hold_back_deletion(world, case))
    if frozen:
        return frozen
    if this.ref and (holder := await lock(world, case, this.ref)):
        return Later(LOCKED, f"{this.ref} is being changed by incident {holder.namespace}/{holder.name}", BUSY_RETRY)
    try:
        before = await this.action.read(this.stage, this.ref, this.params)
    except NotFound:
        if this.ref and (what := await replaced(this.stage.cluster, this.ref)):
            return Replaced(what)
        raise
    change = this.action.plan(before, this.params, effect.token)
    if differs := await as_shown(world, case, effect.option, this.step, before, change):
        return differs
    if block := await admit_to_target(world, case, case.plan, this.stage, this.action, before, change):
        return Held(block, ASK_AGAIN)
    if this.action.effect_class is EffectClass.uid_precondition:
        await dry_delete(this.stage.cluster, change)
    version = version_of(before)
    image = image_name(effect.token, version)
    digest = await keep_before(world, case, this, image, effect.token, before, change)
    case.prepared = cases.Prepared(effect.token, version, before, change)
    why = f" ({change.why})" if change.why else ""
    return Prepared(version, digest, change.summary + why, image, change.ref)


async def freeze(world: World, case: Case) -> Later | None:
    """The kill switch of the policy. Asked before each step; what is owed is taken back all the same. Of a policy that is gone
    nobody knows whether it would be suspended."""
    pin = case.status.policy
    if pin is None:
        return None
    try:
        policy = await world.clusters.own.get(Ref(API_VERSION, "ResponsePolicy", "", pin.name))
    except NotFound:
        gone = f"ResponsePolicy {pin.name} is gone, so nobody knows whether it is suspended: nothing is changed until it is there"
        return Later(FROZEN, f"{gone} again (kubectl apply), or the incident is aborted (stanch abort)", FREEZE_POLL)
    if not policy["spec"].get("suspended"):
        return None
    return Later(FROZEN, f"ResponsePolicy {pin.name} is suspended: nothing is changed until `stanch unfreeze`", FREEZE_POLL)


def version_of(before: Before) -> str:
    """The version that a write is prepared against; empty where the action has no target."""
    return before.target.get("metadata", {}).get("resourceVersion", "")


async def hold_back_deletion(world: World, case: Case) -> None:
    metadata = case.raw["metadata"]
    finalizers = metadata.get("finalizers") or []
    if FINALIZER in finalizers:
        return
    patch = {"metadata": {"finalizers": [*finalizers, FINALIZER]}}
    await case.patch(world.clusters.own, patch)


async def lock(world: World, case: Case, ref: Ref) -> Holder | None:
    """None: the target is ours. A lock whose incident has ended or is gone is taken over."""
    me = Holder(case.facts.uid, case.facts.namespace, case.facts.name)
    other = await world.locks.lock(target_lease(ref.uid), me)
    if other is None or not await ended(world, other):
        return other
    await world.locks.takeover(target_lease(ref.uid), other.uid, me)
    return None


async def ended(world: World, holder: Holder) -> bool:
    """What cannot be read, because a later version wrote it, has not: its target stays locked."""
    ref = Ref(API_VERSION, "Incident", holder.namespace, holder.name, holder.uid)
    try:
        status: Status = codec.status_of(await world.clusters.own.get(ref))
    except NotFound:
        return True
    except Refused:
        return False
    return status.phase in TERMINAL or not status.locked


def image_name(token: str, version: str) -> str:
    """Follows from token and version, so that the same preparation finds its own image."""
    return "stanch-before-" + hashlib.sha256(f"{token}@{version}".encode()).hexdigest()[:32]


async def keep_before(world: World, case: Case, this: Doing, name: str, token: str, before: Before, change: Change) -> str:
    """Stores what the step is about to change, immutable: all that is needed to take it back, without the plan."""
    image = {
        "token": token, "action": this.step.action, "target": before.target, "ref": change.ref, "patch": change.patch,
        "summary": change.summary, "why": change.why, "namespace": this.stage.namespace,
        "serviceAccount": case.plan.service_account,
    }  # fmt: skip
    return await world.vault.put(name, canonical(image), {INCIDENT_LABEL: case.facts.uid})


async def write(world: World, case: Case, effect: Write) -> Outcome:
    """Performs what this life of the operator prepared, at most once; what an earlier life may have done is observed."""
    this = doing(world, case, effect.option, effect.step)
    # Taken, not looked at: what was prepared once is begun once, whatever becomes of the outcome.
    prepared, case.prepared = case.prepared, None
    fresh = prepared if prepared is not None and prepared.token == effect.token and not effect.fence else None
    return await WAYS[this.action.effect_class](world, this, effect, fresh)


async def write_cas(world: World, this: Doing, effect: Write, prepared: cases.Prepared | None) -> Outcome:
    """Observes first, always. Writes only what this life of the operator prepared, on exactly that object."""
    cluster, ref = this.stage.cluster, this.ref
    seen = await cluster.get(ref) if prepared else await fence(cluster, ref, world.epoch(), effect.resource_version)
    if this.action.observe(seen, effect.token):
        return Written("observed on the target", found=True, underway=this.action.settle is not None)
    if prepared is None:
        return Stale("it was not written")
    if essence(seen) != essence(prepared.before.target):
        return Stale(f"{ref} was changed by somebody else meanwhile")
    return written(this, await this.action.apply(this.stage, prepared.change, seen["metadata"]["resourceVersion"]))


async def write_create(world: World, this: Doing, effect: Write, prepared: cases.Prepared | None) -> Outcome:
    """The name follows from the token: created twice is created once. With a name no leader need be fenced."""
    change = prepared.change if prepared else await this.plan(effect.token)
    if prepared:
        try:
            return written(this, await this.action.apply(this.stage, change, ""))
        except Conflict as failure:
            if failure.reason != "AlreadyExists":
                raise
    try:
        seen = await this.stage.cluster.get(change.ref)
    except NotFound:
        return not_there(world, this, change.ref)
    if this.action.observe(seen, effect.token):
        return Written(f"{change.ref} is there", found=True, underway=this.action.settle is not None)
    raise Refused("NameTaken", f"{change.ref} is there and is not this step's")


def not_there(world: World, this: Doing, ref: Ref) -> Stale | Unknown:
    """It was not created; or, when that could be long ago, it was and is gone."""
    if this.intended_at and world.clock.now() - this.intended_at < this.action.stays(this.params):
        return Stale(f"{ref} was not created")
    return Unknown(f"{ref} is not there, and was meant to be created so long ago that it may be gone again")


async def write_delete(world: World, this: Doing, effect: Write, prepared: cases.Prepared | None) -> Outcome:
    """Only what was prepared in this life is deleted, by UID and version. What an earlier life may have deleted is gone, or was
    not deleted and never will be by that life: the fence has moved its version on."""
    cluster, ref = this.stage.cluster, this.ref
    try:
        seen = await cluster.get(ref) if prepared else await fence(cluster, ref, world.epoch(), effect.resource_version)
        if prepared is None:
            return Stale("it was not deleted")
        if essence(seen) != essence(prepared.before.target):
            return Stale(f"{ref} was changed by somebody else meanwhile")
        return written(this, await this.action.apply(this.stage, prepared.change, seen["metadata"]["resourceVersion"]))
    except NotFound:
        # Our own deletion was not sent yet, or found nothing: what somebody else took away is not for us to give back.
        return Stale(f"{ref} was deleted by somebody else meanwhile") if prepared else Written(f"{ref} is gone", found=True)


async def write_once(world: World, this: Doing, effect: Write, prepared: cases.Prepared | None) -> Outcome:
    """Only what was prepared in this very walk is begun; of everything else nobody can tell whether it was. A failure leaves
    the walk, so the next one knows no more than that."""
    if prepared is None:
        return Unknown("the operator ended, or lost the incident, before what came of it was recorded")
    return written(this, await this.action.apply(this.stage, prepared.change, ""))


WAYS = {
    EffectClass.cas: write_cas,
    EffectClass.named_create: write_create,
    EffectClass.uid_precondition: write_delete,
    EffectClass.at_most_once: write_once,
}


def written(this: Doing, done: Effected) -> Outcome:
    if done.unknown:
        return Unknown(done.unknown)
    underway = this.action.settle is not None and not done.failed
    return Written(done.summary, False, done.failed, underway, done.output, done.files)


async def settle(world: World, case: Case, effect: Settle) -> Outcome:
    """How far a step that goes on by itself has come. What it is about stands in the step's name and token alone."""
    this = doing(world, case, effect.option, effect.step)
    seen = await this.action.settle(this.stage, await this.plan(effect.token))
    if seen.over is None:
        return Later("Underway", seen.message, SETTLE_POLL)
    return Written(seen.over.summary, True, seen.over.failed, False, seen.over.output, seen.over.files)


def essence(obj: Object) -> Object:
    """The object as people and GitOps declare it. While a rollout is under way its controller writes the status many times a
    second; the change was prepared on none of that. A fence is an annotation, so a stale leader still sees another object."""
    metadata = {name: value for name, value in obj["metadata"].items() if name not in ("resourceVersion", "managedFields")}
    return {name: value for name, value in obj.items() if name != "status"} | {"metadata": metadata}


async def fence(cluster: Cluster, ref: Ref, epoch: int, prepared_on: str) -> dict:
    """Moves the target's version on, so that a write still under way from an earlier life meets a 409.

    Named after the version that the write was prepared on too: a second fence of one epoch would otherwise change nothing,
    and a version that did not move would let that write in after it was observed not to be there.

    Raises `Retryable` where it meets a conflict itself, which the API server answers when others overtake a patch again and again:
    that says nothing about the write.
    """
    try:
        return await cluster.patch(ref, {"metadata": {"annotations": {EPOCH: f"{epoch}-{prepared_on}"}}})
    except Conflict as failure:
        raise Retryable(failure.reason, f"{ref} could not be fenced: {failure.message}", FENCE_AGAIN) from failure

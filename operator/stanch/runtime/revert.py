"""PrepareRevert and WriteRevert: a step's change taken back, from its image alone, as whom it was made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from stanch.domain.incident import RevertRecord
from stanch.domain.plan import Pin, Ref
from stanch.engine.chain import parse
from stanch.engine.errors import Conflict, NotFound, Refused
from stanch.engine.moves import PrepareRevert, WriteRevert
from stanch.engine.outcomes import LOCKED, Contested, Gone, Later, Outcome, Prepared, Stale, Unneeded, Written
from stanch.engine.parts import Action, Before, Change, EffectClass, RevertConflict, Stage
from stanch.engine.ports import Object
from stanch.runtime import case as cases
from stanch.runtime.case import Case
from stanch.runtime.world import World
from stanch.runtime.write import BUSY_RETRY, essence, fence, hold_back_deletion, lock

SUFFIX = "/revert"


@dataclass(frozen=True)
class Debt:
    """What an image says: the action, what was there, what was written, and where the taking back acts."""

    record: RevertRecord
    action: Action
    before: Before
    change: Change
    stage: Stage

    @property
    def token(self) -> str:
        """Marks the write that takes back; of the step's own token, so that it is the same after a crash."""
        return self.record.token + SUFFIX

    @property
    def deleted(self) -> bool:
        """Whether the step deleted its object: taking it back creates another one of that name."""
        return self.action.effect_class is EffectClass.uid_precondition


async def recall(world: World, case: Case, effect: PrepareRevert | WriteRevert) -> Debt:
    """Raises `Refused` (ImageLost) where the image is gone: then only people can tell what was there."""
    record = next(record for record in case.status.reverts if record.token == effect.token)
    try:
        image: Any = parse(await world.vault.get(effect.image, effect.digest))
    except NotFound as failure:
        raise Refused("ImageLost", f"nobody knows what was there before: {failure.message}") from failure
    action = world.actions.get(image["action"])
    if action is None:
        raise Refused("UnknownAction", f"this version of stanch has no action {image['action']!r} to take back")
    change = Change(record.ref, image["patch"], image["summary"])
    account = image["serviceAccount"]
    cluster = world.clusters.acting_as(image["namespace"], Pin(account["name"], account["uid"], account.get("generation", 0)))
    stage = Stage(cluster, world.web(()), case.pack, image["namespace"], "")
    return Debt(record, action, Before(image["target"], tuple(image.get("related", ()))), change, stage)


async def prepare_revert(world: World, case: Case, effect: PrepareRevert) -> Outcome:
    """Reads what is there now, and finds what takes our change back. Writes nothing but lock and finalizer."""
    try:
        debt = await recall(world, case, effect)
        await hold_back_deletion(world, case)
        if holder := await lock(world, case, debt.record.ref):
            where = f"{holder.namespace}/{holder.name}"
            return Later(LOCKED, f"{debt.record.ref} is being changed by incident {where}", BUSY_RETRY)
        seen = await there(debt)
        change = await taking_back(debt, seen)
    except RevertConflict as conflict:
        return Contested(str(conflict))
    except NotFound as failure:
        return Gone(failure.message)
    except Refused as failure:
        return await abandoned(world, case, failure)
    if change is None:
        return Unneeded("nothing of it is left to take back")
    version = seen["metadata"]["resourceVersion"] if seen else ""
    case.prepared = cases.Prepared(debt.token, version, Before(seen), change)
    return Prepared(version, "", change.summary)


async def there(debt: Debt) -> Object:
    """What is to be taken back from. What was deleted is looked for by its name: {} where there is none."""
    ref = debt.record.ref
    if not debt.deleted:
        return await debt.stage.cluster.get(ref)
    try:
        return await debt.stage.cluster.get(replace(ref, uid=""))
    except NotFound:
        return {}


async def taking_back(debt: Debt, seen: Object) -> Change | None:
    """What follows another step's taking back (a restart of consumers) is done once more; the rest has an inverse."""
    if debt.action.inverse is not None:
        return debt.action.inverse(debt.before, debt.change, seen, debt.token)
    params = debt.action.params()
    return debt.action.plan(await debt.action.read(debt.stage, debt.record.ref, params), params, debt.token)


async def abandoned(world: World, case: Case, failure: Refused) -> Outcome:
    """In a namespace that is going, whoever was to take it back goes too: it is let go, and said."""
    namespace = await world.clusters.own.get(Ref("v1", "Namespace", "", case.facts.namespace))
    if "deletionTimestamp" in namespace["metadata"]:
        return Gone(f"namespace {case.facts.namespace} is being deleted ({failure.message})")
    raise failure


async def write_revert(world: World, case: Case, effect: WriteRevert) -> Outcome:
    """As a step is written: observed first, and only on what was prepared in this life."""
    try:
        debt = await recall(world, case, effect)
        prepared = case.prepared
        fresh = prepared if prepared is not None and prepared.token == debt.token and not effect.fence else None
        if debt.deleted:
            return await give_back(debt, fresh)
        cluster, ref = debt.stage.cluster, debt.record.ref
        seen = await cluster.get(ref) if fresh else await fence(cluster, ref, world.epoch(), effect.resource_version)
        if debt.action.observe(seen, debt.token):
            return Written("observed on the target", found=True)
        if fresh is None or essence(seen) != essence(fresh.before.target):
            return Stale("it was not written, or the object was changed meanwhile")
        done = await debt.action.apply(debt.stage, fresh.change, seen["metadata"]["resourceVersion"])
    except RevertConflict as conflict:
        return Stale(str(conflict))
    except Conflict as failure:
        return Stale(failure.message)
    except NotFound as failure:
        return Gone(failure.message)
    except Refused as failure:
        return await abandoned(world, case, failure)
    return Written(done.summary, found=False)


async def give_back(debt: Debt, fresh: cases.Prepared | None) -> Outcome:
    """Created anew. It bears no token, for it is to be as it was: one of that content being there is all that is wanted,
    whoever made it. A name is taken once, so no leader need be fenced."""
    if seen := await there(debt):
        await taking_back(debt, seen)
        return Written("observed by its name", found=True)
    if fresh is None:
        return Stale("it was not created")
    await debt.stage.cluster.create(dict(fresh.change.patch))
    return Written(fresh.change.summary, found=False)


def owed_refs(case: Case) -> dict[str, Ref]:
    """UID -> object, of everything that a status names: targets and what was changed. In the status's order."""
    status = case.status
    return {ref.uid: ref for ref in (*(t.ref for t in status.targets), *(r.ref for r in status.reverts))}

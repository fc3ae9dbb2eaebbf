"""Release, Seal, Mark: what is given back and what is put down for good."""

from __future__ import annotations

from stanch.api import codec
from stanch.domain.plan import Ref
from stanch.engine.moves import Done, Mark, Outcome, Release, Seal, Sealed
from stanch.runtime.case import API_VERSION, Case
from stanch.runtime.world import World
from stanch.runtime.write import FINALIZER


async def release(world: World, case: Case, effect: Release) -> Outcome:
    await world.locks.free_all(case.facts.uid)
    finalizers = case.raw["metadata"].get("finalizers") or []
    if FINALIZER in finalizers:
        left = [name for name in finalizers if name != FINALIZER]
        patch = {"metadata": {"finalizers": left}}
        case.raw = await world.clusters.own.patch(case.ref, patch, resource_version=case.resource_version)
    return Done()


async def seal(world: World, case: Case, effect: Seal) -> Outcome:
    """`at` is the head's own time in effect: a second seal of the same head yields the same bytes."""
    since = case.status.phase_since
    assert since is not None
    manifest = await case.pack.seal(effect.head, codec.pack_facts(case.raw), since)
    return Sealed(manifest)


async def mark(world: World, case: Case, effect: Mark) -> Outcome:
    ref = Ref(API_VERSION, "Decision", case.ref.namespace, effect.decision)
    status = {"effect": effect.effect, "message": effect.message, "recordedAt": codec.timestamp(world.clock.now())}
    written = await world.clusters.own.patch(ref, {"status": status}, subresource="status")
    world.decisions.put(codec.decision_of(written))
    return Done()

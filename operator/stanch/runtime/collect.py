"""Collect: what an incident that is over no longer needs in the cluster. Its pack stays."""

from __future__ import annotations

from contextlib import suppress

from stanch.api.base import API_VERSION
from stanch.domain.plan import Ref
from stanch.engine.errors import NotFound
from stanch.engine.moves import Collect
from stanch.engine.outcomes import Done, Outcome
from stanch.runtime.case import INCIDENT_LABEL, Case
from stanch.runtime.world import World


async def collect(world: World, case: Case, effect: Collect) -> Outcome:
    """The Incident goes last: as long as it is there, what was left behind is collected again.

    Nobody may delete a Decision, nor may stanch: the cluster's garbage collector lets it go with the Incident that owns it.
    """
    owner = {"apiVersion": API_VERSION, "kind": "Incident", "name": case.ref.name, "uid": case.ref.uid}
    for ref in await decisions_about(world, case):
        with suppress(NotFound):
            await world.clusters.own.patch(ref, {"metadata": {"ownerReferences": [owner]}})
    for store in (world.plans, world.vault):
        await store.forget({INCIDENT_LABEL: case.facts.uid})
    with suppress(NotFound):
        await world.clusters.own.delete(case.ref)
    return Done()


async def decisions_about(world: World, case: Case) -> list[Ref]:
    """By name the server looks, by UID we do: a later incident of the same name keeps its own."""
    facts = case.facts
    named = world.clusters.own.list(API_VERSION, "Decision", facts.namespace, fields=f"spec.incidentRef.name={facts.name}")
    found = [obj async for obj in named if obj["spec"]["incidentRef"].get("uid") == facts.uid]
    return [Ref(API_VERSION, "Decision", facts.namespace, obj["metadata"]["name"], obj["metadata"]["uid"]) for obj in found]

"""Recognize: whether the objects that an option would change are still those that its plan is about."""

from __future__ import annotations

from dataclasses import replace

from stanch.domain.plan import Ref
from stanch.engine.errors import NotFound
from stanch.engine.moves import Done, Outcome, Recognize, Replaced
from stanch.engine.ports import Cluster
from stanch.runtime.case import Case
from stanch.runtime.world import World


async def recognize(world: World, case: Case, effect: Recognize) -> Outcome:
    """As the playbook's ServiceAccount, which reads them anyway."""
    plan = case.plan
    assert plan is not None
    cluster = world.clusters.acting_as(plan.namespace, plan.service_account)
    refs = dict.fromkeys(plan.target(step.target) for step in plan.option(effect.option).steps if step.target)
    found = [what for ref in refs if (what := await replaced(cluster, ref))]
    return Replaced("; ".join(found)) if found else Done()


async def replaced(cluster: Cluster, ref: Ref) -> str:
    """What became of the object; empty: it is the same one."""
    try:
        uid = (await cluster.get(replace(ref, uid="")))["metadata"]["uid"]
    except NotFound:
        return f"{ref} is gone (the plan is about UID {ref.uid})"
    return "" if uid == ref.uid else f"{ref} was created anew (UID {uid}, the plan is about {ref.uid})"

"""Two incidents and one target: whose incident is over frees it, and whoever finds that out at the same moment takes it."""

from __future__ import annotations

import pytest

from stanch.domain.incident import FORMAT_VERSION
from stanch.domain.plan import Ref
from stanch.engine.errors import Conflict
from stanch.kube.locks import Holder, target_lease
from stanch.runtime.case import Case
from stanch.runtime.write import lock
from tests.unit.world import KEY, NAMESPACE, OPERATOR, Life, Site, incident

LEASE = "coordination.k8s.io/v1", "Lease", OPERATOR


def another(site: Site, **status: object) -> Holder:
    """An incident that holds the target, and how it stands."""
    stands = {"formatVersion": FORMAT_VERSION, "phase": "Closed", **status}
    ref = site.server.add({**incident(), "metadata": {"name": "other", "namespace": NAMESPACE}, "status": stands})
    return Holder(ref.uid, NAMESPACE, "other")


async def met(site: Site) -> tuple[Life, Case, Ref]:
    life = Life(site)
    case = Case(site.incident, life.world.packs.of(*KEY, site.incident_ref.uid))
    return life, case, site.frontend.ref


async def test_a_lock_that_is_freed_while_it_is_taken_over_is_worth_another_try() -> None:
    """Found by `make crash`: it was taken for an answer that no other try changes, and the step was refused."""
    site = Site()
    life, case, target = await met(site)
    name, other = target_lease(target.uid), another(site)
    await life.world.locks.lock(name, other)
    reads: list[str] = []

    def frees_it(verb: str, ref: Ref) -> None:
        if ref.kind == "Lease":
            reads.append(verb)
            if len(reads) == 2:
                site.server.remove(Ref(*LEASE, name))

    site.server.before_read.append(frees_it)
    with pytest.raises(Conflict, match="is free by now"):
        await lock(life.world, case, target)
    assert await lock(life.world, case, target) is None


async def test_a_lock_whose_incident_cannot_be_read_stays() -> None:
    site = Site()
    life, case, target = await met(site)
    other = another(site, formatVersion=99)
    await life.world.locks.lock(target_lease(target.uid), other)
    assert await lock(life.world, case, target) == other

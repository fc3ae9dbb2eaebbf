"""What leases, locks and stored secrets promise on any cluster: run on the one in memory and on a real API server."""

from __future__ import annotations

import asyncio
import os

import pytest

from stanch.domain.plan import Ref
from stanch.engine.errors import Conflict, NotFound, Refused
from stanch.kube.lease import Election, Pace
from stanch.kube.locks import Holder, TargetLocks, target_lease
from stanch.kube.secrets import SecretStore, digest
from tests.contract.suite_cluster import World

A, B = Holder("uid-a", "shop", "a"), Holder("uid-b", "shop", "b")
LEASE = target_lease("7d1c")


class RecordsContract:
    """Inherit, and provide the fixture `world`."""

    @pytest.fixture
    def locks(self, world: World) -> TargetLocks:
        return TargetLocks(world.clusters.own, world.namespace, world.clock)

    @pytest.fixture
    def store(self, world: World) -> SecretStore:
        return SecretStore(world.clusters.own, world.namespace)

    # locks

    async def test_one_incident_holds_a_target(self, locks: TargetLocks) -> None:
        assert await locks.holder(LEASE) is None
        assert await locks.lock(LEASE, A) is None
        assert await locks.lock(LEASE, A) is None
        assert await locks.lock(LEASE, B) == A
        assert await locks.holder(LEASE) == A

    async def test_of_many_at_once_one_gets_it(self, locks: TargetLocks) -> None:
        rivals = [Holder(f"uid-{n}", "shop", f"i{n}") for n in range(8)]
        answers = await asyncio.gather(*(locks.lock(LEASE, rival) for rival in rivals))
        holder = await locks.holder(LEASE)
        assert [rival for rival, answer in zip(rivals, answers, strict=True) if answer is None] == [holder]
        assert {answer for answer in answers if answer} == {holder}

    async def test_only_its_holder_unlocks(self, locks: TargetLocks) -> None:
        await locks.lock(LEASE, A)
        assert not await locks.unlock(LEASE, B.uid)
        assert await locks.holder(LEASE) == A
        assert await locks.unlock(LEASE, A.uid)
        assert not await locks.unlock(LEASE, A.uid)
        assert await locks.lock(LEASE, B) is None

    async def test_a_takeover_names_whom_it_takes_from(self, locks: TargetLocks) -> None:
        await locks.lock(LEASE, A)
        with pytest.raises(Conflict, match="HolderChanged"):
            await locks.takeover(LEASE, "uid-c", B)
        await locks.takeover(LEASE, A.uid, B)
        assert await locks.holder(LEASE) == B

    async def test_a_takeover_of_what_was_freed_this_moment_is_worth_another_try(self, locks: TargetLocks) -> None:
        await locks.lock(LEASE, A)
        await locks.unlock(LEASE, A.uid)
        with pytest.raises(Conflict, match=r"HolderChanged.*is free by now"):
            await locks.takeover(LEASE, A.uid, B)
        assert await locks.lock(LEASE, B) is None

    def test_a_target_without_uid_cannot_be_locked(self) -> None:
        with pytest.raises(Refused):
            target_lease("")

    # leadership

    def election(self, world: World, identity: str) -> Election:
        ref = Ref("coordination.k8s.io/v1", "Lease", world.namespace, "stanch")
        return Election(world.clusters.own, ref, identity, world.clock, pace=Pace(retry=0.1))

    async def test_leaders_follow_each_other_with_growing_epochs(self, world: World) -> None:
        epochs = []
        for identity in ("one", "two", "one"):
            async with self.election(world, identity).lead() as term:
                assert term.holds()
                epochs.append(term.epoch)
            assert not term.holds()
        assert epochs == [1, 2, 3]

    # secrets

    async def test_what_was_stored_is_read(self, store: SecretStore) -> None:
        data = os.urandom(100_000)
        assert await store.get("plan-1", await store.put("plan-1", data)) == data

    async def test_storing_the_same_again_is_success(self, store: SecretStore) -> None:
        assert await store.put("plan-1", b"{}") == await store.put("plan-1", b"{}") == digest(b"{}")

    async def test_storing_other_content_is_a_conflict(self, store: SecretStore) -> None:
        await store.put("plan-1", b"{}")
        with pytest.raises(Conflict, match="ContentDiffers"):
            await store.put("plan-1", b"[]")

    async def test_content_that_is_not_what_was_stored_is_refused(self, store: SecretStore) -> None:
        await store.put("plan-1", b"{}")
        with pytest.raises(Refused, match="DigestMismatch"):
            await store.get("plan-1", digest(b"[]"))

    async def test_what_is_not_there_is_not_found(self, store: SecretStore) -> None:
        with pytest.raises(NotFound):
            await store.get("plan-1", digest(b""))

    async def test_the_largest_fits_and_more_is_refused(self, store: SecretStore) -> None:
        data = os.urandom(900 * 1024 - 1024)
        await store.put("large", data)
        with pytest.raises(Refused, match="TooLarge"):
            await store.put("larger", data + os.urandom(2048))

    async def test_a_secret_of_somebody_else_is_unreadable(self, world: World, store: SecretStore) -> None:
        metadata = {"name": "theirs", "namespace": world.namespace}
        for name, data in (("a", {}), ("b", {"content.gz": "bm8="})):
            await world.clusters.own.create(
                {"apiVersion": "v1", "kind": "Secret", "metadata": {**metadata, "name": name}, "data": data}
            )
            with pytest.raises(Refused, match="Unreadable"):
                await store.get(name, digest(b""))

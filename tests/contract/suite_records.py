"""What leases, locks, stored plans and before-images promise on any cluster: run on the one in memory and on a real API server."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from stanch.domain.plan import Ref
from stanch.engine.errors import Conflict, NotFound, Refused
from stanch.kube.lease import Election, Pace
from stanch.kube.locks import Holder, TargetLocks, target_lease
from stanch.kube.records import RecordStore, before_images, digest, plans
from tests.contract.suite_cluster import World

A, B = Holder("uid-a", "shop", "a"), Holder("uid-b", "shop", "b")
LEASE = target_lease("7d1c")
STORES = {"ConfigMap": plans, "Secret": before_images}
FIELDS = {"ConfigMap": "binaryData", "Secret": "data"}


class RecordsContract:
    """Inherit, and provide the fixture `world`."""

    @pytest.fixture
    async def home(self, world: World) -> str:
        return await world.home()

    @pytest.fixture
    def locks(self, world: World, home: str) -> TargetLocks:
        return TargetLocks(world.clusters.own, home, world.clock)

    @pytest.fixture(params=STORES)
    def kind(self, request: Any) -> str:
        return request.param

    @pytest.fixture
    def store(self, world: World, home: str, kind: str) -> RecordStore:
        return STORES[kind](world.clusters.own, home)

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

    def election(self, world: World, home: str, identity: str) -> Election:
        ref = Ref("coordination.k8s.io/v1", "Lease", home, "stanch")
        return Election(world.clusters.own, ref, identity, world.clock, pace=Pace(retry=0.1))

    async def test_leaders_follow_each_other_with_growing_epochs(self, world: World, home: str) -> None:
        epochs = []
        for identity in ("one", "two", "one"):
            async with self.election(world, home, identity).lead() as term:
                assert term.holds()
                epochs.append(term.epoch)
            assert not term.holds()
        assert epochs == [1, 2, 3]

    # plans and before-images

    async def test_what_was_stored_is_read(self, store: RecordStore) -> None:
        data = os.urandom(100_000)
        assert await store.get("plan-1", await store.put("plan-1", data)) == data

    async def test_storing_the_same_again_is_success(self, store: RecordStore) -> None:
        assert await store.put("plan-1", b"{}") == await store.put("plan-1", b"{}") == digest(b"{}")

    async def test_storing_other_content_is_a_conflict(self, store: RecordStore) -> None:
        await store.put("plan-1", b"{}")
        with pytest.raises(Conflict, match="ContentDiffers"):
            await store.put("plan-1", b"[]")

    async def test_content_that_is_not_what_was_stored_is_refused(self, store: RecordStore) -> None:
        await store.put("plan-1", b"{}")
        with pytest.raises(Refused, match="DigestMismatch"):
            await store.get("plan-1", digest(b"[]"))

    async def test_what_is_not_there_is_not_found(self, store: RecordStore) -> None:
        with pytest.raises(NotFound):
            await store.get("plan-1", digest(b""))

    async def test_what_was_stored_is_not_changed_by_anybody(self, world: World, store: RecordStore, kind: str) -> None:
        await store.put("plan-1", b"{}")
        ref = Ref("v1", kind, world.namespace, "plan-1")
        with pytest.raises(Refused, match="immutable"):
            await world.admin.patch(ref, {FIELDS[kind]: {"content.gz": "bm8="}})
        assert await store.get("plan-1", digest(b"{}")) == b"{}"

    async def test_what_bears_the_labels_is_forgotten_and_nothing_else(self, store: RecordStore) -> None:
        await store.put("plan-1", b"{}", {"stanch.dev/incident-uid": "one"})
        await store.put("plan-2", b"{}", {"stanch.dev/incident-uid": "two"})
        await store.forget({"stanch.dev/incident-uid": "one"})
        with pytest.raises(NotFound):
            await store.get("plan-1", digest(b"{}"))
        assert await store.get("plan-2", digest(b"{}")) == b"{}"

    async def test_the_largest_fits_and_more_is_refused(self, store: RecordStore) -> None:
        data = os.urandom(900 * 1024 - 1024)
        await store.put("large", data)
        with pytest.raises(Refused, match="TooLarge"):
            await store.put("larger", data + os.urandom(2048))

    async def test_an_object_of_somebody_else_is_unreadable(self, world: World, store: RecordStore, kind: str) -> None:
        metadata = {"name": "theirs", "namespace": world.namespace}
        for name, data in (("a", {}), ("b", {"content.gz": "bm8="})):
            await world.admin.create({"apiVersion": "v1", "kind": kind, "metadata": {**metadata, "name": name}, FIELDS[kind]: data})
            with pytest.raises(Refused, match="Unreadable"):
                await store.get(name, digest(b""))

    async def test_a_plan_that_a_version_before_kept_as_a_secret_is_read_and_its_digest_is_asked(self, world: World) -> None:
        own = world.clusters.own, await world.home()
        await before_images(*own).put("plan-1", b"{}")
        assert await plans(*own).get("plan-1", digest(b"{}")) == b"{}"
        with pytest.raises(Refused, match="DigestMismatch"):
            await plans(*own).get("plan-1", digest(b"[]"))
        await plans(*own).put("plan-1", b"[]")
        assert await plans(*own).get("plan-1", digest(b"[]")) == b"[]", "where there are both, it is the one of now"
        with pytest.raises(NotFound):
            await before_images(*own).get("plan-2", digest(b"{}"))

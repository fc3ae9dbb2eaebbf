"""Several replicas have one store of packs, or do not begin: told by the store's id, which the leader's Lease bears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from stanch.domain.incident import Phase
from stanch.domain.plan import Ref
from stanch.engine.errors import Refused, Retryable
from stanch.kube.lease import Election, Term
from stanch.packs.identity import store_id
from stanch.packs.objects import Store
from stanch.packs.reach import Reach
from stanch.packs.store import StoredPacks, open_store
from stanch.runtime.one_store import ANNOTATION, OneStore
from tests.unit.memory import MemoryClusters, MemoryServer, MemoryTime, settle

LEASE = Ref("coordination.k8s.io/v1", "Lease", "stanch-system", "stanch-leader")
PATH = "/var/lib/stanch/packs"


@pytest.fixture
def server() -> MemoryServer:
    server = MemoryServer()
    for namespace in (LEASE.namespace, "aureus"):
        server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    return server


class Replica:
    """A process with a store, that tries to lead; time passes for it and for the server."""

    def __init__(self, server: MemoryServer, name: str, store: str) -> None:
        self.server = server
        self.time = MemoryTime()
        self.term: Term | None = None
        own = MemoryClusters(server).own
        self.terms = OneStore(own, (), PATH, store)
        self.election = Election(own, LEASE, name, server.time, ticks=self.time, terms=self.terms)
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async with self.election.lead() as term:
            self.term = term
            await self.stop.wait()

    async def lives(self, seconds: float) -> None:
        for _ in range(round(seconds * 2)):
            self.server.time.move(0.5)
            await self.time.advance(0.5)

    @property
    def leads(self) -> bool:
        return self.term is not None and self.term.holds()

    async def refused(self) -> Refused:
        """Why it ended at once."""
        with pytest.raises(Refused) as refused:
            await asyncio.wait_for(self.task, 5)
        return refused.value

    async def stops(self) -> None:
        self.stop.set()
        await self.task

    async def dies(self) -> None:
        """It does not get to give its Lease back."""
        self.server.restrict("")
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task
        self.server.permit_all("")


@pytest.fixture
async def replica(server: MemoryServer) -> AsyncIterator[Callable[[str, str], Any]]:
    made: list[Replica] = []

    async def begun(name: str, store: str) -> Replica:
        made.append(Replica(server, name, store))
        await settle()
        return made[-1]

    yield begun
    for one in made:
        one.task.cancel()
    await asyncio.gather(*(one.task for one in made), return_exceptions=True)


def incident(server: MemoryServer, name: str, **status: Any) -> None:
    said = {"phase": "Mitigating", "pack": {"uri": f"file://{PATH}/aureus/{name}"}, **status}
    metadata = {"name": name, "namespace": "aureus", "generation": 1}
    server.add({"apiVersion": "stanch.dev/v1alpha1", "kind": "Incident", "metadata": metadata, "spec": {}, "status": said})


async def written(replica: Replica, folder: Path) -> bool:
    """Whether what it would write to its store comes to be there."""
    with suppress(Retryable):
        return await StoredPacks(open_store(str(folder)), replica.terms.fits).claim("aureus", "frontend-502", "u-1") == "u-1"
    return False


async def noted(server: MemoryServer) -> str:
    return (await MemoryClusters(server).own.get(LEASE))["metadata"].get("annotations", {}).get(ANNOTATION, "")


async def test_replicas_of_one_store_follow_each_other(server: MemoryServer, replica: Any) -> None:
    incident(server, "frontend-502")
    first, second = await replica("first", "s1"), await replica("second", "s1")
    await second.lives(4)
    assert (first.leads, second.leads, await noted(server)) == (True, False, "s1")
    await first.stops()
    await second.lives(4)
    assert second.leads and await noted(server) == "s1"


async def test_beside_a_leader_nobody_waits_with_another_store(server: MemoryServer, replica: Any) -> None:
    """Whether there are incidents or not: what comes would be found by one of them only."""
    first = await replica("first", "s1")
    second = await replica("second", "s2")
    refused = await second.refused()
    assert refused.reason == "PacksNotShared"
    assert all(said in refused.message for said in (PATH, "first, which leads", "s3://", "ReadWriteMany", "0 replicas"))
    assert first.leads and await noted(server) == "s1"


@pytest.mark.parametrize("ends", ["stops", "dies"])
async def test_after_a_leader_nobody_begins_with_another_store_while_an_incident_is_open(
    server: MemoryServer, replica: Any, ends: str
) -> None:
    first = await replica("first", "s1")
    for name in ("a", "b", "c", "d"):
        incident(server, name)
    await getattr(first, ends)()
    second = await replica("second", "s2") if ends == "stops" else await replica("first", "s2")
    refused = await second.refused()
    assert refused.reason == "PacksElsewhere"
    assert "aureus/a, aureus/b, aureus/c and 1 more" in refused.message
    assert f"kubectl annotate lease -n stanch-system stanch-leader {ANNOTATION}-" in refused.message
    assert await noted(server) == "s1", "who has the right one may still come"
    third = await replica("third", "s1")
    await third.lives(20)
    assert third.leads


@pytest.mark.parametrize(
    "status",
    [
        {"phase": Phase.Resolved.value, "rests": True, "observedGeneration": 1},
        {"phase": Phase.Escalated.value, "rests": True, "observedGeneration": 1},
        {"phase": Phase.Closed.value},
    ],
    ids=["resolved", "escalated", "unsealed"],
)
async def test_who_is_not_over_and_sealed_still_needs_the_old_store(server: MemoryServer, replica: Any, status: Any) -> None:
    await (await replica("first", "s1")).stops()
    incident(server, "frontend-502", **status)
    assert (await (await replica("second", "s2")).refused()).reason == "PacksElsewhere"


@pytest.mark.parametrize(
    "status",
    [{"phase": Phase.Closed.value, "rests": True, "observedGeneration": 1}, {"phase": "Opened", "pack": {}}],
    ids=["closed", "without a pack"],
)
async def test_with_nothing_open_in_the_old_store_a_new_one_is_begun(server: MemoryServer, replica: Any, status: Any) -> None:
    await (await replica("first", "s1")).stops()
    incident(server, "frontend-502", **status)
    second = await replica("second", "s2")
    await second.lives(2)
    assert second.leads and await noted(server) == "s2"
    second.terms.fits()


async def test_a_lease_that_was_deleted_says_nothing_of_a_store_any_more(server: MemoryServer, replica: Any) -> None:
    first, second = await replica("first", "s1"), await replica("second", "")
    await second.lives(2)
    first.task.cancel()
    await MemoryClusters(server).own.delete(LEASE)
    await second.lives(20)
    assert second.leads
    second.terms.store = "s2"
    second.terms.fits()
    await second.lives(4)
    assert second.leads and await noted(server) == "s2"


async def test_a_person_may_say_that_the_old_store_is_lost(server: MemoryServer, replica: Any) -> None:
    await (await replica("first", "s1")).stops()
    incident(server, "frontend-502")
    await MemoryClusters(server).own.patch(LEASE, {"metadata": {"annotations": {ANNOTATION: None}}})
    second = await replica("second", "s2")
    await second.lives(2)
    assert second.leads and await noted(server) == "s2"
    second.terms.fits()


async def test_a_store_that_does_not_answer_keeps_nobody_from_leading(server: MemoryServer, replica: Any) -> None:
    """What is owed is taken back without a pack. And what the Lease says of the store stays."""
    await (await replica("first", "s1")).stops()
    incident(server, "frontend-502")
    second = await replica("second", "")
    await second.lives(2)
    assert second.leads and await noted(server) == "s1"


async def test_a_store_that_answers_late_stands_on_the_lease_from_then_on(server: MemoryServer, replica: Any) -> None:
    first, second = await replica("first", ""), await replica("second", "s2")
    await second.lives(2)
    assert first.leads and await noted(server) == "", "nothing is known against the second one"
    first.terms.store = "s1"
    first.terms.fits()
    await first.lives(4)
    assert first.leads and await noted(server) == "s1"
    await second.lives(4)
    assert (await second.refused()).reason == "PacksNotShared"


async def test_who_waits_beside_a_leader_ends_when_its_store_turns_out_to_be_another(server: MemoryServer, replica: Any) -> None:
    first, second = await replica("first", "s1"), await replica("second", "")
    await second.lives(2)
    second.terms.store = "s2"
    await second.lives(4)
    assert (await second.refused()).reason == "PacksNotShared" and first.leads


@pytest.mark.parametrize(("store", "goes_on"), [("s1", True), ("s2", False)])
async def test_a_leader_whose_store_turns_out_to_be_another_than_its_lease_says_ends_and_is_judged_anew(
    server: MemoryServer, replica: Any, tmp_path: Path, store: str, goes_on: bool
) -> None:
    """And writes no file until it is known: a pack would be torn in two."""
    await (await replica("first", "s1")).stops()
    incident(server, "frontend-502")
    second = await replica("second", "")
    await second.lives(2)
    assert not await written(second, tmp_path)
    second.terms.store = store
    assert await written(second, tmp_path) is goes_on, "what it leads by has not been looked at again yet"
    await second.lives(4)
    assert second.leads is goes_on and await noted(server) == "s1"
    assert await written(second, tmp_path) is goes_on
    await second.stops()
    third = await replica("second", store)
    await third.lives(4)
    assert third.leads if goes_on else (await third.refused()).reason == "PacksElsewhere"


async def test_folders_of_one_path_on_two_nodes_are_two_stores(tmp_path: Path) -> None:
    one, other = open_store(str(tmp_path / "one")), open_store(str(tmp_path / "other"))
    assert await store_id(one) == await store_id(open_store(str(tmp_path / "one"))) != await store_id(other)


async def test_a_folder_that_cannot_be_written_has_no_id(tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    store = open_store(str(tmp_path / "packs"))
    (tmp_path / "packs" / "_store").write_text("a file where a folder is needed")
    with pytest.raises((Refused, Retryable)):
        await store_id(store)


class Late:
    """A store that does not answer the first times."""

    def __init__(self, store: Store, times: int) -> None:
        self.store = store
        self.times = times

    async def create(self, key: str, data: bytes) -> bool:
        if self.times:
            self.times -= 1
            raise Retryable("StoreFailed", "the store does not answer")
        return await self.store.create(key, data)


def unknown() -> OneStore:
    return OneStore(MemoryClusters(MemoryServer()).own, (), PATH, "")


async def test_packs_that_cannot_be_asked_for_their_id_keep_nobody_from_leading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    terms = unknown()
    await terms.ask(open_store("s3://bucket/packs", Reach(endpoint="http://127.0.0.1:1", region="eu")))
    assert terms.store == "" and terms.annotations == {}
    await terms.ask(open_store(str(tmp_path / "packs")))
    assert terms.store


async def test_packs_that_do_not_answer_at_the_start_are_asked_again_until_they_do(tmp_path: Path) -> None:
    store, terms = open_store(str(tmp_path / "packs")), unknown()
    late = Late(store, 2)
    await asyncio.wait_for(terms.learn(late, 0), 20)
    assert not late.times and terms.store == await store_id(store)

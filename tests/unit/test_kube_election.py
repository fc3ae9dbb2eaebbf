"""Leader election over time: who leads when, and that nobody acts beside a new leader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from stanch.domain.plan import Ref
from stanch.engine.errors import Refused, Retryable
from stanch.kube.lease import Election, Term
from tests.unit.memory import MemoryClusters, MemoryServer, MemoryTime, settle

LEASE = Ref("coordination.k8s.io/v1", "Lease", "stanch-system", "stanch")


@pytest.fixture
def server() -> MemoryServer:
    server = MemoryServer()
    server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LEASE.namespace}})
    return server


class Candidate:
    """A process: its own local time, and its term while it has one."""

    def __init__(self, server: MemoryServer, identity: str) -> None:
        self.time = MemoryTime()
        self.server = server
        self.terms: list[Term] = []
        self.stop = asyncio.Event()
        self.election = Election(MemoryClusters(server).own, LEASE, identity, server.time, ticks=self.time)
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async with self.election.lead() as term:
            self.terms.append(term)
            await self.stop.wait()

    async def lives(self, seconds: float) -> None:
        """Time passes for the server and for this process alone, in small steps as it does in the world."""
        for _ in range(round(seconds * 4)):
            self.server.time.move(0.25)
            await self.time.advance(0.25)

    @property
    def leads(self) -> bool:
        return any(term.holds() for term in self.terms)


@pytest.fixture
async def two(server: MemoryServer) -> AsyncIterator[tuple[Candidate, Candidate]]:
    first = Candidate(server, "first")
    await settle()
    second = Candidate(server, "second")
    await settle()
    yield first, second
    for candidate in (first, second):
        candidate.task.cancel()
    await asyncio.gather(first.task, second.task, return_exceptions=True)


async def both(two: tuple[Candidate, Candidate], seconds: float) -> None:
    """Time passes for both; at no moment do both lead."""
    for _ in range(round(seconds * 4)):
        for candidate in two:
            await candidate.lives(0.25)
            assert not (two[0].leads and two[1].leads)


async def test_one_leads_and_goes_on_leading(two: tuple[Candidate, Candidate]) -> None:
    await both(two, 120)
    assert (two[0].leads, two[1].leads) == (True, False)
    assert "first" in two[1].election.waits_for


async def test_the_next_one_leads_at_once_when_the_leader_stops(two: tuple[Candidate, Candidate]) -> None:
    two[0].stop.set()
    await both(two, 2)
    assert two[1].leads
    assert (two[0].terms[0].epoch, two[1].terms[0].epoch) == (1, 2)


async def test_a_leader_that_died_is_followed_after_its_lease(two: tuple[Candidate, Candidate]) -> None:
    """Its process hangs: for it no time passes, and nothing is renewed. Its last renewal was in second 4, for 15 seconds."""
    await both(two, 5)
    await two[1].lives(13.75)
    assert not two[1].leads
    await two[1].lives(0.5)
    assert two[1].leads
    assert two[1].terms[0].epoch == 2


@pytest.mark.parametrize("offset", [0.25, 0.75, 1.25, 1.75])
async def test_a_leader_that_died_is_followed_within_duration_and_retry(server: MemoryServer, offset: float) -> None:
    """However its last renewal falls between the looks of the next one."""
    first = Candidate(server, "first")
    await first.lives(offset)
    second = Candidate(server, "second")
    await settle()
    for candidate in (first, second) * 40:
        await candidate.lives(0.25)
    await first.lives(2)  # its last renewal, unseen yet
    await second.lives(17.25)
    assert second.leads
    first.task.cancel()
    second.task.cancel()
    await asyncio.gather(first.task, second.task, return_exceptions=True)


async def test_a_leader_that_hung_does_not_act_when_it_comes_back(two: tuple[Candidate, Candidate]) -> None:
    await two[1].lives(20)
    two[0].time.move(20)
    assert not two[0].terms[0].holds()
    await two[0].lives(5)
    assert two[0].terms[0].lost.is_set()
    assert two[1].leads


async def test_a_leader_that_cannot_renew_stops_before_another_may_begin(
    server: MemoryServer, two: tuple[Candidate, Candidate]
) -> None:
    def first_is_cut_off(write: object) -> None:
        if not two[1].leads:
            raise Retryable("Timeout", "cut off")

    server.before_write.append(first_is_cut_off)
    await both(two, 11)
    assert two[0].terms[0].lost.is_set()
    assert not two[1].leads
    server.before_write.clear()
    await both(two, 10)
    assert two[1].leads


async def test_a_renewal_whose_answer_was_lost_is_still_a_renewal(server: MemoryServer, two: tuple[Candidate, Candidate]) -> None:
    server.fail(len(server.writes) + 1, Retryable("Timeout", "the answer was lost"), after=True)
    await both(two, 60)
    assert two[0].leads
    assert not two[0].terms[0].lost.is_set()


async def test_a_lease_that_another_took_is_a_loss_at_once(server: MemoryServer, two: tuple[Candidate, Candidate]) -> None:
    await MemoryClusters(server).own.patch(LEASE, {"spec": {"holderIdentity": "third", "leaseTransitions": 9}})
    await two[0].lives(2)
    assert not two[0].leads
    two[0].stop.set()
    await settle()
    assert (await MemoryClusters(server).own.get(LEASE))["spec"]["holderIdentity"] == "third"


async def test_a_deleted_lease_counts_as_held_for_its_time(server: MemoryServer, two: tuple[Candidate, Candidate]) -> None:
    server.remove(LEASE)
    await both(two, 30)
    assert (two[0].terms[0].lost.is_set(), two[1].leads) == (True, True)
    assert two[1].terms[0].epoch == 2


async def test_an_earlier_life_of_the_same_name_is_over(server: MemoryServer) -> None:
    """The container was killed and started again under its pod's name."""
    earlier = Candidate(server, "same")
    await settle()
    earlier.task.cancel()
    server.restrict("")  # killed: it does not get to give the Lease back
    await asyncio.gather(earlier.task, return_exceptions=True)
    server.permit_all("")
    later = Candidate(server, "same")
    await settle()
    assert later.terms[0].epoch == 2
    later.stop.set()
    await later.task


async def test_who_may_not_have_leases_hears_so(server: MemoryServer) -> None:
    server.restrict("")
    candidate = Candidate(server, "first")
    with pytest.raises(Refused, match="Forbidden"):
        await candidate.task


async def test_an_outage_is_waited_out(server: MemoryServer) -> None:
    server.fail(1, Retryable("Unreachable", "no connection"))
    candidate = Candidate(server, "first")
    await settle()
    assert "Unreachable" in candidate.election.waits_for
    await candidate.time.advance(2)
    assert candidate.leads
    candidate.stop.set()
    await candidate.task

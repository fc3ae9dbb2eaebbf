"""A leader that is held up and a new one, in every order that hypothesis finds: no effect twice, no fork, nothing unproven.

Each life stops before each of its operations and goes on when it is let, so that a stale leader can be held between its
intent and its write for as long as the new one needs to do everything itself. It learns that it does not lead any more when
it asks (`Term.holds`), not before; or never, which no clock would allow and which must double nothing either.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

import pytest
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from stanch.api.base import API_VERSION
from stanch.domain.decision import Verb
from stanch.domain.incident import TERMINAL, Phase, StepState
from stanch.domain.timeline import GENESIS
from stanch.engine.chain import entry_hash
from stanch.runtime.case import Case
from stanch.runtime.write import lock
from tests.unit.machine_leader import Leader, take_over
from tests.unit.world import NAMESPACE, Site, incident

T = TypeVar("T")
# Where being held up is worst: around lock, intent and write.
MOMENTS = (
    "patch incident/frontend-502 metadata",
    "create lease/stanch-target",
    "create secret/stanch-before",
    "patch deployment/frontend metadata spec",
)
SELDOM = st.sampled_from([False] * 7 + [True])


# Asked about the same entries after each step.
true_hash = cache(entry_hash)


@pytest.mark.parametrize("held_before", MOMENTS)
@pytest.mark.parametrize("back_after", [0, 5, 40, 1000])
async def test_leader_that_was_held_up_goes_on_when_a_new_one_is_somewhere(held_before: str, back_after: int) -> None:
    site = Site()
    stale = Leader(site, 1)
    await stale.until(held_before)
    new = await take_over(site, stale)
    await new.steps(back_after)
    await stale.finish()
    await new.finish()
    await new.life.live()
    assert site.status.phase is Phase.Resolved
    assert len(site.frontend.mitigations) == len(set(site.frontend.mitigations)) == 2


async def test_write_of_a_leader_that_was_held_up_meets_a_conflict() -> None:
    site = Site()
    stale = Leader(site, 1)
    await stale.until("patch deployment/frontend metadata spec")
    new = await take_over(site, stale)
    fenced = site.frontend.deployment["metadata"]["resourceVersion"]
    for _ in range(100):
        await new.steps(1)
        if site.frontend.deployment["metadata"]["resourceVersion"] != fenced:
            break
    await stale.steps(1)
    assert site.frontend.mitigations == [], "the target has moved on"
    (step,) = site.status.steps
    assert step.epoch == 1 and step.state is StepState.Intended
    await new.finish()
    await new.life.live()
    assert site.frontend.mitigations and site.status.phase is Phase.Resolved


@pytest.mark.parametrize("back_after", [10, 40, 1000])
async def test_status_of_a_leader_that_was_held_up_overwrites_nothing(back_after: int) -> None:
    site = Site()
    stale = Leader(site, 1)
    await stale.until("create secret/stanch-before")
    await stale.steps(1)
    assert stale.gate.waiting[0][0].what == "patch incident/frontend-502 status", "its intent"
    new = await take_over(site, stale)
    await new.steps(back_after)
    before = site.status
    await stale.finish()
    assert site.status == before
    await new.finish()
    await new.life.live()
    assert site.status.phase is Phase.Resolved and len(site.frontend.mitigations) == 2


@pytest.mark.parametrize("aware", [True, False])
@pytest.mark.parametrize("held_before", ["publish logs/before", "create checks/before", "create objects/before",
                                         "create captures/before", "publish logs/after", "create captures/after"])  # fmt: skip
async def test_capture_of_a_leader_that_was_held_up_spoils_no_sealed_pack(held_before: str, aware: bool) -> None:
    """One that asks writes no more than what was under way; one that never asks all of it. Neither is taken for evidence."""
    site = Site()
    stale = Leader(site, 1)
    if "after" in held_before:
        stale.gate.free = True
        await stale.life.live(Phase.Holding)
        stale.gate.free = False
        site.passes(5)
    await stale.until(held_before)
    new = await take_over(site, stale)
    await new.finish()
    await new.life.live()
    sealed, under_way = set(site.memory.objects), len(stale.gate.waiting)
    assert site.status.pack.sealed and site.verified().ok
    stale.life.leads = not aware
    await stale.finish()
    late = {key.split("/", 2)[2] for key in site.memory.objects.keys() - sealed}
    assert late and (len(late) <= under_way or not aware)
    found = site.verified()
    assert found.ok, found.problems
    assert set(found.strays) == late and found.stray == len(late)


@pytest.mark.parametrize("aware", [True, False])
async def test_plan_of_a_leader_that_was_held_up_spoils_no_sealed_pack(aware: bool) -> None:
    site = Site()
    stale = Leader(site, 1)
    await stale.until("create plans/")
    (playbook,) = [book for book in site.server.select(API_VERSION, "Playbook", NAMESPACE, "", "")
                   if book["metadata"]["name"] == "frontend-down"]  # fmt: skip
    site.server.patch(site.server.ref(playbook), {"spec": {"summary": "Said otherwise meanwhile"}}, "", "", dry_run=False)
    new = await take_over(site, stale)
    await new.finish()
    await new.life.live()
    sealed = set(site.memory.objects)
    assert site.status.pack.sealed and site.verified().ok
    stale.life.leads = not aware
    await stale.finish()
    late = {key.split("/", 2)[2] for key in site.memory.objects.keys() - sealed}
    assert late and all(path.startswith("plans/1-") for path in late)
    found = site.verified()
    assert found.ok, found.problems
    assert set(found.strays) == late and found.stray == len(late)


class TwoLeaders(RuleBasedStateMachine):
    """Two lives of the operator at a time, a person, and time."""

    @initialize(held_before=st.sampled_from(["", *MOMENTS]))
    def begin(self, held_before: str) -> None:
        self.runner = asyncio.Runner()
        self.site = self.run(self._site())
        self.old: Leader | None = None
        self.new = self.run(self._leader(1))
        self.oblivious = False
        self.aborted = False
        if held_before:
            self.run(self.new.until(held_before))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def _site(self) -> Site:
        return Site()

    async def _leader(self, epoch: int) -> Leader:
        return Leader(self.site, epoch)

    @rule(number=st.sampled_from([1, 3, 10, 40, 120]))
    def new_goes_on(self, number: int) -> None:
        self.run(self.new.steps(number))

    @precondition(lambda self: self.old is not None)
    @rule(number=st.sampled_from([1, 1, 2, 5, 40]))
    def old_goes_on(self, number: int) -> None:
        self.run(self.old.steps(number))

    @precondition(lambda self: not self.site.gone)
    @rule(aware=st.sampled_from([True, True, True, False]))
    def takes_over(self, aware: bool) -> None:
        """The old one is held where it is. One before it has been stopped for good by now."""
        if self.old is not None:
            self.run(self.old.finish())
        self.old, old = self.new, self.new
        self.new = self.run(take_over(self.site, old))
        if not aware:
            old.life.leads = self.oblivious = True

    @rule(seconds=st.sampled_from([1, 3, 30, 90]))
    def time_passes(self, seconds: int) -> None:
        self.site.passes(seconds)

    @precondition(lambda self: not self.aborted and not self.site.gone)
    @rule(really=SELDOM)
    def somebody_aborts(self, really: bool) -> None:
        if not really:
            return
        self.aborted = True
        lives = [leader.life for leader in (self.old, self.new) if leader is not None]
        self.site.decide(Verb.Abort, *lives)

    @rule(release=st.booleans())
    def somebody_changes_the_target(self, release: bool) -> None:
        count = self.site.server.time.monotonic()
        if release:
            self.site.frontend.release(f"by-hand-{count}", RELEASE_BROKEN="true")
        else:
            self.site.frontend.edit({"metadata": {"annotations": {"team": f"shop-{count}"}}})

    @precondition(lambda self: not self.site.gone)
    @rule(really=SELDOM)
    def somebody_deletes_the_incident(self, really: bool) -> None:
        if really:
            self.site.server.delete(self.site.incident_ref, "")

    @invariant()
    def each_effect_at_most_once(self) -> None:
        assert all(count == 1 for count in Counter(self.site.frontend.mitigations).values()), self.site.frontend.mitigations

    @invariant()
    def chain_never_forks(self) -> None:
        before = GENESIS
        for seq, entry in enumerate(self.site.chain, 1):
            assert (entry.seq, entry.prev) == (seq, before) and entry.hash == true_hash(entry)
            before = entry.hash
        if not self.site.gone:
            pack = self.site.status.pack
            known = {pack.head.seq: pack.head.hash} | {entry.seq: entry.hash for entry in pack.pending}
            assert all(known.get(entry.seq, entry.hash) == entry.hash for entry in self.site.chain)
            assert pack.head.seq - len(pack.pending) <= len(self.site.chain) <= pack.head.seq

    @invariant()
    def locks_are_of_incidents_under_way(self) -> None:
        if self.site.locks() and not self.late_lock():
            assert not self.site.gone and self.site.status.locked

    def late_lock(self) -> bool:
        """A leader that was held up right before its lock took one for an incident that is over; see the end."""
        held_up = self.old is not None and any(op.what.startswith("create lease/") for op in self.old.life.passage.log)
        return held_up and (self.site.gone or self.site.status.phase in TERMINAL | {Phase.Resolved})

    def teardown(self) -> None:
        if not hasattr(self, "site"):
            return
        try:
            self.run(self.comes_to_an_end())
        finally:
            self.runner.close()

    async def comes_to_an_end(self) -> None:
        """Left alone, the new leader brings it to rest; evidence before intent before write was watched all along (`Site`)."""
        for leader in (self.old, self.new):
            if leader is not None:
                await leader.finish()
        await self.new.life.live()
        self.each_effect_at_most_once()
        self.chain_never_forks()
        await self.nobody_is_kept_out()
        if not self.site.gone and self.site.status.pack.sealed:
            self.proven()
        event(f"ended {'gone' if self.site.gone else self.site.status.phase}, epoch {self.new.life.epoch}")
        event(f"mitigations: {len(self.site.frontend.mitigations)}")

    async def nobody_is_kept_out(self) -> None:
        """A lock that was left behind by an incident that is over falls to the next one that asks."""
        if self.site.gone or not self.site.status.locked:
            other = self.site.server.add({**incident(), "metadata": {"name": "next", "namespace": NAMESPACE}})
            case = Case(self.site.server.read(other), self.new.life.world.packs.of(NAMESPACE, "next", other.uid))
            assert await lock(self.new.life.world, case, self.site.frontend.ref) is None

    def proven(self) -> None:
        """What a leader that was held up in a capture adds to a sealed pack is told by name, and spoils nothing."""
        found = self.site.verified()
        assert found.ok, found.problems
        assert self.old is not None or not found.strays
        event(f"strays: {found.stray > 0}")


TestTwoLeaders = pytest.mark.long(TwoLeaders.TestCase)
TestTwoLeaders.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)

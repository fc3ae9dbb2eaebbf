"""The sweeper beside a watch that tells, tells late, or is silent; and incidents that rest, or only seem to."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from stanch.engine.errors import Retryable
from stanch.engine.ports import Object
from stanch.engine.recovering import rests
from stanch.runtime.metrics import Metrics
from stanch.runtime.queue import KeyQueue
from stanch.runtime.sweeper import Sweeper, wants_tick
from tests.unit.memory import MemoryClusters
from tests.unit.test_runtime_queue import now, run
from tests.unit.world import KEY, NAMESPACE, Life, Site, needs_commander


def sweeper_of(site: Site, heard: list[Object] | None = None) -> Sweeper:
    hear = [].append if heard is None else heard.append
    return Sweeper(MemoryClusters(site.server).own, site.server.time, KeyQueue(), Metrics(), (NAMESPACE,), hear)


async def test_watch_that_tells_is_not_silent_and_one_that_stops_is_found() -> None:
    site = Site()
    sweeper = sweeper_of(site)
    sweeper.told(site.incident)
    for _ in range(3):
        await sweeper.sweep()
    assert not sweeper.silent
    await Life(site).tick()  # the Incident changes, and nobody is told
    await sweeper.sweep()
    assert not sweeper.silent, "it may be on its way"
    await sweeper.sweep()
    assert sweeper.silent and sweeper.metrics.registry.get_sample_value("stanch_watch_silent") == 1.0


async def test_incident_that_changes_all_the_time_does_not_make_the_watch_look_silent() -> None:
    site = Site()
    sweeper = sweeper_of(site)
    for number in range(4):
        site.server.patch(site.incident_ref, {"metadata": {"labels": {"count": str(number)}}}, "", "", dry_run=False)
        await sweeper.sweep()
    assert not sweeper.silent, "a list may always be ahead of the watch, by another change each time"


async def test_watch_that_tells_again_is_not_silent_any_more() -> None:
    site = Site()
    sweeper = sweeper_of(site)
    await sweeper.sweep()
    await sweeper.sweep()
    assert sweeper.silent
    sweeper.told(site.incident)
    await sweeper.sweep()
    assert not sweeper.silent


async def test_decision_that_no_watch_tells_of_is_heard_all_the_same_and_proves_the_silence() -> None:
    """Nothing else may change while an incident waits for an approval: the silence shows in the Decisions alone."""
    site, heard = Site(needs_commander), []
    sweeper, life = sweeper_of(site, heard), Life(site)
    await life.live(Phase.AwaitingApproval)
    sweeper.told(site.incident)
    await sweeper.sweep()
    assert heard == [] and not sweeper.silent
    site.decide(Verb.Abort, life)
    (said,) = site.said()
    sweeper.told(site.incident)
    await sweeper.sweep()
    assert [obj["metadata"]["uid"] for obj in heard] == [said["metadata"]["uid"]] and not sweeper.silent, "it may be on its way"
    await life.live(Phase.Aborted)
    sweeper.told(site.incident)
    await sweeper.sweep()
    assert sweeper.silent and len(heard) == 1, "also when it has been recorded meanwhile"
    (recorded,) = site.said()
    sweeper.told_decision(recorded)
    sweeper.told(site.incident)
    await sweeper.sweep()
    assert not sweeper.silent


async def test_decision_that_the_watch_tells_of_proves_nothing() -> None:
    site, heard = Site(needs_commander), []
    sweeper, life = sweeper_of(site, heard), Life(site)
    await life.live(Phase.AwaitingApproval)
    site.decide(Verb.Note, life)
    for gone in (False, True):
        sweeper.told(site.incident)
        sweeper.told_decision(site.said()[0], gone=gone)
        for _ in range(3 - 2 * gone):
            await sweeper.sweep()
        assert not sweeper.silent and bool(heard) == gone


def test_what_the_first_sweep_finds_has_its_turn_first_but_not_for_ever() -> None:
    async def work() -> None:
        sweeper = sweeper_of(Site())
        start, turns = now(), asyncio.ensure_future(sweeper.first_turns(5.0))
        running = asyncio.ensure_future(sweeper.run())
        key = await sweeper.queue.get()
        assert key == KEY and not turns.done()
        await sweeper.first_turns(5.0)
        assert now() - start >= 5.0, "its tick hangs, and others are not kept waiting for it"
        turns = asyncio.ensure_future(sweeper.first_turns(5.0))
        await asyncio.sleep(0)
        assert not turns.done()
        sweeper.queue.done(key)
        await turns
        assert now() - start < 6.0
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run(work())


def test_a_first_sweep_that_fails_is_not_waited_for_for_ever() -> None:
    async def work() -> None:
        site = Site()
        site.server.before_read.append(fails)
        sweeper = sweeper_of(site)
        running = asyncio.ensure_future(sweeper.run())
        start = now()
        await sweeper.first_turns(5.0)
        assert now() - start < 1.0
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run(work())


async def test_incident_that_is_gone_is_forgotten() -> None:
    site = Site()
    sweeper = sweeper_of(site)
    sweeper.told(site.incident)
    sweeper.told(site.incident, gone=True)
    site.server.remove(site.incident_ref)
    await sweeper.sweep()
    await sweeper.sweep()
    assert not sweeper.silent and len(sweeper.queue) == 0


async def test_open_incident_is_looked_at_and_a_resolved_one_rests_once_it_is_sealed() -> None:
    site = Site()
    sweeper, life = sweeper_of(site), Life(site)
    await sweeper.sweep()
    assert await sweeper.queue.get() == KEY
    sweeper.queue.done(KEY)
    await life.live()
    await sweeper.sweep()
    assert len(sweeper.queue) == 0
    status = site.incident["status"]
    assert status["rests"] and not wants_tick(site.incident)
    unsealed = replace(site.status, pack=replace(site.status.pack, sealed=1))
    assert not rests(unsealed), "what is not sealed is owed"
    site.server.patch(site.incident_ref, {"spec": {"impact": "more of it"}}, "", "", dry_run=False)
    assert wants_tick(site.incident), "somebody edits it"


async def test_what_the_watch_told_is_not_looked_at_again_unless_the_clock_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    sweeper = sweeper_of(site)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    await sweeper.sweep()
    assert await sweeper.queue.get() == KEY, "at the start everything is"
    sweeper.queue.done(KEY)
    sweeper.told(site.incident)
    await sweeper.sweep()
    assert len(sweeper.queue) == 0
    site.server.time.move(3600)
    await sweeper.sweep()
    assert len(sweeper.queue) == 1, "timers run by another clock: what is due by the API server's is due"


async def test_list_that_fails_leaves_what_was_known() -> None:
    site = Site()
    sweeper = sweeper_of(site)
    await sweeper.sweep()
    site.server.before_read.append(fails)
    with pytest.raises(Retryable):
        await sweeper.sweep()
    site.server.before_read.clear()
    await sweeper.sweep()
    assert sweeper.silent, "the sweep before the failed one counts"


def fails(verb: str, ref: object) -> None:
    raise Retryable("Timeout", "no answer")

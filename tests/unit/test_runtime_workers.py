"""The workers: what follows from each way in which a tick ends, and that one incident never stops the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
from structlog.contextvars import bind_contextvars, merge_contextvars
from structlog.testing import capture_logs
from structlog.typing import EventDict

from stanch.engine.errors import Conflict, NotFound, Refused, Retryable
from stanch.runtime.metrics import Metrics
from stanch.runtime.queue import Key, KeyQueue
from stanch.runtime.workers import CONFLICT_DELAY, RETRY_CAP, SEATED, SEATS, STUCK_DELAY, Workers
from tests.unit.memory import MemoryTime
from tests.unit.test_runtime_queue import now, run

KEY = ("aureus", "frontend-502")
OTHER = ("aureus", "database-down")
Tick = Callable[[Key], Awaitable[datetime | None]]


async def ended(tick: Tick, queue: KeyQueue, clock: MemoryTime, ticks: int) -> list[float]:
    """Runs workers until so many ticks of KEY; when they began, in seconds."""
    began: list[float] = []
    enough = asyncio.Event()

    async def counted(key: Key) -> datetime | None:
        if key == KEY:
            began.append(now())
            if len(began) == ticks:
                enough.set()
        return await tick(key)

    workers = Workers(queue, counted, clock, Metrics(), number=3)
    running = asyncio.ensure_future(workers.run())
    await enough.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not workers.under_way
    return began


@pytest.mark.parametrize(("error", "delay"), [
    (Conflict("Conflict", "somebody else"), CONFLICT_DELAY),
    (Retryable("Timeout", "no answer", after=1.5), 1.5),
    (Retryable("Slow", "come back in an hour", after=3600.0), RETRY_CAP),
    (Refused("Forbidden", "no"), STUCK_DELAY),
    (NotFound("NotFound", "gone"), STUCK_DELAY),
    (ZeroDivisionError("a fault of ours"), STUCK_DELAY),
])  # fmt: skip
def test_tick_that_fails_comes_again(error: Exception, delay: float) -> None:
    async def work() -> None:
        async def tick(key: Key) -> datetime | None:
            raise error

        queue = KeyQueue()
        queue.add(KEY)
        first, second, third = await ended(tick, queue, MemoryTime(), 3)
        assert second - first == pytest.approx(delay, abs=0.01) and third - second == pytest.approx(delay, abs=0.01)

    run(work())


def test_tick_comes_again_at_its_wake_time_and_at_once_when_that_is_over() -> None:
    async def work() -> None:
        clock = MemoryTime()
        wakes = [clock.now() + timedelta(seconds=90), clock.now() - timedelta(days=1), None]

        async def tick(key: Key) -> datetime | None:
            return wakes.pop(0)

        queue = KeyQueue()
        queue.add(KEY)
        first, second, third = await ended(tick, queue, clock, 3)
        assert second - first == pytest.approx(90, abs=0.01) and third - second < 0.01
        assert queue.timers == 0, "no wake time: only when something happens"

    run(work())


def test_incident_that_stumbles_or_hangs_does_not_stop_the_others() -> None:
    async def work() -> None:
        metrics, queue, done = Metrics(), KeyQueue(), asyncio.Event()

        async def tick(key: Key) -> datetime | None:
            if key == KEY:
                raise ZeroDivisionError("a fault of ours")
            if key == OTHER:
                await asyncio.Event().wait()
            done.set()
            return None

        workers = Workers(queue, tick, MemoryTime(), metrics, number=2)
        running = asyncio.ensure_future(workers.run())
        for key in (KEY, OTHER, ("aureus", "third")):
            queue.add(key)
        await done.wait()
        assert not running.done()
        assert metrics.registry.get_sample_value("stanch_ticks_total", {"outcome": "error"}) == 1.0
        assert list(workers.under_way) == [OTHER]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run(work())


def test_tick_that_never_ends_is_named() -> None:
    workers = Workers(KeyQueue(), lambda _: asyncio.sleep(0), MemoryTime(), Metrics())
    assert workers.hanging(900.0) == ""
    workers.under_way[KEY] = float("-inf")
    assert workers.hanging(900.0) == "aureus/frontend-502"


def test_each_line_about_a_tick_bears_what_leads_to_its_incident_and_the_next_one_has_its_own() -> None:
    """The lines about failures too: those are looked for."""

    async def work() -> list[EventDict]:
        async def tick(key: Key) -> datetime | None:
            if key == KEY:
                bind_contextvars(correlation_id="uid-1")
                raise Retryable("Timeout", "no answer", after=1)
            raise ZeroDivisionError("before its UID was known")

        queue = KeyQueue()
        with capture_logs(processors=[merge_contextvars]) as lines:
            queue.add(OTHER)
            queue.add(KEY)
            await ended(tick, queue, MemoryTime(), 2)
        return lines

    lines = run(work())
    told = {(line["event"], line["namespace"], line["incident"], line["correlation_id"]) for line in lines}
    assert told == {("tick.again", *KEY, "uid-1"), ("tick.failed", *OTHER, "")}


def test_what_has_begun_goes_before_what_has_not_unless_it_takes_long() -> None:
    """Each time: a seat that was left while its tick went on is not left again at the tick's end, or more would begin together."""

    async def work() -> None:
        queue, began, open_gate = KeyQueue(), list[float](), asyncio.Event()

        async def tick(key: Key) -> datetime | None:
            began.append(now())
            if len(began) > SEATS:
                open_gate.set()
            await open_gate.wait()
            return None

        running = asyncio.ensure_future(Workers(queue, tick, MemoryTime(), Metrics(), number=2 * SEATS).run())
        for _ in range(3):
            began.clear()
            open_gate.clear()
            for number in range(SEATS + 1):
                queue.add(("aureus", f"frontend-{number}"))
            await queue.idle()
            assert began[SEATS - 1] - began[0] < SEATED <= began[SEATS] - began[0] < 2 * SEATED
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run(work())

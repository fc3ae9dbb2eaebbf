"""The queue: each key once, one at a time, never lost; and its timers. Time is the loop's, which waits for nothing here."""

from __future__ import annotations

import asyncio
import selectors
from collections import Counter
from collections.abc import Coroutine
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stanch.runtime.queue import Key, KeyQueue

A, B, C = (("aureus", name) for name in "abc")


class SkippingLoop(asyncio.SelectorEventLoop):
    """Where there is nothing to do until a timer, it is that time already."""

    def __init__(self) -> None:
        super().__init__(Skipping(self))
        self.skipped = 0.0

    def time(self) -> float:
        return self.skipped


class Skipping(selectors.SelectSelector):
    def __init__(self, loop: SkippingLoop) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "nobody would ever do anything again"
        # A microsecond more: the loop calls a timer that is nearer than its clock can tell, the queue looks at the time.
        self.loop.skipped += timeout + 1e-6 if timeout > 0 else 0.0
        return super().select(0)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(work)


async def taken(queue: KeyQueue, number: int) -> list[Key]:
    return [await queue.get() for _ in range(number)]


async def passes(seconds: float) -> None:
    """Time on this loop, which nobody waits for."""
    loop = asyncio.get_running_loop()
    passed = loop.create_future()
    loop.call_later(seconds, passed.set_result, None)
    await passed


def now() -> float:
    return asyncio.get_running_loop().time()


def test_key_that_is_added_twice_is_worked_on_once() -> None:
    async def work() -> None:
        queue = KeyQueue()
        for key in (A, B, A, A):
            queue.add(key)
        assert len(queue) == 2
        assert await taken(queue, 2) == [A, B] and len(queue) == 0

    run(work())


def test_key_that_is_added_while_it_is_worked_on_comes_once_more_and_not_before() -> None:
    async def work() -> None:
        queue = KeyQueue()
        queue.add(A)
        assert await queue.get() == A
        queue.add(A)
        queue.add(A)
        queue.add(B)
        assert await queue.get() == B, "nobody else works on A meanwhile"
        queue.done(A)
        assert await queue.get() == A
        queue.done(A)
        assert len(queue) == 0

    run(work())


def test_timer_comes_in_its_time_and_in_order() -> None:
    async def work() -> None:
        queue = KeyQueue()
        for key, seconds in ((A, 30.0), (B, 10.0), (C, 20.0)):
            queue.add_after(key, seconds)
        assert queue.timers == 3 and len(queue) == 0
        came = []
        for _ in range(3):
            came.append((await queue.get(), round(now())))
        assert came == [(B, 10), (C, 20), (A, 30)] and queue.timers == 0

    run(work())


def test_earlier_timer_replaces_a_later_one_and_not_the_other_way() -> None:
    async def work() -> None:
        queue = KeyQueue()
        for seconds in (30.0, 10.0, 50.0):
            queue.add_after(A, seconds)
        assert queue.timers == 1
        assert await queue.get() == A and round(now()) == 10
        queue.done(A)
        queue.add_after(B, 100.0)
        assert await queue.get() == B and round(now()) == 110, "what was left of A's later timers does nothing"

    run(work())


def test_timer_of_the_past_comes_at_once() -> None:
    async def work() -> None:
        queue = KeyQueue()
        queue.add_after(A, -3600.0)
        assert await queue.get() == A and now() < 1

    run(work())


def test_timer_that_is_set_while_somebody_waits_wakes_them_in_time() -> None:
    async def work() -> None:
        queue = KeyQueue()
        queue.add_after(A, 3600.0)
        waiting = asyncio.ensure_future(queue.get())
        await asyncio.sleep(0)
        queue.add_after(B, 5.0)
        assert await waiting == B and round(now()) == 5

    run(work())


def test_forgotten_timer_does_not_come_and_work_takes_its_key_s_timer_along() -> None:
    async def work() -> None:
        queue = KeyQueue()
        queue.add_after(A, 5.0)
        queue.forget(A)
        queue.forget(B)  # it has none
        queue.add_after(B, 5.0)
        queue.add(B)
        assert await queue.get() == B and now() < 1 and queue.timers == 0
        queue.done(B)
        queue.add_after(C, 60.0)
        assert await queue.get() == C and round(now()) == 60

    run(work())


def test_timer_of_a_key_that_is_worked_on_waits_until_it_is_done() -> None:
    async def work() -> None:
        queue = KeyQueue()
        queue.add(A)
        await queue.get()
        queue.add_after(A, 1.0)
        waiting = asyncio.ensure_future(queue.get())
        await passes(10)
        assert not waiting.done()
        queue.done(A)
        assert await waiting == A

    run(work())


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32), workers=st.integers(1, 12))
def test_many_workers_lose_no_wakeup_and_never_meet_over_a_key(seed: int, workers: int) -> None:
    """Every key is worked on after it was last added: what happened in between was seen."""
    random = Random(seed)
    keys = [("aureus", str(number)) for number in range(6)]
    added: Counter[Key] = Counter()
    seen: Counter[Key] = Counter()
    busy: set[Key] = set()

    async def worker(queue: KeyQueue) -> None:
        while True:
            key = await queue.get()
            assert key not in busy
            busy.add(key)
            seen[key] = added[key]
            await passes(random.choice([0, 0, 0.5, 2]))
            busy.discard(key)
            queue.done(key)

    async def work() -> None:
        queue = KeyQueue()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(worker(queue)) for _ in range(workers)]
            for _ in range(60):
                key = random.choice(keys)
                added[key] += 1
                queue.add(key) if random.random() < 0.6 else queue.add_after(key, random.choice([0.0, 0.1, 3.0]))
                await passes(random.choice([0, 0, 0.2]))
            await passes(600)
            assert seen == added and not busy and len(queue) == queue.timers == 0
            for task in tasks:
                task.cancel()

    run(work())


async def told_to_end(steps: int) -> bool:
    """Whether who waits for a key ends when it is told to, so many steps of the loop after something changed."""
    queue = KeyQueue()
    queue.add_after(A, 7200)
    waiting = asyncio.ensure_future(queue.get())
    for _ in range(3):
        await asyncio.sleep(0)
    queue.add_after(B, 3600)
    for _ in range(steps):
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting}, timeout=60)
    return waiting.cancelled()


def test_who_is_told_to_end_while_something_changes_ends() -> None:
    """A leader that lost its Lease went on: asyncio.wait_for (Python 3.11) drops a cancellation that meets what it waits for."""
    assert all(run(told_to_end(steps)) for steps in range(8))


def test_it_is_idle_when_no_key_wants_or_has_a_tick() -> None:
    async def work() -> None:
        queue = KeyQueue()
        await queue.idle()
        queue.add(A)
        queue.add_after(B, 60.0)
        waiting = asyncio.ensure_future(queue.idle())
        key = await queue.get()
        queue.add(A)
        queue.done(key)
        await asyncio.sleep(0)
        assert not waiting.done(), "it wants one more"
        queue.done(await queue.get())
        await waiting
        assert queue.timers == 1

    run(work())

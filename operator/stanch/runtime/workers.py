"""N workers over one queue: each takes a key, ticks it, and says when to look again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from structlog.contextvars import bound_contextvars

from stanch.engine.errors import Conflict, Refused, Retryable
from stanch.engine.ports import Clock
from stanch.runtime.metrics import Metrics
from stanch.runtime.queue import Key, KeyQueue

log = structlog.get_logger()

CONFLICT_DELAY = 0.05
# Capped low: back-offs are not awakable, and an outage of minutes must not cost minutes more.
RETRY_CAP = 5.0
STUCK_DELAY = 30.0
# So many ticks begin together, and more when one has ended or takes longer than so many seconds. All at once would share the
# processor, so that the first of a hundred incidents would be mitigated about as late as the last.
SEATS, SEATED = 6, 1.0


@dataclass
class Workers:
    queue: KeyQueue
    tick: Callable[[Key], Awaitable[datetime | None]]
    clock: Clock
    metrics: Metrics
    number: int = 32
    # Keys under way, with the monotonic time of their start: the watchdog looks for one that never ends.
    under_way: dict[Key, float] = field(default_factory=dict)
    _seats: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SEATS))

    async def run(self) -> None:
        """Runs until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.number):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            self.under_way[key] = time.monotonic()
            try:
                # The tick itself adds the correlation id, once it knows it.
                with bound_contextvars(namespace=key[0], incident=key[1], correlation_id=""):
                    async with self._seat():
                        delay = await self._one(key)
            finally:
                del self.under_way[key]
                self.queue.done(key)
            self._again(key, delay)

    @asynccontextmanager
    async def _seat(self) -> AsyncIterator[None]:
        """Left after a while by a tick that waits for something else than the processor."""
        await self._seats.acquire()
        leaving = [self._seats.release]

        def leave() -> None:
            while leaving:
                leaving.pop()()

        timer = asyncio.get_running_loop().call_later(SEATED, leave)
        try:
            yield
        finally:
            timer.cancel()
            leave()

    def hanging(self, seconds: float) -> str:
        """Incidents whose tick has been under way for longer; empty: none."""
        now = time.monotonic()
        return ", ".join(f"{key[0]}/{key[1]}" for key, since in self.under_way.items() if now - since > seconds)

    def _again(self, key: Key, delay: float | None) -> None:
        if delay is None:
            self.queue.forget(key)
        else:
            self.queue.add_after(key, delay)

    async def _one(self, key: Key) -> float | None:
        """Seconds until the next tick; None: only when something happens."""
        try:
            with self.metrics.tick_seconds.time():
                wake_at = await self.tick(key)
        except Conflict as failure:
            return self._failed("conflict", failure, CONFLICT_DELAY)
        except Retryable as failure:
            return self._failed("retry", failure, min(failure.after, RETRY_CAP))
        except Refused as failure:
            return self._failed("refused", failure, STUCK_DELAY)
        except Exception:
            # One incident that stanch stumbles over must not stop the others; it is counted, logged whole and tried again.
            log.exception("tick.failed")
            self.metrics.ticks.labels("error").inc()
            return STUCK_DELAY
        self.metrics.ticks.labels("done").inc()
        return None if wake_at is None else max((wake_at - self.clock.now()).total_seconds(), 0.0)

    def _failed(self, outcome: str, failure: Exception, delay: float) -> float:
        log.info("tick.again", outcome=outcome, reason=str(failure), after=delay)
        self.metrics.ticks.labels(outcome).inc()
        return delay

"""Time that moves only when a test says so."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

# Each call of the in-memory cluster gives way once; this many turns let any chain of them come to rest.
_TURNS = 200


class MemoryTime:
    """A clock (`now`), a monotonic one and its `sleep`, moved together by `advance`."""

    def __init__(self, start: datetime = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        self._count += 1
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, self._count, future))
        await future

    def move(self, seconds: float) -> None:
        """Moves the time alone: nobody who sleeps is woken, as when a process is stopped."""
        self._elapsed += seconds

    async def advance(self, seconds: float) -> None:
        """Moves the time and wakes, in order, whoever sleeps until then."""
        until = self._elapsed + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            at, _, future = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, at)
            if not future.done():
                future.set_result(None)
            await settle()
        self._elapsed = max(self._elapsed, until)


async def settle() -> None:
    """Lets everything run that can run."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)

"""Keys that want a tick: de-duplicated, one at a time for each key, with one heap for all timers.

A key that is added while it is being worked on is worked on once more afterwards: nothing that happens meanwhile is lost.
Measured against per-object timers and daemons, this is what keeps ten thousand incidents cheap.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

Key = tuple[str, str]


@dataclass
class KeyQueue:
    """Namespace and name of incidents. For one event loop; `now` is the loop's monotonic clock, in seconds."""

    _ready: deque[Key] = field(default_factory=deque)
    _queued: set[Key] = field(default_factory=set)
    _busy: set[Key] = field(default_factory=set)
    _due: dict[Key, float] = field(default_factory=dict)
    _heap: list[tuple[float, Key]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, key: Key) -> None:
        """Wants a tick now."""
        if key in self._queued:
            return
        self._queued.add(key)
        self._idle.clear()
        if key not in self._busy:
            self._ready.append(key)
            self._changed.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Wants a tick in `seconds` at the latest; an earlier one replaces a later one."""
        due = asyncio.get_running_loop().time() + max(seconds, 0.0)
        if due >= self._due.get(key, float("inf")):
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))
        self._changed.set()

    async def get(self) -> Key:
        """The next key; it stays busy until `done`."""
        while True:
            self._ripen()
            if self._ready:
                return self._start(self._ready.popleft())
            self._changed.clear()
            await self._wait()

    def done(self, key: Key) -> None:
        self._busy.discard(key)
        if key in self._queued:
            self._ready.append(key)
            self._changed.set()
        elif not self._queued and not self._busy:
            self._idle.set()

    async def idle(self) -> None:
        """Returns when no key wants a tick and none is worked on; timers may run."""
        if self._queued or self._busy:
            await self._idle.wait()

    def forget(self, key: Key) -> None:
        """Drops the key's timer: the incident needs no more ticks of its own."""
        self._due.pop(key, None)

    def __len__(self) -> int:
        return len(self._queued)

    @property
    def timers(self) -> int:
        return len(self._due)

    def _start(self, key: Key) -> Key:
        self._queued.discard(key)
        self._busy.add(key)
        self._due.pop(key, None)
        if self._ready:
            self._changed.set()
        return key

    def _ripen(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key)

    async def _wait(self) -> None:
        now = asyncio.get_running_loop().time()
        timeout = self._heap[0][0] - now if self._heap else None
        # Not wait_for, which may drop a cancellation: who waits here would go on when all is to end.
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._changed.wait()

"""Looks now and then which Incidents there are that do not rest, and which Decisions are not recorded: watches have gone silent
without an error (kopf #585, #955, #1145, #1276), and clocks are set.

What a list shows and the watch has not told, although a sweep lies between, proves a silent watch: the sweeper ticks the
incident itself, and `/healthz` fails so that the process is restarted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from stanch.api.base import API_VERSION
from stanch.engine.errors import Failure
from stanch.engine.ports import Clock, Cluster, Object
from stanch.runtime.metrics import Metrics
from stanch.runtime.queue import Key, KeyQueue

log = structlog.get_logger()

# By fields that the CRDs declare selectable.
OPEN, UNRECORDED = "status.rests!=true", "status.recordedAt="
# Seconds: more than the API server's time, told in whole ones, is ever off.
JUMP = 2.0


def wants_tick(obj: Object) -> bool:
    """Whether something is to be done about it now; one that only waits to be deleted has a timer."""
    status, metadata = obj.get("status") or {}, obj["metadata"]
    seen = status.get("observedGeneration", 0) == metadata.get("generation", 0) and "deletionTimestamp" not in metadata
    return not (status.get("rests") and seen)


def deleted_at(obj: Object) -> datetime | None:
    """When its retention ends."""
    at = (obj.get("status") or {}).get("deleteAt")
    return datetime.fromisoformat(at) if at else None


@dataclass
class Sweeper:
    own: Cluster
    clock: Clock
    queue: KeyQueue
    metrics: Metrics
    namespaces: tuple[str, ...]
    # Hears of a Decision that the watch has not told.
    hear: Callable[[Object], None]
    # Half of what a silent watch may cost (a minute); the API server selects, so that closed Incidents cost nothing.
    period: float = 30.0
    silent: bool = False
    # Set once the first sweep is over, whatever came of it.
    swept: asyncio.Event = field(default_factory=asyncio.Event)
    _ahead: float | None = None
    _told: dict[Key, str] = field(default_factory=dict)
    _untold: dict[Key, str] = field(default_factory=dict)
    # Decisions by UID: those that the watch told of and that are not recorded; those that only a list showed, with their names.
    _said: set[str] = field(default_factory=set)
    _unsaid: dict[str, Key] = field(default_factory=dict)

    def told(self, obj: Object, *, gone: bool = False) -> None:
        """The watch told about this Incident, which is ticked where that is wanted."""
        key = key_of(obj)
        if gone or not wants_tick(obj):
            self._told.pop(key, None)
        else:
            self._told[key] = obj["metadata"]["resourceVersion"]

    def open(self) -> tuple[Key, ...]:
        """Incidents that the watch told of, and which do not rest."""
        return tuple(self._told)

    def told_decision(self, obj: Object, *, gone: bool = False) -> None:
        """The watch told about this Decision."""
        uid, recorded = obj["metadata"]["uid"], "recordedAt" in (obj.get("status") or {})
        self._unsaid.pop(uid, None)
        if gone or recorded:
            self._said.discard(uid)
        else:
            self._said.add(uid)

    async def run(self) -> None:
        """Sweeps until cancelled, first at once: at a start every open incident is looked at."""
        while True:
            try:
                await self.sweep()
            except Failure as failure:
                log.warning("sweep.failed", reason=str(failure))
            self.swept.set()
            await asyncio.sleep(self.period)

    async def first_turns(self, within: float) -> None:
        """Returns once all that the first sweep found had its turn, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self.swept.wait()
                await self.queue.idle()

    async def sweep(self) -> None:
        untold: dict[Key, str] = {}
        jumped = self._jumped()
        for namespace in self.namespaces or ("",):
            async for obj in self.own.list(API_VERSION, "Incident", namespace, fields=OPEN, metadata_only=True):
                self._look(obj, untold, jumped)
        proven = [key for key, version in untold.items() if self._untold.get(key) == version]
        self._judge([*proven, *self._unsaid.values()])
        self._untold = untold
        await self._listen()
        self.metrics.sweeps.inc()

    def _look(self, obj: Object, untold: dict[Key, str], jumped: bool) -> None:
        key, version = key_of(obj), obj["metadata"]["resourceVersion"]
        if self._told.get(key) != version:
            untold[key] = version
        if jumped or key in untold:
            self.queue.add(key)

    async def _listen(self) -> None:
        """What only the list shows counts at once. By the next sweep it may be recorded; that the watch was silent stays true
        until it tells of it."""
        for namespace in self.namespaces or ("",):
            async for obj in self.own.list(API_VERSION, "Decision", namespace, fields=UNRECORDED):
                if obj["metadata"]["uid"] not in self._said:
                    self._unsaid[obj["metadata"]["uid"]] = key_of(obj)
                    self.hear(obj)

    def _jumped(self) -> bool:
        """Whether the API server's clock was set since the last sweep: timers run by this process's own."""
        ahead, before = self.clock.now().timestamp() - time.monotonic(), self._ahead
        self._ahead = ahead
        return before is None or abs(ahead - before) > JUMP

    def _judge(self, proven: Iterable[Key]) -> None:
        keys = list(proven)
        self.silent = bool(keys)
        self.metrics.silent.set(int(self.silent))
        if keys:
            log.error("watch.silent", untold=[f"{namespace}/{name}" for namespace, name in keys[:5]], count=len(keys))


def key_of(obj: Object) -> Key:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]

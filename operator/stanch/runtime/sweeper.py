"""Looks at every Incident now and then, because watches have gone silent without an error (kopf #585, #955, #1145, #1276).

What a list shows and the watch has not told, although a sweep lies between, proves a silent watch: the sweeper ticks the
incident itself, and `/healthz` fails so that the process is restarted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from stanch.api import codec
from stanch.api.base import API_VERSION
from stanch.domain.incident import SETTLED, TERMINAL, Status
from stanch.engine.errors import Failure, Refused
from stanch.engine.ports import Clock, Cluster, Object
from stanch.engine.recovering import watched
from stanch.runtime.metrics import Metrics
from stanch.runtime.queue import Key, KeyQueue

log = structlog.get_logger()


def quiet(status: Status) -> bool:
    """Whether an incident needs nothing more from stanch by itself, until it is to be deleted."""
    under_way = watched(status) or status.locked or status.pack.sealed < status.pack.head.seq
    undated = status.phase in TERMINAL and status.retention is not None and status.delete_at is None
    return status.phase in SETTLED and not (under_way or undated)


def wants_tick(obj: Object, now: datetime) -> bool:
    """One whose status cannot be read does: the tick says what is wrong with it, and the sweep goes on to the others."""
    try:
        status = codec.status_of(obj)
    except Refused:
        return True
    return not quiet(status) or (status.delete_at is not None and status.delete_at <= now)


@dataclass
class Sweeper:
    own: Cluster
    clock: Clock
    queue: KeyQueue
    metrics: Metrics
    namespaces: tuple[str, ...]
    period: float = 60.0
    silent: bool = False
    _told: dict[Key, str] = field(default_factory=dict)
    _untold: dict[Key, str] = field(default_factory=dict)

    def told(self, obj: Object, *, gone: bool = False) -> None:
        """The watch told about this Incident."""
        key = key_of(obj)
        if gone:
            self._told.pop(key, None)
        else:
            self._told[key] = obj["metadata"]["resourceVersion"]

    async def run(self) -> None:
        """Sweeps until cancelled, first at once: at a start every open incident is looked at."""
        while True:
            try:
                await self.sweep()
            except Failure as failure:
                log.warning("sweep.failed", reason=str(failure))
            await asyncio.sleep(self.period)

    async def sweep(self) -> None:
        untold: dict[Key, str] = {}
        for namespace in self.namespaces or ("",):
            async for obj in self.own.list(API_VERSION, "Incident", namespace):
                self._look(obj, untold)
        proven = [key for key, version in untold.items() if self._untold.get(key) == version]
        self._judge(proven)
        self._untold = untold
        self.metrics.sweeps.inc()

    def _look(self, obj: Object, untold: dict[Key, str]) -> None:
        key, version = key_of(obj), obj["metadata"]["resourceVersion"]
        if self._told.get(key) != version:
            untold[key] = version
        if wants_tick(obj, self.clock.now()):
            self.queue.add(key)

    def _judge(self, proven: Iterable[Key]) -> None:
        keys = list(proven)
        self.silent = bool(keys)
        self.metrics.silent.set(int(self.silent))
        if keys:
            log.error("watch.silent", incidents=[f"{namespace}/{name}" for namespace, name in keys[:5]], count=len(keys))


def key_of(obj: Object) -> Key:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]

"""Whether ten times the Incidents cost more than ten times as much: requests, bytes, processor time and memory, size by size."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from tests.bench.api import Followed, following
from tests.bench.audit import log_of, of
from tests.bench.contestants import Field, Stanch
from tests.bench.intervals import exactly
from tests.bench.lives import all_settled
from tests.bench.process import cpu_seconds, resident_kilobytes
from tests.bench.relay import Relay, relay
from tests.bench.rows import Row, at_most
from tests.bench.scale import Scale

GROUND = "growth"
# What comes once a minute, however many there are, and what is tried again fall on few or on many. Times and memory of one run
# are shown, not judged: a loaded machine moves them by more than this.
LINEAR = at_most(1.1)
PATIENCE, PATIENCE_EACH = 60.0, 0.5


@dataclass(frozen=True)
class Cost:
    """Of each of `size` Incidents that were opened at once."""

    size: int
    requests: float
    bytes: float
    cpu: float
    memory: float


async def measure(field: Field, scale: Scale) -> list[Row]:
    async with AsyncExitStack() as up:
        way = await up.enter_async_context(relay(field.place.server))
        # It waits until the operator leads, which needs the relay, which is in this loop.
        stanch = up.enter_context(field.stanch(GROUND, started=False, server=way.url))
        await asyncio.to_thread(stanch.start)
        followed = await up.enter_async_context(following(stanch.place.api, stanch.namespace))
        await costs(stanch, followed, way, "warm", scale.growth[0])
        found = [await costs(stanch, followed, way, f"growth-{size}", size) for size in scale.growth]
        await asyncio.to_thread(stanch.stop)
    smallest, *larger = found
    return rows(smallest) + [row for cost in larger for row in rows(cost, smallest)]


async def costs(stanch: Stanch, followed: Followed, way: Relay, prefix: str, size: int) -> Cost:
    place, names = stanch.place, [f"{prefix}-{number}" for number in range(size)]
    await place.targets(stanch.namespace, names)
    before = used(stanch, way)
    with log_of(place.audit_log) as log:
        await place.open_all(stanch.namespace, names)
        settled = await followed.until(all_settled(names), PATIENCE + PATIENCE_EACH * size)
        assert settled, f"not all of {size} Incidents are settled"
        asked = len(of(log.read(), stanch.user))
    sent, cpu, memory = (after - its for after, its in zip(used(stanch, way), before, strict=True))
    return Cost(size, asked / size, sent / size, cpu / size, memory / size)


def used(stanch: Stanch, way: Relay) -> tuple[int, float, float]:
    """So far: bytes sent and received, seconds of a processor; and the memory now, in KiB."""
    return way.bytes, cpu_seconds(stanch.pid), resident_kilobytes(stanch.pid)


def rows(cost: Cost, smallest: Cost | None = None) -> list[Row]:
    what = f"{cost.size} Incidents, each"
    cpu, memory = exactly(cost.cpu * 1000), exactly(cost.memory)
    return [
        grown(f"{what}: requests", "", cost, smallest, lambda one: one.requests),
        grown(f"{what}: sent and received", "KiB", cost, smallest, lambda one: one.bytes / 1024),
        Row(f"{what}: processor time", "ms", cost.size, cpu),
        Row(f"{what}: memory", "KiB", cost.size, memory),
    ]


def grown(what: str, unit: str, cost: Cost, smallest: Cost | None, figure: Callable[[Cost], float]) -> Row:
    found = exactly(figure(cost))
    if smallest is None:
        return Row(what, unit, cost.size, found)
    ratio = exactly(figure(cost) / figure(smallest))
    return Row(what, unit, cost.size, found, f"{smallest.size} Incidents", ratio, LINEAR)

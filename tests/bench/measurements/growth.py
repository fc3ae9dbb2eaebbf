"""Whether ten times the Incidents cost more than ten times as much: requests, processor time and memory, size by size."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.api import Followed, following
from tests.bench.audit import AuditLog, of
from tests.bench.contestants import Field, Stanch
from tests.bench.intervals import exactly
from tests.bench.lives import all_settled
from tests.bench.process import cpu_seconds, resident_kilobytes
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
    cpu: float
    memory: float


async def measure(field: Field, scale: Scale) -> list[Row]:
    with field.stanch(GROUND) as stanch:
        async with following(stanch.place.api, stanch.namespace) as followed:
            await costs(stanch, followed, "warm", scale.growth[0])
            found = [await costs(stanch, followed, f"growth-{size}", size) for size in scale.growth]
    smallest, *larger = found
    return rows(smallest) + [row for cost in larger for row in rows(cost, smallest)]


async def costs(stanch: Stanch, followed: Followed, prefix: str, size: int) -> Cost:
    place, names = stanch.place, [f"{prefix}-{number}" for number in range(size)]
    await place.targets(stanch.namespace, names)
    cpu, memory = cpu_seconds(stanch.pid), resident_kilobytes(stanch.pid)
    with AuditLog(place.audit_log) as log:
        await place.open_all(stanch.namespace, names)
        settled = await followed.until(lambda statuses: all_settled(statuses, names), PATIENCE + PATIENCE_EACH * size)
        assert settled, f"not all of {size} Incidents are settled"
        asked = len(of(log.read(), stanch.user))
    return Cost(size, asked / size, (cpu_seconds(stanch.pid) - cpu) / size, (resident_kilobytes(stanch.pid) - memory) / size)


def rows(cost: Cost, smallest: Cost | None = None) -> list[Row]:
    what = f"{cost.size} Incidents, each"
    cpu, memory = exactly(cost.cpu * 1000), exactly(cost.memory)
    return [
        requests(f"{what}: requests", cost, smallest),
        Row(f"{what}: processor time", "ms", cost.size, cpu),
        Row(f"{what}: memory", "KiB", cost.size, memory),
    ]


def requests(what: str, cost: Cost, smallest: Cost | None) -> Row:
    if smallest is None:
        return Row(what, "", cost.size, exactly(cost.requests))
    ratio = exactly(cost.requests / smallest.requests)
    return Row(what, "", cost.size, exactly(cost.requests), f"{smallest.size} Incidents", ratio, LINEAR)

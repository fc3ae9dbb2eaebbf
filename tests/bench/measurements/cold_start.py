"""How soon an operator acts that was not there: started among many Incidents that are over, and killed in the middle of some."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from tests.bench.api import INCIDENTS, Document, Followed, following
from tests.bench.audit import effects, log_of, of
from tests.bench.contestants import Field, Stanch
from tests.bench.lives import all_settled
from tests.bench.rows import Row, at_most, median_row
from tests.bench.scale import Scale
from tests.stage.audit.log import Event

GROUND = "cold"
FIRST_SECONDS, ALL_SECONDS, AGAIN_SECONDS = at_most(5.0), at_most(20.0), at_most(3.0)
PATIENCE = 120.0
PROGRESS = ("incidents/status", "configmaps")
# As an operator leaves an Incident that is over.
OVER = {"status": {"phase": "Closed", "rests": True, "observedGeneration": 1}}


async def measure(field: Field, scale: Scale) -> list[Row]:
    with field.stanch(GROUND, started=False) as stanch:
        await past(stanch, [f"past-{number}" for number in range(scale.settled)])
        async with following(stanch.place.api, stanch.namespace) as followed:
            cold = [await started_cold(stanch, followed, number, scale.cold) for number in range(scale.rounds)]
            stanch.start()
            killed = [await started_again(stanch, followed, number, scale.cold) for number in range(scale.rounds)]
    what = f"cold start, {scale.settled + scale.cold} Incidents, {scale.cold} open"
    return [
        median_row(f"{what}: first mitigation", "s", [first for first, _ in cold], FIRST_SECONDS),
        median_row(f"{what}: all mitigated", "s", [last for _, last in cold], ALL_SECONDS),
        median_row("kill -9, started again: next progress", "s", killed, AGAIN_SECONDS),
    ]


async def past(stanch: Stanch, names: Sequence[str]) -> None:
    """Incidents that are closed."""
    place, namespace = stanch.place, stanch.namespace
    await place.open_all(namespace, names)
    waiting = iter(names)

    async def work() -> None:
        for name in waiting:
            await place.api.patch(f"{INCIDENTS.format(namespace)}/{name}/status", OVER)

    async with asyncio.TaskGroup() as group:
        for _ in range(16):
            group.create_task(work())


async def started_cold(stanch: Stanch, followed: Followed, number: int, size: int) -> tuple[float, float]:
    """Seconds from the process's start until the first and until the last of the open ones was mitigated."""
    names = [f"cold-{number}-{place}" for place in range(size)]
    await opened(stanch, names)
    begun, asked = await started(stanch, followed, names)
    done = effects(asked, stanch.namespace)
    stanch.stop()
    return seconds(begun, done[0]), seconds(begun, done[-1])


async def started_again(stanch: Stanch, followed: Followed, number: int, size: int) -> float:
    """Killed once it has begun with them. Seconds from the new process's start until something is stored or changed again."""
    names = [f"killed-{number}-{place}" for place in range(size)]
    await opened(stanch, names)
    assert await followed.until(lambda statuses: any(begun_with(statuses.get(name, {})) for name in names), PATIENCE)
    stanch.process.kill()
    begun, asked = await started(stanch, followed, names)
    return seconds(begun, next_after(asked, begun))


def seconds(begun: datetime, event: Event) -> float:
    return (event.answered - begun).total_seconds()


def begun_with(status: Document) -> bool:
    return status.get("phase", "Opened") != "Opened"


async def started(stanch: Stanch, followed: Followed, names: Sequence[str]) -> tuple[datetime, list[Event]]:
    """When its process was started, and what it asked for until all of them were settled."""
    with log_of(stanch.place.audit_log) as log:
        begun = datetime.now(UTC)
        await asyncio.to_thread(stanch.start)
        await until_settled(followed, names)
        return begun, of(log.read(), stanch.user)


def next_after(asked: Sequence[Event], begun: datetime) -> Event:
    """What the killed process had under way may still be acknowledged after its end, and is not counted."""
    progress = (one for one in asked if one.verb == "patch" and one.resource in PROGRESS and one.done and one.received > begun)
    return min(progress, key=lambda one: one.answered)


async def opened(stanch: Stanch, names: Sequence[str]) -> None:
    await stanch.place.targets(stanch.namespace, names)
    await stanch.place.open_all(stanch.namespace, names)


async def until_settled(followed: Followed, names: Sequence[str]) -> None:
    assert await followed.until(all_settled(names), PATIENCE), f"not settled: {names[0]} and others"

"""What open Incidents cost while nothing happens about them: memory of the operator, and its share of a core."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from tests.bench.api import Document, Followed, following
from tests.bench.contestants import Field, Stanch
from tests.bench.lives import all_of
from tests.bench.place import WAITS
from tests.bench.process import cpu_seconds, resident_kilobytes
from tests.bench.rows import Row, at_most, median_row
from tests.bench.scale import Scale

GROUND = "idle"
# 280 MB, in MiB.
KILOBYTES, WHOLE, SHARE = at_most(20.0), at_most(280e6 / 2**20), at_most(1.0)
# What is allocated once, by the first Incidents, is none of each.
FIRST = 50
PATIENCE, PATIENCE_EACH = 60.0, 0.5
# So long ago that somebody should have taken them on by now: each is told so once, and that is over before anything is measured.
NOTICED = timedelta(hours=1)


async def measure(field: Field, scale: Scale) -> list[Row]:
    with field.stanch(GROUND) as stanch:
        async with following(stanch.place.api, stanch.namespace) as followed:
            await open_batch(stanch, followed, [f"first-{number}" for number in range(min(FIRST, scale.open))])
            began = resident_kilobytes(stanch.pid)
            grown = [await batch(stanch, followed, number, scale.open // scale.batches) for number in range(scale.batches)]
        whole = resident_kilobytes(stanch.pid)
        shares = [share_of_core(stanch, scale.window) for _ in range(scale.windows)]
    return [
        median_row("memory per open Incident: stanch", "KiB", grown, KILOBYTES),
        median_row("memory before them: stanch", "MiB", [began / 1024]),
        median_row(f"memory with {scale.open} open: stanch", "MiB", [whole / 1024], WHOLE),
        median_row(f"idle with {scale.open} open: stanch", "% of a core", shares, SHARE),
    ]


async def batch(stanch: Stanch, followed: Followed, number: int, size: int) -> float:
    """KiB that each of them added."""
    before = resident_kilobytes(stanch.pid)
    await open_batch(stanch, followed, [f"idle-{number}-{place}" for place in range(size)])
    return (resident_kilobytes(stanch.pid) - before) / size


async def open_batch(stanch: Stanch, followed: Followed, names: Sequence[str]) -> None:
    await stanch.place.targets(stanch.namespace, names)
    noticed = datetime.now(UTC) - NOTICED
    await stanch.place.open_all(stanch.namespace, names, WAITS, startedAt=f"{noticed:%Y-%m-%dT%H:%M:%SZ}")
    patience = PATIENCE + PATIENCE_EACH * len(names)
    assert await followed.until(all_of(names, waits), patience), (
        f"not all of {len(names)} Incidents wait for their approval after {patience:.0f} s"
    )


def waits(status: Document) -> bool:
    """Whether nothing more is done about it until somebody approves: it was told as not taken on, too."""
    return status.get("phase") == "AwaitingApproval" and status.get("unheeded", False)


def share_of_core(stanch: Stanch, seconds: float) -> float:
    """In percent, while nothing happens for so long: what is waited for is the operator's end, which does not come."""
    before = cpu_seconds(stanch.pid)
    with suppress(subprocess.TimeoutExpired):
        code = stanch.process.ended(seconds)
        raise AssertionError(f"the operator ended with {code}")
    return (cpu_seconds(stanch.pid) - before) / seconds * 100

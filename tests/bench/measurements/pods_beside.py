"""What pods cost that no Incident is about: an operator that caches none does not notice them."""

from __future__ import annotations

from tests.bench.api import following
from tests.bench.contestants import Field
from tests.bench.crowd import PODS, node
from tests.bench.lives import live
from tests.bench.process import resident_kilobytes
from tests.bench.rows import Row, at_most, median_row
from tests.bench.scale import Scale

GROUND = "beside"
MEBIBYTES = at_most(50.0)


async def measure(field: Field, scale: Scale) -> list[Row]:
    place = field.place
    # Nobody asks its kubelet for anything: it need not be reached.
    with node(place, place.host_address or "127.0.0.1", 0) as crowded, field.stanch(GROUND) as stanch:
        async with following(place.api, stanch.namespace) as followed:
            for number in range(scale.warm):
                await live(stanch, followed, f"warm-{number}")
            before = resident_kilobytes(stanch.pid)
            pods = (crowded.pod(f"beside-{number}", "beside") for number in range(scale.beside))
            await place.api.create_all(PODS.format(stanch.namespace), pods)
            await live(stanch, followed, "after")
            added = (resident_kilobytes(stanch.pid) - before) / 1024
    return [median_row(f"{scale.beside} pods beside: memory added", "MiB", [added], MEBIBYTES)]

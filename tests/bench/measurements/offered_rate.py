"""How long until the first mitigation while Incidents come at a fixed rate, whether or not the ones before are done."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from tests.bench.api import following
from tests.bench.audit import log_of
from tests.bench.contestants import Contestant, Field
from tests.bench.intervals import TAIL_SAMPLES, of_quantile
from tests.bench.lives import all_settled, seconds_to_mitigation
from tests.bench.rows import Row, at_most, median_row
from tests.bench.scale import Scale

GROUND = "rate"
P99_SECONDS = at_most(1.0)
SETTLE_SECONDS = 600.0


async def measure(field: Field, scale: Scale) -> list[Row]:
    names = [f"rate-{number}" for number in range(scale.offered)]
    with field.stanch(GROUND) as stanch:
        found = await lived(stanch, names, scale.rate)
        evidence = stanch.evidence_seconds()
    with field.peer(GROUND) as peer:
        theirs = list((await lived(peer, names, scale.rate)).values())
    whole, net = list(found.values()), [seconds - evidence[name] for name, seconds in found.items()]
    what = f"first mitigation at {scale.rate:g}/s"
    tail = tails(f"{what}, less evidence", net, theirs)
    return [*tail, median_row(f"{what}: stanch", "s", whole), median_row(f"{what}: Go peer", "s", theirs)]


def tails(what: str, ours: Sequence[float], theirs: Sequence[float]) -> list[Row]:
    """None where there are too few samples for a tail."""
    if min(len(ours), len(theirs)) < TAIL_SAMPLES:
        return []
    return [
        Row(f"{what}: stanch, p99", "s", len(ours), of_quantile(ours, 0.99), limit=P99_SECONDS),
        Row(f"{what}: Go peer, p99", "s", len(theirs), of_quantile(theirs, 0.99)),
    ]


async def lived(contestant: Contestant, names: Sequence[str], rate: float) -> dict[str, float]:
    """Incident -> seconds until its first mitigation. Raises AssertionError where one never had any."""
    place, namespace = contestant.place, contestant.namespace
    await place.targets(namespace, names)
    async with following(place.api, namespace) as followed, AsyncExitStack() as up:
        log = up.enter_context(log_of(place.audit_log))
        async with asyncio.TaskGroup() as group:
            for number, name in enumerate(names):
                group.create_task(opened(contestant, name, number / rate))
        await followed.until(all_settled(names), SETTLE_SECONDS)
        found = seconds_to_mitigation(log.read(), namespace)
    assert len(found) == len(names), f"{contestant.name}: {len(names) - len(found)} of {len(names)} were never mitigated"
    return found


async def opened(contestant: Contestant, name: str, after: float) -> None:
    await asyncio.sleep(after)
    await contestant.place.open(contestant.namespace, name)

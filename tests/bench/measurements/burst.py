"""Many Incidents at once: how many are mitigated a second, how many never, how many twice. Contestants in turn, round by round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from tests.bench.api import Followed, following
from tests.bench.audit import effects, log_of, openings
from tests.bench.contestants import Contestant, Field
from tests.bench.intervals import exactly
from tests.bench.lives import all_settled, first_effects
from tests.bench.rows import Limit, Row, at_least, at_most, compared_row, median_row
from tests.bench.scale import Scale
from tests.stage.audit.log import Event

GROUND = "burst"
RATE, NONE = at_least(0.8), at_most(0)
# An Incident that is not settled after so long, and so much longer for each of the burst, is given up.
PATIENCE, PATIENCE_EACH = 60.0, 0.5


@dataclass(frozen=True)
class Outcome:
    """`rate`: mitigations a second, from the first creation to the last first mitigation."""

    rate: float
    lost: int
    doubled: int


async def measure(field: Field, scale: Scale) -> list[Row]:
    async with AsyncExitStack() as up:
        contestants: list[Contestant] = [
            up.enter_context(field.stanch(GROUND)),
            up.enter_context(field.peer(GROUND)),
            up.enter_context(field.peer(GROUND, naive=True)),
        ]
        followed = [await up.enter_async_context(following(one.place.api, one.namespace)) for one in contestants]
        found: list[Row] = []
        for size, times in scale.bursts:
            rounds = [await in_turn(contestants, followed, size, number) for number in range(times)]
            found += rows(size, [one.name for one in contestants], rounds)
        return found


async def in_turn(contestants: Sequence[Contestant], followed: Sequence[Followed], size: int, number: int) -> list[Outcome]:
    names = [f"burst-{size}-{number}-{place}" for place in range(size)]
    return [await burst(one, its, names) for one, its in zip(contestants, followed, strict=True)]


async def burst(contestant: Contestant, followed: Followed, names: Sequence[str]) -> Outcome:
    place, namespace = contestant.place, contestant.namespace
    await place.targets(namespace, names)
    with log_of(place.audit_log) as log:
        await place.open_all(namespace, names)
        await followed.until(all_settled(names), PATIENCE + PATIENCE_EACH * len(names))
        return outcome(log.read(), namespace, names)


def outcome(events: Sequence[Event], namespace: str, names: Sequence[str]) -> Outcome:
    """Raises AssertionError where nothing at all was mitigated."""
    changed = Counter(one.name for one in effects(events, namespace))
    assert changed, f"nothing was mitigated in {namespace}"
    begun = min(one.received for one in openings(events, namespace).values())
    last = max(one.answered for one in first_effects(events, namespace).values())
    doubled = sum(times - 1 for times in changed.values())
    return Outcome(len(changed) / (last - begun).total_seconds(), lost=len(set(names) - changed.keys()), doubled=doubled)


def rows(size: int, contestants: Sequence[str], rounds: Sequence[Sequence[Outcome]]) -> list[Row]:
    ours, peer, naive = (list(outcomes) for outcomes in zip(*rounds, strict=True))
    rates = [[one.rate for one in outcomes] for outcomes in (ours, peer, naive)]
    what = f"burst of {size}"
    return [
        compared_row(f"{what}: stanch", "/s", rates[0], contestants[1], rates[1], RATE),
        median_row(f"{what}: {contestants[1]}", "/s", rates[1]),
        median_row(f"{what}: {contestants[2]}", "/s", rates[2]),
        counted(f"{what}, lost: stanch", sum(one.lost for one in ours), size * len(ours), NONE),
        counted(f"{what}, doubled: stanch", sum(one.doubled for one in ours), size * len(ours), NONE),
        counted(f"{what}, doubled: {contestants[1]}", sum(one.doubled for one in peer), size * len(peer)),
        counted(f"{what}, doubled: {contestants[2]}", sum(one.doubled for one in naive), size * len(naive)),
    ]


def counted(what: str, number: int, of: int, limit: Limit | None = None) -> Row:
    return Row(what, "", of, exactly(number), limit=limit)

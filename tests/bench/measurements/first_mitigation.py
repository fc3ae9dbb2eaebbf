"""How long from an Incident's creation until its first mitigation was acknowledged: one at a time, contestants in turn."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

from tests.bench.api import following
from tests.bench.audit import log_of
from tests.bench.contestants import Contestant, Field, Stanch
from tests.bench.lives import live, seconds_to_mitigation
from tests.bench.rows import Row, at_most, compared_row, median_row
from tests.bench.scale import Scale

GROUND = "first"
MILLI = 1000.0
OF_PEER, OF_SCRIPT = at_most(1.25), at_most(0.25)


async def measure(field: Field, scale: Scale) -> list[Row]:
    names = [f"first-{number}" for number in range(scale.warm + scale.pairs)]
    async with AsyncExitStack() as up:
        stanch = up.enter_context(field.stanch(GROUND))
        others = [up.enter_context(field.peer(GROUND)), up.enter_context(field.peer(GROUND, naive=True))]
        contestants: list[Contestant] = [stanch, *others, up.enter_context(field.script(GROUND))]
        log = up.enter_context(log_of(field.place.audit_log))
        await take_turns(contestants, names)
        requests = log.read()
        counted = names[scale.warm :]
        whole = {one.name: milliseconds(seconds_to_mitigation(requests, one.namespace), counted) for one in contestants}
        evidence = {one.name: milliseconds(evidence_seconds(one, counted), counted) for one in contestants}
        return rows(whole, evidence) + parts(stanch, counted)


async def take_turns(contestants: Sequence[Contestant], names: Sequence[str]) -> None:
    async with AsyncExitStack() as up:
        followed = [await up.enter_async_context(following(one.place.api, one.namespace)) for one in contestants]
        for name in names:
            for contestant, its in zip(contestants, followed, strict=True):
                await live(contestant, its, name)


def evidence_seconds(contestant: Contestant, names: Sequence[str]) -> dict[str, float]:
    """An operator that takes no evidence takes no time for it."""
    return dict.fromkeys(names, 0.0) | contestant.evidence_seconds()


def milliseconds(seconds: dict[str, float], names: Sequence[str]) -> list[float]:
    """In the order of the names."""
    return [seconds[name] * MILLI for name in names]


def rows(whole: dict[str, list[float]], evidence: dict[str, list[float]]) -> list[Row]:
    net = {name: [all_ - its for all_, its in zip(whole[name], evidence[name], strict=True)] for name in whole}
    ours, what = net["stanch"], "first mitigation, less evidence"
    return [
        compared_row(f"{what}: stanch", "ms", ours, "Go peer", net["Go peer"], OF_PEER),
        compared_row(f"{what}: stanch", "ms", ours, "kubectl script", net["kubectl script"], OF_SCRIPT),
        *(median_row(f"{what}: {name}", "ms", net[name]) for name in ("Go peer", "naive Go", "kubectl script")),
        *(median_row(f"evidence: {name}", "ms", evidence[name]) for name in ("stanch", "kubectl script")),
    ]


def parts(stanch: Stanch, names: Sequence[str]) -> list[Row]:
    """Where stanch's time goes, effect by effect; what is between them is decided and stored."""
    seconds = stanch.effect_seconds()
    effects = list(dict.fromkeys(effect for name in names for effect in seconds[name]))
    return [
        median_row(f"of it in stanch: {effect}", "ms", [seconds[name].get(effect, 0.0) * MILLI for name in names])
        for effect in effects
        if effect != "Capture"
    ]

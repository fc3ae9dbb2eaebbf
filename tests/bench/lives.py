"""Incidents as the harness has them lived: opened, waited for, and afterwards what the audit log says about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.bench.api import Document, Followed
from tests.bench.audit import Request, effects, openings
from tests.bench.contestants import Contestant
from tests.bench.place import Place

SETTLE_SECONDS = 120.0


def settled(status: Document) -> bool:
    """Whether nothing more is done about it: resolved, and its pack, where it has one, sealed."""
    pack = status.get("pack") or {}
    return status.get("phase") == "Resolved" and pack.get("sealed", 0) >= (pack.get("head") or {}).get("seq", 0)


def all_settled(statuses: dict[str, Document], names: Iterable[str]) -> bool:
    return all(settled(statuses.get(name, {})) for name in names)


async def live(contestant: Contestant, followed: Followed, name: str) -> None:
    """One Incident from its opening until nothing more is done about it; its target is made before."""
    place: Place = contestant.place
    await place.targets(contestant.namespace, [name])
    await place.open(contestant.namespace, name)
    await contestant.opened(name)
    over = await followed.until(lambda statuses: all_settled(statuses, [name]), SETTLE_SECONDS)
    assert over, f"{contestant.name}: {name} is not settled after {SETTLE_SECONDS:.0f} s: {followed.status.get(name)}"


def seconds_to_mitigation(requests: Sequence[Request], namespace: str) -> dict[str, float]:
    """Incident -> from the moment at which its creation was answered until the first change of its target was.

    The two bear the same name. Left out: those whose target was not changed.
    """
    opened, first = openings(requests, namespace), first_effects(requests, namespace)
    return {name: first[name].ended - opening.ended for name, opening in opened.items() if name in first}


def first_effects(requests: Sequence[Request], namespace: str) -> dict[str, Request]:
    return {one.name: one for one in reversed(effects(requests, namespace))}

"""Incidents as the harness has them lived: opened, waited for, and afterwards what the audit log says about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tests.bench.api import Document, Followed
from tests.bench.audit import effects, openings
from tests.bench.contestants import Contestant
from tests.bench.place import Place
from tests.stage.audit.log import Event

SETTLE_SECONDS = 120.0


def settled(status: Document) -> bool:
    """Whether nothing more is done about it: resolved, and its pack, where it has one, sealed."""
    pack = status.get("pack") or {}
    return status.get("phase") == "Resolved" and pack.get("sealed", 0) >= (pack.get("head") or {}).get("seq", 0)


def all_settled(names: Iterable[str]) -> Callable[[dict[str, Document]], bool]:
    return all_of(names, settled)


def all_of(names: Iterable[str], true: Callable[[Document], bool]) -> Callable[[dict[str, Document]], bool]:
    """Whether it has been `true` of each one's status. Each is asked until it was, and not again: with ten thousand of them
    whoever asked all at every change would keep the machine busier than the contestants."""
    waiting = list(names)

    def over(statuses: dict[str, Document]) -> bool:
        while waiting and true(statuses.get(waiting[-1], {})):
            waiting.pop()
        return not waiting

    return over


async def live(contestant: Contestant, followed: Followed, name: str) -> None:
    """One Incident from its opening until nothing more is done about it; its target is made before."""
    place: Place = contestant.place
    await place.targets(contestant.namespace, [name])
    await place.open(contestant.namespace, name)
    await contestant.opened(name)
    over = await followed.until(all_settled([name]), SETTLE_SECONDS)
    assert over, f"{contestant.name}: {name} is not settled after {SETTLE_SECONDS:.0f} s: {followed.status.get(name)}"


def seconds_to_mitigation(events: Sequence[Event], namespace: str) -> dict[str, float]:
    """Incident -> from the moment at which its creation was answered until the first change of its target was.

    The two bear the same name. Left out: those whose target was not changed.
    """
    opened, first = openings(events, namespace), first_effects(events, namespace)
    return {name: (first[name].answered - opening.answered).total_seconds() for name, opening in opened.items() if name in first}


def first_effects(events: Sequence[Event], namespace: str) -> dict[str, Event]:
    return {one.name: one for one in reversed(effects(events, namespace))}

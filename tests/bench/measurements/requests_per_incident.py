"""How many requests one Incident costs, from its creation until nothing more is done about it, counted by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.bench.api import following
from tests.bench.audit import log_of, of
from tests.bench.contestants import Contestant, Field
from tests.bench.lives import live
from tests.bench.rows import Limit, Row, at_most, median_row
from tests.bench.scale import Scale
from tests.stage.audit.log import Event

GROUND = "count"
STEPS = 1
# The sweep over all Incidents lists them once a minute, however many there are.
STATUS, EFFECT, LIST = "status writes", "effects", "list incidents"
LIMITS: dict[str, Limit] = {STATUS: at_most(2 + 3 * STEPS), EFFECT: at_most(STEPS), LIST: at_most(0)}
LEADER = "stanch-leader"


async def measure(field: Field, scale: Scale) -> list[Row]:
    with field.stanch(GROUND) as stanch, field.peer(GROUND) as peer:
        ours, theirs = await counted(stanch, scale), await counted(peer, scale)
    classes = [*LIMITS, *sorted({kind for count in ours for kind in count} - LIMITS.keys())]
    return [
        *(row(f"requests per Incident, stanch: {kind}", [count[kind] for count in ours], LIMITS.get(kind)) for kind in classes),
        row("requests per Incident, stanch: all", [count.total() for count in ours]),
        row("requests per Incident, Go peer: all", [count.total() for count in theirs]),
    ]


def row(what: str, counts: Sequence[int], limit: Limit | None = None) -> Row:
    return median_row(what, "", counts, limit)


async def counted(contestant: Contestant, scale: Scale) -> list[Counter[str]]:
    """One Incident after the other, so that all that is asked meanwhile is asked for it."""
    place, found = contestant.place, []
    async with following(place.api, contestant.namespace) as followed:
        for number in range(scale.warm + scale.counted):
            with log_of(place.audit_log) as log:
                await live(contestant, followed, f"count-{number}")
                found.append(Counter(kind(one) for one in of(log.read(), contestant.user) if one.name != LEADER))
    return found[scale.warm :]


def kind(event: Event) -> str:
    if event.verb == "patch" and event.resource == "incidents/status":
        return STATUS
    if event.verb == "patch" and event.resource == "configmaps" and not event.dry:
        return EFFECT
    return f"{event.verb} {event.resource}{' (dry run)' if event.dry else ''}"

"""Events of the namespace, or those about the targets, in the order of time: a table to read, and JSON lines to search.

Kubernetes keeps events for an hour by default, so they go into the pack before anything is changed. Requirement E-02.
https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from heapq import heappush, heappushpop
from typing import Any, Generic, TypeVar

from pydantic import Field

from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.engine.parts import Scope, SourceKind
from stanch.engine.ports import Object
from stanch.evidence.params import Params
from stanch.evidence.reading import Listing
from stanch.evidence.text import clock_time, parse_time, table, visible
from stanch.evidence.workload import pod_rules, pods_once, revision_rules, revisions, targets, without_managed_fields
from stanch.evidence.writing import put_lines, stamped

T = TypeVar("T")

# Longest part of one event that is kept; the API server's own bound of a message is 1 KiB.
MESSAGE = 1024
SCANNED = 50_000
NEVER = datetime(1, 1, 1, tzinfo=UTC)
COLUMNS = ("LAST SEEN", "TYPE", "REASON", "OBJECT", "COUNT", "SOURCE", "MESSAGE")


class About(StrEnum):
    Namespace = "Namespace"
    Targets = "Targets"


class EventsParams(Params):
    about: About = Field(
        About.Namespace,
        description="Namespace: all of the namespace. Targets: those about the targets, their revisions and pods.",
    )
    limit: int = Field(5000, ge=1, le=20000, description="Keep at most so many events, the latest ones.")


@dataclass(frozen=True)
class Wanted:
    """Which events are about the targets: by UID, and by name for pods that are gone already."""

    uids: frozenset[str]
    pod_prefixes: tuple[str, ...]

    def __contains__(self, event: Object) -> bool:
        about = event.get("involvedObject") or {}
        gone_pod = about.get("kind") == "Pod" and about.get("name", "").startswith(self.pod_prefixes)
        return about.get("uid") in self.uids or gone_pod


class Latest(Generic[T]):
    """The `limit` latest of all that was put in."""

    def __init__(self, limit: int) -> None:
        self.seen = 0
        self._limit = limit
        self._heap: list[tuple[datetime, int, T]] = []

    def put(self, at: datetime | None, item: T) -> None:
        self.seen += 1
        # The running number decides between equal times: the items themselves have no order.
        entry = (at or NEVER, self.seen, item)
        if len(self._heap) < self._limit:
            heappush(self._heap, entry)
        else:
            heappushpop(self._heap, entry)

    def by_time(self) -> list[T]:
        return [item for _, _, item in sorted(self._heap, key=lambda entry: entry[:2])]


async def collect(scope: Scope, params: EventsParams) -> None:
    wanted = await about_targets(scope) if params.about is About.Targets else None
    listed, latest = listing(scope, "events"), Latest[Object](params.limit)
    async for event in listed:
        if wanted is None or event in wanted:
            latest.put(last_seen(event), event)
    if listed.failure and not latest.seen:
        return
    await write(scope, latest, listed.failure)


def listing(scope: Scope, source: str) -> Listing[Object]:
    """All events of the namespace, without managedFields."""

    async def bare() -> Any:
        async for event in scope.cluster.list("v1", "Event", scope.namespace):
            yield without_managed_fields(event)

    return Listing(scope, f"{source}: events of namespace {scope.namespace}", "list on events", bare, SCANNED)


async def about_targets(scope: Scope) -> Wanted:
    uids: set[str] = set()
    prefixes: set[str] = set()
    async for workload in targets(scope, "events"):
        owners = (workload, *(await revisions(scope, "events", workload) or ()))
        uids.update(owner["metadata"]["uid"] for owner in owners)
        if workload["kind"] != "Pod":
            prefixes.update(f"{owner['metadata']['name']}-" for owner in owners)
        async for _ in pods_once(scope, "events", workload, uids):
            pass
    return Wanted(frozenset(uids), tuple(prefixes))


async def write(scope: Scope, latest: Latest[Object], failure: str) -> None:
    events = latest.by_time()
    path = stamped(scope, "events", "events", ".txt")
    if latest.seen > len(events):
        scope.ledger.cut.append(f"{path}: the latest {len(events)} of {latest.seen} events")
    await put_lines(scope, path, page_of(scope, latest, events, failure))
    lines = (json.dumps(event, separators=(",", ":")) for event in events)
    await put_lines(scope, stamped(scope, "events", "events", ".jsonl"), lines)


def page_of(scope: Scope, latest: Latest[Object], events: list[Object], failure: str) -> Iterator[str]:
    shown = f"{len(events)} of {latest.seen}"
    yield f"Events of namespace {scope.namespace}, oldest first, at {clock_time(scope.at)}: {shown}"
    if failure:
        yield f"INCOMPLETE: {failure}"
    yield ""
    yield from events_table(events)


def events_table(events: Iterable[Object]) -> list[str]:
    return table([COLUMNS, *map(row, events)])


def row(event: Object) -> tuple[str, ...]:
    about = event.get("involvedObject") or {}
    return (
        clock_time(last_seen(event)),
        visible(event.get("type") or "-", 16),
        visible(event.get("reason") or "-", 64),
        visible(f"{about.get('kind', '?').lower()}/{about.get('name', '?')}", 128),
        str((event.get("series") or {}).get("count") or event.get("count") or 1),
        visible((event.get("source") or {}).get("component") or event.get("reportingComponent") or "-", 64),
        visible((event.get("message") or "").strip(), MESSAGE),
    )


def last_seen(event: Object) -> datetime | None:
    """The latest of all times that an event carries; old and new event APIs fill different ones."""
    times = (
        (event.get("series") or {}).get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        event.get("firstTimestamp"),
        event["metadata"].get("creationTimestamp"),
    )
    return max(filter(None, map(parse_time, times)), default=None)


def rules(params: EventsParams, namespace: str, refs: tuple[Ref, ...]) -> tuple[Rule, ...]:
    of_targets = dict.fromkeys((*pod_rules(refs), *revision_rules(refs))) if params.about is About.Targets else ()
    return (*of_targets, Rule(("list",), "", "events", why="events have names that nobody knows beforehand"))


SOURCE = SourceKind("events", "Events of the namespace or of the targets, by time", EventsParams, rules, collect)

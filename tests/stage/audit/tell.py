"""What the audit log says of one incident, line by line: for whom a judgement has to be explained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.stage.audit.judge import STATUS, WRITES, annotation
from tests.stage.audit.log import Event
from tests.stage.audit.terms import EPOCH, TOKEN, Promise

# Of a step, a revert or a check, as a status writes them.
TELLING = ("name", "step", "state", "attempts", "epoch", "resourceVersion", "writtenAt", "dueAt", "reason", "message")


def tell(events: Iterable[Event], promise: Promise) -> Iterator[str]:
    """In the order in which the requests came: writes of its namespace, and what was read as the playbook's ServiceAccount."""
    for event in sorted(events, key=lambda event: event.received):
        if event.namespace == promise.namespace and is_told(event, promise):
            yield f"{event} until {event.answered:%H:%M:%S.%f}{'; '.join(('', *said(event)))}"


def is_told(event: Event, promise: Promise) -> bool:
    if event.resource == STATUS:
        return event.name == promise.name
    return event.verb in WRITES or (event.acting == promise.account and (event.verb, event.resource) in promise.evidence)


def said(event: Event) -> Iterator[str]:
    for name in (TOKEN, EPOCH):
        if value := annotation(event, name):
            yield f"{name} {value}"
    if event.resource == STATUS:
        yield from changed((event.body or {}).get("status", {}))


def changed(status: Mapping[str, Any]) -> Iterator[str]:
    for name in ("phase", "epoch"):
        if name in status:
            yield f"{name} {status[name]}"
    for name in ("options", "steps", "reverts"):
        for record in status.get(name) or ():
            yield f"{name} " + " ".join(f"{key}={record[key]}" for key in TELLING if record.get(key))

"""What is judged, and what may be wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from tests.stage.audit.log import Event

Document = dict[str, Any]
Outage = tuple[datetime, datetime]
TOKEN, EPOCH, REVERT = "stanch.dev/token", "stanch.dev/epoch", "/revert"


class Kind(StrEnum):
    Doubled = "doubled"
    Lost = "lost"
    Unpromised = "not promised"
    Late = "late"
    Early = "early"
    Due = "due at another time than the playbook says"
    Evidence = "before its evidence"
    Intent = "before its intent"
    Identity = "as somebody else"
    Unmarked = "without a token"
    Stale = "after it was fenced out"
    Log = "not to be told from the log"


@dataclass(frozen=True)
class Finding:
    kind: Kind
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


@dataclass(frozen=True)
class Promise:
    """What the playbook of one incident promises. `effects`: tokens without the incident's UID. `boxes`: of steps that are
    for a time only, how long. `evidence`: (verb, resource) of what is read before each step. `account`: user name of the
    playbook's ServiceAccount."""

    uid: str
    namespace: str
    name: str
    operator: str
    account: str
    effects: frozenset[str]
    boxes: Mapping[str, timedelta] = field(default_factory=dict)
    evidence: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Effect:
    """A write to a target that bears a token; the token without the incident's UID."""

    token: str
    event: Event

    @property
    def back(self) -> bool:
        return self.token.endswith(REVERT)

    @property
    def step(self) -> str:
        return self.token.removesuffix(REVERT)

    @property
    def records(self) -> str:
        """Where a status tells of it."""
        return "reverts" if self.back else "steps"

    @property
    def about(self) -> tuple[str, str, str]:
        return about(self.event)


@dataclass(frozen=True)
class Stored:
    """The Incident's status after one write of it."""

    event: Event
    status: Document

    def record(self, kind: str, token: str) -> Document:
        """Empty where there is none."""
        return next((one for one in self.status.get(kind, ()) if one.get("token") == token), {})


def annotation(event: Event, name: str) -> str:
    """What the written object, or patch, says there; empty: nothing."""
    metadata = event.body.get("metadata") if isinstance(event.body, dict) else None
    return str(((metadata or {}).get("annotations") or {}).get(name) or "")


def about(event: Event) -> tuple[str, str, str]:
    return event.group, event.resource, event.name


def intended(record: Document, back: bool) -> bool:
    """A revert that was refused keeps its intent, and names the version that it was prepared on."""
    blocked = back and record.get("state") == "Blocked" and bool(record.get("resourceVersion"))
    return record.get("state") == "Intended" or blocked


def same_try(one: Document, other: Document) -> bool:
    return all(one.get(name) == other.get(name) for name in ("state", "attempts", "epoch"))


def due_of(record: Document) -> datetime | None:
    return datetime.fromisoformat(record["dueAt"]) if record.get("dueAt") else None


def covered(span: Outage, outages: Iterable[Outage]) -> timedelta:
    """How much of a span of time lay in outages, each moment counted once."""
    begin, end = span
    total = timedelta()
    for start, over in sorted(outages):
        start, over = max(start, begin), min(over, end)
        if start < over:
            total += over - start
            begin = over
    return total

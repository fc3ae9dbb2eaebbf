"""What the measurements ask of the API server's audit log: by its clock, not by the contestants'."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.stage.audit.log import AuditLog, Event


def log_of(path: Path) -> AuditLog:
    """From now on. What was written into objects is not looked at here, and would fill the memory."""
    return AuditLog(path, bodies=False)


def of(events: Iterable[Event], user: str) -> list[Event]:
    """What was asked by `user`, also where it was in another's name."""
    return [event for event in events if event.user == user]


def effects(events: Iterable[Event], namespace: str) -> list[Event]:
    """Changes of targets, in the order in which they were acknowledged. Targets are ConfigMaps, which the harness creates and
    only contestants patch."""
    found = [one for one in events if (one.verb, one.resource, one.namespace) == ("patch", "configmaps", namespace) and one.done]
    return sorted(found, key=lambda one: one.answered)


def openings(events: Iterable[Event], namespace: str) -> dict[str, Event]:
    """Incident -> the request that created it. Incidents of the harness have names of their own."""
    return {
        one.name: one
        for one in events
        if (one.verb, one.resource, one.namespace) == ("create", "incidents", namespace) and one.done
    }

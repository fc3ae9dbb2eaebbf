"""What people said with authority, as the status of an incident keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from stanch.domain.record import SHORT, Record, doc


@dataclass(frozen=True)
class ApprovalRecord(Record):
    decision: str = doc("Name of the Decision.", max_length=SHORT)
    option: str = doc("Option that was approved.", max_length=63)
    role: str = doc("Role under which.", max_length=63)
    by: str = doc("User name.", max_length=SHORT)
    at: datetime = doc("When the Decision was created.")


@dataclass(frozen=True)
class GlassRecord(Record):
    """Somebody let an option run without its approvals, or a last resort before the others. It stays on the Incident, whatever is
    planned later."""

    decision: str = doc("Name of the Decision.", max_length=SHORT)
    option: str = doc("Option that was let run.", max_length=63)
    plan_digest: str = doc("Plan that it was said of; of another one it says nothing.", max_length=71)
    by: str = doc("User name.", max_length=SHORT)
    ticket: str = doc("Ticket that it is answered for in.", max_length=SHORT)
    without: str = doc("What was not there: approvals, a try of other options.", max_length=SHORT)
    at: datetime = doc("When the Decision was created.")
    role: str = doc("Role under which; empty: none.", default="", max_length=63)

    def __str__(self) -> str:
        return f"{self.option} without {self.without}, by {self.by}, ticket {self.ticket}"


@dataclass(frozen=True)
class AckRecord(Record):
    """Who took the incident on."""

    by: str = doc("User name.", max_length=SHORT)
    at: datetime = doc("When the Decision was created.")
    role: str = doc("Role under which; empty: none.", default="", max_length=63)


@dataclass(frozen=True)
class ClassRecord(Record):
    """How grave a person says that it is. It holds instead of the severity that the incident opened with."""

    severity: str = doc("Severity.", max_length=63)
    was: str = doc("Severity before; the same where it was confirmed.", max_length=63)
    by: str = doc("User name.", max_length=SHORT)
    at: datetime = doc("When the Decision was created.")
    role: str = doc("Role under which; empty: none.", default="", max_length=63)


@dataclass(frozen=True)
class HoldRecord(Record):
    """Who wants nothing further changed until somebody resumes."""

    by: str = doc("User name.", max_length=SHORT)
    at: datetime = doc("When the Decision was created.")
    reason: str = doc("Why.", default="", max_length=SHORT)
    role: str = doc("Role under which; empty: none.", default="", max_length=63)


@dataclass(frozen=True)
class RoleRecord(Record):
    """Who holds a role in this incident. What they may do is said by RBAC, not by this."""

    role: str = doc("Name of the role.", max_length=63)
    assignee: str = doc("User name of who holds it.", max_length=SHORT)
    by: str = doc("User name of who said so.", max_length=SHORT)
    at: datetime = doc("When the Decision was created.")

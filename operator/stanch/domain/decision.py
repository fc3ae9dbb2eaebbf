"""A Decision: what a person said with authority. The API server vouches for `by` and for the role."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Verb(StrEnum):
    Approve = "Approve"
    Reject = "Reject"
    Note = "Note"
    Resume = "Resume"
    Abort = "Abort"
    Close = "Close"
    # Somebody has it; and how grave it is.
    Acknowledge = "Acknowledge"
    Classify = "Classify"
    # About one step: what is so, how long its change stays yet, that it goes now.
    Confirm = "Confirm"
    Extend = "Extend"
    Revert = "Revert"
    # Nothing further is changed until a Resume.
    Hold = "Hold"
    # Who holds a role.
    Assign = "Assign"
    # A message may be told outside.
    Release = "Release"
    # Instead of the approvals that an option asks for.
    BreakGlass = "BreakGlass"


@dataclass(frozen=True)
class Decision:
    namespace: str
    name: str
    uid: str
    incident: str
    incident_uid: str
    verb: Verb
    role: str
    by: str
    reason: str
    option: str
    plan_digest: str
    created_at: datetime
    recorded: bool
    step: str = ""
    extend_by: timedelta | None = None
    ticket: str = ""
    severity: str = ""
    assignee: str = ""
    postmortem: str = ""
    message: str = ""
    message_digest: str = ""

"""What the shell tells `decide` after it was asked for an effect (outcomes)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from stanch.domain.messages import MessageRecord
from stanch.domain.plan import Pin, Plan, Ref
from stanch.domain.severity import Proposal
from stanch.domain.timeline import File, Head
from stanch.engine.figures import Block
from stanch.engine.parts import Reading, Value


@dataclass(frozen=True)
class Resolved:
    plan: Plan
    digest: str
    policy: Pin
    close_role: str
    facts: Mapping[str, str]
    pack_uri: str
    retention: timedelta | None = None
    # What would hold its first write up now; empty: nothing.
    blocked: str = ""
    proposal: Proposal | None = None
    # What the policy's ladder says: its severities, and of this one how soon somebody must take it on, and it must be mitigated.
    levels: tuple[str, ...] = ()
    respond_within: timedelta | None = None
    restore_within: timedelta | None = None
    # The policy's messages as they would be told, and the files of the pack that they are in.
    messages: tuple[MessageRecord, ...] = ()
    drafts: tuple[File, ...] = ()


@dataclass(frozen=True)
class CameBack:
    """An Incident without a past of its own, while a pack tells one (restored from a backup, applied again). `head` is the end
    of its own pack's chain, `attempt` and `captures` its last ones, where the object lost no more than its status.
    `retention`: how long it stays where nobody resumes it."""

    REASON: ClassVar[str] = "CameBack"

    message: str
    head: Head
    attempt: int = 1
    captures: int = 0
    retention: timedelta | None = None


@dataclass(frozen=True)
class Bound:
    plan: Plan
    digest: str


@dataclass(frozen=True)
class Captured:
    """`listing` is the file of the pack that lists every captured file with its hash, what is missing and what was cut."""

    at: datetime
    files: int
    bytes: int
    missing: tuple[str, ...]
    listing: File
    baseline: Mapping[str, Reading]


@dataclass(frozen=True)
class Prepared:
    """`image` is the Secret of the before-image, `before` its digest; `ref` is what is about to be changed."""

    resource_version: str
    before: str
    summary: str
    image: str = ""
    ref: Ref | None = None


@dataclass(frozen=True)
class Written:
    """`found` says that the write was there already: an earlier life of the operator did it. `failed`: it took effect and
    went wrong. `underway`: it goes on by itself, and is to be asked (Settle) until it is over."""

    summary: str
    found: bool
    failed: str = ""
    underway: bool = False
    output: Value | None = None
    files: tuple[File, ...] = ()


@dataclass(frozen=True)
class Unknown:
    """Nobody can tell whether the write took effect, and trying again could do it twice: a person must say."""

    message: str


@dataclass(frozen=True)
class Unneeded:
    """There is nothing to take back any more: somebody did it, or it never took effect."""

    message: str


@dataclass(frozen=True)
class Contested:
    """Somebody changed what would be taken back: it is not overwritten."""

    message: str


@dataclass(frozen=True)
class Gone:
    """What would be taken back is on no object any more: the target is gone, or its namespace goes."""

    message: str


@dataclass(frozen=True)
class Replaced:
    """What the plan would change is gone, or another object bears its name: nobody has approved that one."""

    message: str


@dataclass(frozen=True)
class Differs:
    """An option that asks for approvals would change something else than its plan shows. `plan` shows what it would change now."""

    plan: Plan
    digest: str
    message: str


@dataclass(frozen=True)
class Readings:
    """Check name -> what it saw."""

    of: Mapping[str, Reading]


@dataclass(frozen=True)
class Done:
    """Release, Mark and Collect worked; what Recognize looked at is the same."""


@dataclass(frozen=True)
class Sealed:
    """`uri` says where the pack is: an incident that was never planned has not told it before."""

    manifest: File
    uri: str = ""


@dataclass(frozen=True)
class Denied:
    """The effect is refused; another try changes nothing. `retention`: how long an Incident that cannot be planned stays."""

    reason: str
    message: str
    retention: timedelta | None = None


# Reasons of a `Later` while nothing of the incident may be written: its policy is suspended; another incident has the target.
FROZEN, LOCKED = "Frozen", "TargetLocked"


@dataclass(frozen=True)
class Later:
    """The effect could not be had now; try again after `after` seconds. Says nothing about whether a write arrived."""

    reason: str
    message: str
    after: float


@dataclass(frozen=True)
class Held:
    """A guard is against the step now. It is asked again after `after` seconds."""

    block: Block
    after: float


@dataclass(frozen=True)
class Stale:
    """Somebody else wrote first: the effect did not happen, prepare again."""

    message: str


Outcome = (
    Resolved | CameBack | Bound | Captured | Prepared | Written | Unknown | Unneeded | Contested | Gone | Replaced | Differs
    | Readings | Done | Sealed | Denied | Later | Held | Stale
)  # fmt: skip

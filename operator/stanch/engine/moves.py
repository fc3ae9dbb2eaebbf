"""What `decide` may ask of the shell (effects), and what the shell tells it afterwards (outcomes)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from stanch.domain.decision import Decision
from stanch.domain.incident import Facts, Status, Verdict
from stanch.domain.plan import Pin, Plan
from stanch.domain.timeline import File, Head


@dataclass(frozen=True)
class Resolve:
    """Find policy, playbook and targets; render, prove and store the plan."""

    attempt: int


@dataclass(frozen=True)
class Capture:
    """Capture evidence into the folder `label`; with `baseline`, read the checks of every option too."""

    label: str
    baseline: bool = False


@dataclass(frozen=True)
class Prepare:
    """Finalizer, lock, guards, before-image: everything that must stand before the step's intent."""

    option: str
    step: str
    token: str


@dataclass(frozen=True)
class Write:
    """Observe whether the step's write is there already; if not, write.

    With `fence` the intent is from an earlier life of the operator (or is being aborted): the target's version is moved on
    first, so that a write still under way from there meets a 409, then it is observed and nothing more.
    """

    option: str
    step: str
    token: str
    resource_version: str
    fence: bool


@dataclass(frozen=True)
class Read:
    """Read the option's checks once."""

    option: str


@dataclass(frozen=True)
class Release:
    """Give the locks back and take the finalizer off."""


@dataclass(frozen=True)
class Seal:
    """Write the pack's derived files and manifest over the chain up to `head`."""

    head: Head


@dataclass(frozen=True)
class Mark:
    """Write on the Decision itself what became of it. `effect` empty: it was recorded, with what effect the timeline says."""

    decision: str
    effect: str
    message: str


Effect = Resolve | Capture | Prepare | Write | Read | Release | Seal | Mark


@dataclass(frozen=True)
class Resolved:
    plan: Plan
    digest: str
    policy: Pin
    close_role: str
    facts: Mapping[str, str]
    pack_uri: str


@dataclass(frozen=True)
class Captured:
    """`listing` is the file of the pack that lists every captured file with its hash, what is missing and what was cut."""

    at: datetime
    files: int
    bytes: int
    missing: tuple[str, ...]
    listing: File
    baseline: Mapping[str, Verdict]


@dataclass(frozen=True)
class Prepared:
    resource_version: str
    before: str
    summary: str


@dataclass(frozen=True)
class Written:
    """`found` says that the write was there already: an earlier life of the operator did it."""

    summary: str
    found: bool


@dataclass(frozen=True)
class Readings:
    """Check name -> (verdict, what was seen, whether waiting cannot help)."""

    of: Mapping[str, tuple[Verdict, str, bool]]


@dataclass(frozen=True)
class Done:
    """Release and Mark worked."""


@dataclass(frozen=True)
class Sealed:
    """`uri` says where the pack is: an incident that was never planned has not told it before."""

    manifest: File
    uri: str = ""


@dataclass(frozen=True)
class Denied:
    """The effect is refused; another try changes nothing."""

    reason: str
    message: str


@dataclass(frozen=True)
class Later:
    """The effect could not be had now; try again after `after` seconds. Says nothing about whether a write arrived."""

    reason: str
    message: str
    after: float


@dataclass(frozen=True)
class Stale:
    """Somebody else wrote first: the effect did not happen, prepare again."""

    message: str


Outcome = Resolved | Captured | Prepared | Written | Readings | Done | Sealed | Denied | Later | Stale


@dataclass(frozen=True)
class Snapshot:
    """All that one decision is made from. `outcome` is what came of `effect`, the effect of the move before.
    `store_error` says why the pack cannot be written; empty: it can."""

    facts: Facts
    status: Status
    plan: Plan | None
    decisions: tuple[Decision, ...]
    epoch: int
    effect: Effect | None = None
    outcome: Outcome | None = None
    store_error: str = ""


@dataclass(frozen=True)
class Move:
    """The next status (to be stored before the effect), at most one effect, and when to look again without one."""

    status: Status
    effect: Effect | None
    wake_at: datetime | None

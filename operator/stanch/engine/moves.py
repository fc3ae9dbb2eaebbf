"""What `decide` may ask of the shell (effects), and what the shell tells it afterwards (outcomes)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from stanch.domain.decision import Decision
from stanch.domain.incident import Facts, Status
from stanch.domain.messages import MessageRecord
from stanch.domain.plan import Pin, Plan, Ref
from stanch.domain.severity import Proposal
from stanch.domain.timeline import File, Head
from stanch.engine.figures import Block
from stanch.engine.parts import Reading, Value
from stanch.engine.vouching import Lapse, Trust


class Checks(StrEnum):
    verify = "verify"
    smoke = "smoke"
    diagnosis = "diagnosis"
    recovery = "recovery"


@dataclass(frozen=True)
class Resolve:
    """Find policy, playbook and targets; render, prove and store the plan."""

    attempt: int


@dataclass(frozen=True)
class Bind:
    """Fill what diagnosis found into the plan, prove and store it anew: what is approved is what will be run."""

    facts: Mapping[str, str]


@dataclass(frozen=True)
class Capture:
    """Capture evidence into the folder `label`, for no longer than `budget`; with `baseline`, read the checks of every option
    too."""

    label: str
    budget: timedelta
    baseline: bool = False


@dataclass(frozen=True)
class Recognize:
    """Look whether the targets of this option are still the objects that the plan is about, and whether it would still change what
    the plan shows. `approvals`: so many there were; what was seen before another one says nothing about what that one is for."""

    option: str
    approvals: int = 0


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
    """Read these checks once: those of `option`'s verification, of its step's smoke test, of the diagnosis, of recovery."""

    of: Checks
    option: str = ""
    step: str = ""


@dataclass(frozen=True)
class Settle:
    """Look how far a step that goes on by itself has come."""

    option: str
    step: str
    token: str


@dataclass(frozen=True)
class PrepareRevert:
    """Read what a step changed, and find the change that takes it back. `token` is the step's."""

    token: str
    image: str
    digest: str


@dataclass(frozen=True)
class WriteRevert:
    """Observe whether the taking back is there already; if not, write it. `fence` as in Write."""

    token: str
    image: str
    digest: str
    resource_version: str
    fence: bool


@dataclass(frozen=True)
class Collect:
    """Delete what the incident no longer needs beside its pack: its plans and before-images, then itself and its Decisions."""


@dataclass(frozen=True)
class Release:
    """Give the locks back and take the finalizer off. `keep`: UIDs of objects that still owe something; the finalizer stays
    with them."""

    keep: tuple[str, ...] = ()


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


Effect = (
    Resolve | Bind | Capture | Recognize | Prepare | Write | Settle | Read | PrepareRevert | WriteRevert | Release | Seal | Mark
    | Collect
)  # fmt: skip


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


@dataclass(frozen=True)
class Marks:
    """What came of marking Decisions in this tick, by their names. `failing`: the API server took one of them not now."""

    marked: frozenset[str] = frozenset()
    unmarked: frozenset[str] = frozenset()
    failing: bool = False

    def after(self, mark: Mark, outcome: Outcome) -> Marks:
        if isinstance(outcome, Done):
            return replace(self, marked=self.marked | {mark.decision})
        return replace(self, unmarked=self.unmarked | {mark.decision}, failing=self.failing or isinstance(outcome, Later))


@dataclass(frozen=True)
class Snapshot:
    """All that one decision is made from. `outcome` is what came of `effect`, the effect of the move before.
    `store_error` says why the pack cannot be written; empty: it can. `trust`: whether the API server vouches for `decisions`;
    `lapses`: what else it does not vouch for. `marks`: of `decisions`, what was marked since this tick began.
    `crowd`: how many incidents wait for a time at which they are looked at again."""

    facts: Facts
    status: Status
    plan: Plan | None
    decisions: tuple[Decision, ...]
    epoch: int
    trust: Trust
    effect: Effect | None = None
    outcome: Outcome | None = None
    store_error: str = ""
    lapses: tuple[Lapse, ...] = ()
    marks: Marks = Marks()
    crowd: int = 0


@dataclass(frozen=True)
class Move:
    """The next status (to be stored before the effect), at most one effect, and when to look again without one."""

    status: Status
    effect: Effect | None
    wake_at: datetime | None

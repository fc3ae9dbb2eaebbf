"""What `decide` may ask of the shell (effects), what it decides from, and what it decides. What the shell answers: `outcomes`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from stanch.domain.decision import Decision
from stanch.domain.incident import Facts, Status
from stanch.domain.plan import Plan
from stanch.domain.timeline import Head
from stanch.engine.outcomes import Done, Later, Outcome
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

"""An incident as the engine sees it: the facts it opened with, and its status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from stanch.domain.conditions import Condition
from stanch.domain.plan import Pin, Target
from stanch.domain.record import SHORT, TEXT, Record, doc
from stanch.domain.timeline import Entry, Head

FORMAT_VERSION = 1


class Phase(StrEnum):
    """Where an incident stands. The legal ways between them are the table in `engine.transitions`."""

    Opened = "Opened"
    Capturing = "Capturing"
    Diagnosing = "Diagnosing"
    AwaitingApproval = "AwaitingApproval"
    Mitigating = "Mitigating"
    Verifying = "Verifying"
    Holding = "Holding"
    Mitigated = "Mitigated"
    Resolved = "Resolved"
    Closed = "Closed"
    Waiting = "Waiting"
    Escalated = "Escalated"
    Aborting = "Aborting"
    Aborted = "Aborted"
    Failed = "Failed"


# Nothing is locked, owed or watched any more. Resolved is among them: what is left to do is a person's Close.
SETTLED = frozenset({Phase.Resolved, Phase.Closed, Phase.Aborted, Phase.Failed})
TERMINAL = frozenset({Phase.Closed, Phase.Aborted, Phase.Failed})


class Mode(StrEnum):
    Live = "Live"
    DryRun = "DryRun"


class StepState(StrEnum):
    """Intended: its intent is stored, whether it was written is to be observed. The rest is final."""

    Intended = "Intended"
    Done = "Done"
    Refused = "Refused"
    Failed = "Failed"


class OptionState(StrEnum):
    Skipped = "Skipped"
    Running = "Running"
    Denied = "Denied"
    Inconclusive = "Inconclusive"
    Failed = "Failed"
    Confirmed = "Confirmed"


class Verdict(StrEnum):
    """What a check says. `Inconclusive` covers every way of not knowing, and is never success."""

    Confirmed = "Confirmed"
    Denied = "Denied"
    Inconclusive = "Inconclusive"


@dataclass(frozen=True)
class Facts:
    """What the incident opened with: its identity and spec, as far as the engine needs them."""

    namespace: str
    name: str
    uid: str
    generation: int
    created_at: datetime
    opened_by: str
    title: str
    type: str
    severity: str
    component: str
    mode: Mode
    labels: Mapping[str, str]
    deleted: bool = False


@dataclass(frozen=True)
class OptionRecord(Record):
    name: str = doc("Name of the option.", max_length=63)
    state: OptionState = doc("What became of it.")
    message: str = doc("Why.", default="", max_length=TEXT)
    started_at: datetime | None = doc("When it was chosen.", default=None)


@dataclass(frozen=True)
class StepRecord(Record):
    option: str = doc("Name of the option.", max_length=63)
    name: str = doc("Name of the step.", max_length=63)
    state: StepState = doc("What became of it.")
    token: str = doc("Marks this step's write on the target.", default="", max_length=SHORT)
    epoch: int = doc("Leader epoch that the intent was written under.", default=0, ge=0)
    attempts: int = doc("How often its write was prepared.", default=1, ge=0)
    resource_version: str = doc("Version of the target that the write was prepared against.", default="", max_length=63)
    before: str = doc("SHA-256 of the stored before-image.", default="", max_length=71)
    message: str = doc("What it changed, or why it did not.", default="", max_length=TEXT)
    intended_at: datetime | None = doc("When its intent was stored.", default=None)
    done_at: datetime | None = doc("When its result was recorded.", default=None)


@dataclass(frozen=True)
class CheckRecord(Record):
    name: str = doc("Name of the check.", max_length=63)
    verdict: Verdict = doc("Latest reading.")
    baseline: Verdict | None = doc("Reading from before the first change.", default=None)
    message: str = doc("What was seen.", default="", max_length=TEXT)


@dataclass(frozen=True)
class EvidenceRecord(Record):
    at: datetime | None = doc("When the latest capture began.", default=None)
    captures: int = doc("How many captures were made.", default=0, ge=0)
    files: int = doc("Files captured.", default=0, ge=0)
    bytes: int = doc("Bytes captured.", default=0, ge=0)
    missing: tuple[str, ...] = doc("What could not be captured, and why (the first few).", default=(), max_length=16)
    missing_count: int = doc("How many things could not be captured.", default=0, ge=0)


@dataclass(frozen=True)
class ApprovalRecord(Record):
    decision: str = doc("Name of the Decision.", max_length=SHORT)
    option: str = doc("Option that was approved.", max_length=63)
    role: str = doc("Role under which.", max_length=63)
    by: str = doc("User name.", max_length=SHORT)
    at: datetime = doc("When the Decision was created.")


@dataclass(frozen=True)
class PackRecord(Record):
    uri: str = doc("Where the pack is.", default="", max_length=TEXT)
    head: Head = doc("End of the hash chain.", factory=Head)
    sealed: int = doc("Entries covered by the latest seal; 0 before the first.", default=0, ge=0)
    manifest: str = doc("SHA-256 of the sealed manifest.", default="", max_length=71)
    # Written with the status, flushed to the store after it: compare-and-swap on the status decides between two leaders,
    # so the chain in the store never forks and a crash between the two writes loses nothing.
    pending: tuple[Entry, ...] = doc("Entries that this status adds to the chain.", default=(), max_length=24)


@dataclass(frozen=True)
class Status(Record):
    """All that must survive a restart. Bounded; history lives in the pack."""

    format_version: int = doc("How to read this status.", default=FORMAT_VERSION, ge=1)
    observed_generation: int = doc("Generation of the spec that this status is about.", default=0, ge=0)
    epoch: int = doc("Leader epoch that wrote this status.", default=0, ge=0)
    phase: Phase = doc("Where the incident stands.", default=Phase.Opened)
    phase_since: datetime | None = doc("Since when.", default=None)
    reason: str = doc("One CamelCase word on why.", default="", max_length=63)
    message: str = doc("One sentence for the person on call.", default="", max_length=TEXT)
    at: str = doc("Option and step under way, or tried last.", default="", max_length=SHORT)
    waits_for: str = doc("The person or event that the incident waits for.", default="", max_length=SHORT)
    wake_at: datetime | None = doc("When stanch looks again by itself.", default=None)
    deadline: datetime | None = doc("End of the current phase's patience.", default=None)
    hold_until: datetime | None = doc("End of the hold.", default=None)
    attempt: int = doc("How many times the incident was planned.", default=1, ge=1)
    playbook: Pin | None = doc("The playbook, as it was when planned.", default=None)
    policy: Pin | None = doc("The ResponsePolicy, as it was when opened.", default=None)
    service_account: Pin | None = doc("The identity that steps run under.", default=None)
    plan_digest: str = doc("SHA-256 of the stored plan; approvals name it.", default="", max_length=71)
    targets: tuple[Target, ...] = doc("Objects that the plan may touch.", default=(), max_length=200)
    close_role: str = doc("Role whose Close decision ends the incident; empty: none needed.", default="", max_length=63)
    facts: Mapping[str, str] = doc("What diagnosis found; times in RFC 3339.", factory=dict, max_length=64)
    option: str = doc("Option under way.", default="", max_length=63)
    options: tuple[OptionRecord, ...] = doc("What became of each option so far.", default=(), max_length=16)
    steps: tuple[StepRecord, ...] = doc("What became of each step so far.", default=(), max_length=64)
    checks: tuple[CheckRecord, ...] = doc("Latest reading of each check of the current option.", default=(), max_length=16)
    approvals: tuple[ApprovalRecord, ...] = doc("Approvals that count.", default=(), max_length=32)
    decisions: tuple[str, ...] = doc("UIDs of the Decisions recorded last.", default=(), max_length=32)
    evidence: EvidenceRecord = doc("What was captured.", factory=EvidenceRecord)
    pack: PackRecord = doc("The evidence folder.", factory=PackRecord)
    locked: bool = doc("Whether targets may be locked and the finalizer set.", default=False)
    conditions: tuple[Condition, ...] = doc("Conditions, as kstatus reads them.", default=(), max_length=16)

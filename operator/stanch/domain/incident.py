"""An incident as the engine sees it: the facts it opened with, and its status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from stanch.domain.conditions import Condition
from stanch.domain.messages import MOST, MessageRecord
from stanch.domain.plan import Pin, Ref, Target
from stanch.domain.record import SHORT, TEXT, Record, doc
from stanch.domain.said import AckRecord, ApprovalRecord, ClassRecord, GlassRecord, HoldRecord, RoleRecord
from stanch.domain.severity import Assessment, Proposal
from stanch.domain.timeline import Entry, Head

FORMAT_VERSION = 3
# As many as one attempt has steps, so that it names each object that it changes.
CHANGES = 64


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
    """Intended: its intent is stored, whether it was written is to be observed. Waiting: it was written (or there is nothing to
    write), and its end is awaited: time, a person, its smoke checks. Indeterminate: a person must say what happened.
    The rest is final."""

    Intended = "Intended"
    Waiting = "Waiting"
    Indeterminate = "Indeterminate"
    Skipped = "Skipped"
    Done = "Done"
    Refused = "Refused"
    Failed = "Failed"


class RevertState(StrEnum):
    """Owed: to be done at its time. Intended: its intent is stored. Conflict: somebody changed what it would take back, or it
    would undo what stays.
    Blocked: it is not permitted or cannot be read now; tried again. These are open. The rest is final: Kept, the change stays
    as the playbook says; Abandoned, its target is gone; Released, a person answers for it."""

    Owed = "Owed"
    Intended = "Intended"
    Conflict = "Conflict"
    Blocked = "Blocked"
    Done = "Done"
    Kept = "Kept"
    Abandoned = "Abandoned"
    Released = "Released"


OPEN_REVERTS = frozenset({RevertState.Owed, RevertState.Intended, RevertState.Conflict, RevertState.Blocked})


class RecoveryStage(StrEnum):
    """How far recovery has come, while the phase is Mitigated."""

    Checking = "Checking"
    Removing = "Removing"
    Rechecking = "Rechecking"
    Done = "Done"


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
    """What the incident opened with: its identity and spec, as far as the engine needs them. `severity` is what a person
    classified it as, once one has."""

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
    assessment: Assessment = field(default_factory=Assessment)
    started_at: datetime | None = None

    @property
    def detected_at(self) -> datetime:
        """From when the policy's times count: whoever opens an incident late, or says that it begins later, gains nothing."""
        return min(self.started_at or self.created_at, self.created_at)


@dataclass(frozen=True)
class OptionRecord(Record):
    name: str = doc("Name of the option.", max_length=63)
    state: OptionState = doc("What became of it.")
    message: str = doc("Why.", default="", max_length=TEXT)
    started_at: datetime | None = doc("When it was chosen.", default=None)
    asked_anew: int = doc("How often people were asked anew, as it would have changed something else.", default=0, ge=0)


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
    written_at: datetime | None = doc(
        "When it was known to be written; of what goes on by itself, over. Checks judge the time since.", default=None
    )
    smoke_since: datetime | None = doc("Since when its smoke checks are read.", default=None)
    hold_until: datetime | None = doc("End of its smoke checks' hold.", default=None)
    done_at: datetime | None = doc("When its result was recorded.", default=None)


@dataclass(frozen=True)
class RevertRecord(Record):
    """A change that is to be taken back. It needs no plan: all that it takes stands in its image."""

    option: str = doc("Name of the option.", max_length=63)
    step: str = doc("Name of the step.", max_length=63)
    state: RevertState = doc("How it stands.")
    ref: Ref = doc("The object that was changed.")
    token: str = doc("Marks the write that is to be taken back.", max_length=SHORT)
    image: str = doc("Name of the Secret with the before-image and the change.", max_length=SHORT)
    digest: str = doc("SHA-256 of that image.", max_length=71)
    due_at: datetime | None = doc("When it is taken back at the latest; absent: not by time.", default=None)
    on_recovery: bool = doc("Whether it is taken back when the incident has recovered.", default=False)
    epoch: int = doc("Leader epoch that its intent was written under.", default=0, ge=0)
    attempts: int = doc("How often its write was prepared.", default=0, ge=0)
    resource_version: str = doc("Version of the object that it was prepared against.", default="", max_length=63)
    message: str = doc("What it took back, or why it did not.", default="", max_length=SHORT)
    follows: str = doc("Step whose taking back this one follows.", default="", max_length=63)
    last: bool = doc("Whether it comes after everything else: it gives back who would undo the rest.", default=False)
    asks: bool = doc("Whether a person says when: it would undo a change that stays.", default=False)
    demanded: bool = doc("Whether it was asked for, whatever its time.", default=False)
    retry_at: datetime | None = doc("When it is tried again after a failure.", default=None)
    done_at: datetime | None = doc("When its end was recorded.", default=None)


@dataclass(frozen=True)
class ChangeRecord(Record):
    """A change, or its taking back, of any attempt: what the pace of further changes is judged by."""

    token: str = doc("Marks the write.", default="", max_length=SHORT)
    target: str = doc("UID of the object; empty: it was about none; *: of objects that are named no more.", default="",
                      max_length=63)  # fmt: skip
    at: datetime | None = doc("When it was intended; once it is over, its end.", default=None)
    kind: str = doc("Kind of the object.", default="", max_length=63)
    name: str = doc("Name of the object.", default="", max_length=SHORT)
    count: int = doc("How many changes it stands for: itself, and earlier ones that no longer have a place.", default=1, ge=1)


@dataclass(frozen=True)
class EndRecord(Record):
    """How an attempt ended that changed something."""

    playbook: Pin = doc("The playbook, as it was then.")
    at: datetime = doc("When it changed something last.")
    helped: bool = doc("Whether that helped.", default=False)


@dataclass(frozen=True)
class CheckRecord(Record):
    name: str = doc("Name of the check.", max_length=63)
    verdict: Verdict = doc("Latest reading.")
    value: str = doc("What was measured, as text; empty where nothing is.", default="", max_length=SHORT)
    baseline: Verdict | None = doc("Reading from before the first change.", default=None)
    baseline_value: str = doc("What was measured before the first change.", default="", max_length=SHORT)
    message: str = doc("What was seen.", default="", max_length=TEXT)


@dataclass(frozen=True)
class EvidenceRecord(Record):
    at: datetime | None = doc("When the latest capture began.", default=None)
    captures: int = doc("How many captures were made.", default=0, ge=0)
    files: int = doc("Files captured.", default=0, ge=0)
    bytes: int = doc("Bytes captured.", default=0, ge=0)
    missing: tuple[str, ...] = doc("What could not be captured, and why (the first few).", default=(), max_length=16)
    missing_count: int = doc("How many things could not be captured.", default=0, ge=0)
    # Counted before a capture's first file is written: whoever goes on later, or again, never writes into its folder.
    begun: int = doc("How many captures were begun; each has its number in its folder's name.", default=0, ge=0)
    began: datetime | None = doc("When the capture under way was first tried; its budget counts from here.", default=None)
    again_at: datetime | None = doc("When it is tried again, where it could not be stored.", default=None)


@dataclass(frozen=True)
class VouchRecord(Record):
    mark: str = doc("UIDs and generations of the admission policy and its binding; none: they did not vouch.", max_length=SHORT)
    since: datetime | None = doc("Decisions that were made before do not count.", default=None)


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
    waits_until: datetime | None = doc("Until when whoever it waits for can answer; absent: as long as it takes.", default=None)
    wake_at: datetime | None = doc("When stanch looks again by itself.", default=None)
    deadline: datetime | None = doc("End of the current phase's patience.", default=None)
    hold_until: datetime | None = doc("End of the hold.", default=None)
    attempt: int = doc("How many times the incident was planned.", default=1, ge=1)
    playbook: Pin | None = doc("The playbook, as it was when planned.", default=None)
    policy: Pin | None = doc("The ResponsePolicy, as it was when opened.", default=None)
    service_account: Pin | None = doc("The identity that steps run under.", default=None)
    plan_digest: str = doc("SHA-256 of the stored plan; approvals name it.", default="", max_length=71)
    targets: tuple[Target, ...] = doc("Objects that the plan may touch.", default=(), max_length=200)
    proposal: Proposal | None = doc("Severity that the policy's criteria propose.", default=None)
    close_role: str = doc("Role whose Close decision ends the incident; empty: none needed.", default="", max_length=63)
    facts: Mapping[str, str] = doc("What diagnosis found; times in RFC 3339.", factory=dict, max_length=64)
    option: str = doc("Option under way.", default="", max_length=63)
    options: tuple[OptionRecord, ...] = doc("What became of each option so far.", default=(), max_length=16)
    steps: tuple[StepRecord, ...] = doc("What became of each step so far.", default=(), max_length=64)
    reverts: tuple[RevertRecord, ...] = doc("Changes to take back, and the latest that were.", default=(), max_length=64)
    open_reverts: int = doc("How many changes are still to be taken back.", default=0, ge=0)
    changes: tuple[ChangeRecord, ...] = doc("The changes, the latest last.", default=(), max_length=CHANGES)
    ended: EndRecord | None = doc("Of the attempts before this one, how the latest ended that changed something.", default=None)
    resumed: bool = doc("Whether a person's Resume began this attempt.", default=False)
    diagnosed: bool = doc("Whether the diagnosis of this attempt has ended.", default=False)
    recovery: RecoveryStage | None = doc("How far recovery has come.", default=None)
    recovery_since: datetime | None = doc("Since when.", default=None)
    close_granted: bool = doc("Whether the Close that the policy asks for was given.", default=False)
    retention: timedelta | None = doc("How long the object stays after its end; absent: for good.", default=None)
    delete_at: datetime | None = doc("When the object is deleted; its pack stays.", default=None)
    watch_until: datetime | None = doc("Until when a relapse reopens the incident.", default=None)
    checks: tuple[CheckRecord, ...] = doc("Latest reading of each check that matters now.", default=(), max_length=32)
    approvals: tuple[ApprovalRecord, ...] = doc("Approvals that count.", default=(), max_length=32)
    acknowledged: AckRecord | None = doc("Who took it on first.", default=None)
    acknowledge_by: datetime | None = doc("Until when somebody should have; absent: at any time.", default=None)
    unheeded: bool = doc("Whether nobody had taken it on by then.", default=False)
    restore_by: datetime | None = doc("Until when it should have been mitigated (RTO); absent: at any time.", default=None)
    restored_at: datetime | None = doc("Since when it is mitigated; absent: it is not.", default=None)
    unrestored: bool = doc("Whether it was not mitigated by then.", default=False)
    levels: tuple[str, ...] = doc("Severities that the policy knows, the gravest first.", default=(), max_length=10)
    classified: ClassRecord | None = doc("How grave a person said last that it is.", default=None)
    held: HoldRecord | None = doc("Who holds it up; absent: nobody.", default=None)
    roles: tuple[RoleRecord, ...] = doc("Who holds which role.", default=(), max_length=16)
    messages: tuple[MessageRecord, ...] = doc("Messages to people outside.", default=(), max_length=MOST)
    broken_glass: tuple[GlassRecord, ...] = doc("Options that were let run without their approvals.", default=(), max_length=16)
    postmortem: str = doc("Where the postmortem is, as who closed it said.", default="", max_length=SHORT)
    decisions: tuple[str, ...] = doc("UIDs of the Decisions recorded last.", default=(), max_length=32)
    vouched: VouchRecord | None = doc("What vouches for Decisions.", default=None)
    evidence: EvidenceRecord = doc("What was captured.", factory=EvidenceRecord)
    pack: PackRecord = doc("The evidence folder.", factory=PackRecord)
    rests: bool = doc("Whether stanch has nothing more to do by itself, until the object is to be deleted.", default=False)
    locked: bool = doc("Whether targets may be locked and the finalizer set.", default=False)
    conditions: tuple[Condition, ...] = doc("Conditions, as kstatus reads them.", default=(), max_length=16)

"""A plan: one playbook, rendered for one incident, on exactly these objects. Its digest is what an approval binds to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from stanch.domain.guards import Guards
from stanch.domain.record import SHORT, TEXT, Record, doc

# How the last line of a preview begins that is not whole.
CUT = "… cut"


class Risk(StrEnum):
    Low = "Low"
    Medium = "Medium"
    High = "High"


class OnFailure(StrEnum):
    """What follows when an option was denied."""

    Next = "Next"
    Stop = "Stop"


class OnMissing(StrEnum):
    """What follows when evidence is incomplete at the end of its budget."""

    Block = "Block"
    Proceed = "Proceed"


class OnOwnerConflict(StrEnum):
    """What follows when somebody would take a step's change back."""

    Fail = "Fail"
    SuspendOwner = "SuspendOwner"


class FactType(StrEnum):
    """What a fact is in CEL. In a status its value is text."""

    String = "String"
    Integer = "Integer"
    Number = "Number"
    Boolean = "Boolean"


@dataclass(frozen=True)
class Ref(Record):
    """One object of the cluster. `uid` empty means: whichever bears this name."""

    api_version: str = doc("API version, e.g. apps/v1.", max_length=SHORT)
    kind: str = doc("Kind, e.g. Deployment.", max_length=63)
    namespace: str = doc("Namespace; empty for a cluster-scoped object.", max_length=63)
    name: str = doc("Name.", max_length=SHORT)
    uid: str = doc("UID; an object re-created under the same name is another one.", default="", max_length=63)

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"


@dataclass(frozen=True)
class Target(Record):
    """A named target of the playbook, resolved."""

    name: str = doc("Name of the target in the playbook.", max_length=63)
    ref: Ref = doc("The object it was resolved to.")


@dataclass(frozen=True)
class Pin(Record):
    """An object of stanch, or the ServiceAccount, as it was when the incident was planned."""

    name: str = doc("Name.", max_length=SHORT)
    uid: str = doc("UID.", default="", max_length=63)
    generation: int = doc("Generation that was read.", default=0, ge=0)


@dataclass(frozen=True)
class Parameter(Record):
    """One parameter of the playbook and the value that it has in this plan."""

    name: str = doc("Name.", max_length=63)
    type: FactType = doc("Type.")
    value: str = doc("Value, as text of its type. Data, whatever it looks like.", max_length=TEXT)


@dataclass(frozen=True)
class Check(Record):
    """One verification, or one question of the diagnosis."""

    name: str = doc("Name of the check.", max_length=63)
    check: str = doc("Kind of check, e.g. http.", max_length=63)
    params: Mapping[str, Any] = doc("The check's parameters, rendered.", factory=dict)
    target: str = doc("Name of the target it looks at; empty where it looks at none.", default="", max_length=63)
    within: timedelta = doc("How long it may take to become true.", default=timedelta(minutes=2))
    hold_for: timedelta = doc("How long it must then stay true.", default=timedelta())
    fact: FactType | None = doc("In a diagnosis, the type of the fact that its value becomes.", default=None)
    unbound: tuple[str, ...] = doc("Where in `params` facts are still to be filled in: JSON pointers.", default=(), max_length=64)


@dataclass(frozen=True)
class Revert(Record):
    """When a step's change is taken back."""

    after: timedelta | None = doc("This long after the change, whatever happens; absent: not by time.", default=None)
    on_recovery: bool = doc("Whether it is taken back when the incident has recovered.", default=True)


@dataclass(frozen=True)
class Step(Record):
    """One step: one action, on one target where it has one."""

    name: str = doc("Name of the step.", max_length=63)
    action: str = doc("Name of the action, e.g. rolloutUndo.", max_length=63)
    target: str = doc("Name of the target that it changes; empty where it has none.", default="", max_length=63)
    params: Mapping[str, Any] = doc("The action's parameters, rendered.", factory=dict)
    expect: str = doc("What is expected of it (the decision log's expectation).", default="", max_length=TEXT)
    when: str = doc("CEL over incident and facts; false: the step is skipped. Empty: always.", default="", max_length=TEXT)
    timeout: timedelta = doc("Longest time from its start to the end of its smoke checks.", default=timedelta(minutes=10))
    smoke: tuple[Check, ...] = doc("Checks right after the step; one that fails stops the option.", default=())
    revert: Revert | None = doc("When it is taken back; absent: not by itself.", default=None)
    owner: str = doc("Name of the step that suspends who keeps its target as Git says; empty: none.", default="", max_length=63)
    last: bool = doc("Whether it is taken back after everything else of its incident.", default=False)
    follows: str = doc("Name of the step that this one belongs to (a restart of consumers); reverted after it.", default="",
                       max_length=63)  # fmt: skip
    writes: bool = doc("Whether it changes anything: waiting and asking do not.", default=True)
    reversible: bool = doc("Whether its action has an inverse.", default=False)
    at_most_once: bool = doc("Whether a lost answer leaves it unknown what happened.", default=False)
    pause: timedelta | None = doc("It does nothing but wait for this long.", default=None)
    role: str = doc("It does nothing but wait for a Confirm under this role.", default="", max_length=63)
    fact: str = doc("Name of the fact that its output becomes; empty: none.", default="", max_length=63)
    fact_type: FactType = doc("Type of that fact.", default=FactType.String)
    preview: str = doc("What the dry run said it would change.", default="", max_length=65536)
    proven: bool = doc("Whether the server's dry run admitted the write.", default=False)
    change: str = doc("Digest of the change that was shown; `none`: it would have been refused; empty: it is not known, or it "
                      "changes nothing. An approval is for this change.", default="", max_length=71)  # fmt: skip
    unbound: tuple[str, ...] = doc("Where in `params` facts are still to be filled in: JSON pointers.", default=(), max_length=64)

    @property
    def cut(self) -> bool:
        """Whether the preview is not whole: its last line says so, also in plans of versions before."""
        return self.preview.rpartition("\n")[2].startswith(CUT)


@dataclass(frozen=True)
class Approval(Record):
    """Who must say yes before an option is run."""

    roles: Mapping[str, int] = doc("Role -> number of distinct people.", factory=dict)
    timeout: timedelta = doc("After this, silence is a no.", default=timedelta(minutes=15))


@dataclass(frozen=True)
class Option(Record):
    """One ordered way to mitigate."""

    name: str = doc("Name of the option.", max_length=63)
    steps: tuple[Step, ...] = doc("Steps, in order.", default=())
    verify: tuple[Check, ...] = doc("Checks that tell whether it helped.", default=())
    when: str = doc("CEL over incident and facts; empty: always.", default="", max_length=TEXT)
    risk: Risk = doc("Risk of the option.", default=Risk.Low)
    approval: Approval | None = doc("Approval that it needs.", default=None)
    on_failure: OnFailure = doc("What follows when it did not help.", default=OnFailure.Next)
    revert_on_failure: bool = doc("Whether its reversible steps are taken back when it did not help.", default=False)
    timeout: timedelta = doc("Longest time from its first step to the end of its verification.", default=timedelta(minutes=30))
    last_resort: bool = doc("Whether it is only for when every other one was tried.", default=False)


@dataclass(frozen=True)
class Source(Record):
    """One source of evidence and its parameters."""

    source: str = doc("Kind of source, e.g. logs.", max_length=63)
    params: Mapping[str, Any] = doc("The source's parameters.", factory=dict)
    target: str = doc("Name of the target; empty: all targets.", default="", max_length=63)


@dataclass(frozen=True)
class EvidencePlan(Record):
    """What is captured before the first change."""

    sources: tuple[Source, ...] = doc("Sources.", default=())
    budget: timedelta = doc("Longest time that the capture may delay a change.", default=timedelta(seconds=30))
    on_failure: OnMissing = doc("What follows when something is missing.", default=OnMissing.Block)


@dataclass(frozen=True)
class Recovery(Record):
    """How mitigation ends: checks before and after what was temporary is taken back."""

    verify: tuple[Check, ...] = doc("Checks that must be true and hold, before the removal and after it.", default=())
    watch_for: timedelta = doc("How long after that a relapse reopens the incident.", default=timedelta())


@dataclass(frozen=True)
class Occasion(Record):
    """What the incident said when it was planned: conditions are about this, whatever is edited later."""

    type: str = doc("Type of incident.", default="", max_length=63)
    severity: str = doc("Severity.", default="", max_length=63)
    component: str = doc("Component; empty: none.", default="", max_length=SHORT)
    labels: Mapping[str, str] = doc("Labels.", factory=dict)


@dataclass(frozen=True)
class Purpose(Record):
    """What the playbook says about itself, for those who approve and for those who audit."""

    summary: str = doc("The symptom, in one line.", default="", max_length=256)
    when_to_use: str = doc("When the playbook is the right one.", default="", max_length=TEXT)
    when_not_to_use: str = doc("When it is the wrong one.", default="", max_length=TEXT)
    controls: tuple[str, ...] = doc("Identifiers of controls that it implements.", default=())


@dataclass(frozen=True)
class Plan(Record):
    """Everything that may be done for one incident, fixed when it was opened."""

    incident_uid: str = doc("UID of the incident.", max_length=63)
    attempt: int = doc("How many times the incident was planned.", ge=1)
    playbook: Pin = doc("The playbook.")
    service_account: Pin = doc("The ServiceAccount that reads and steps run under.")
    namespace: str = doc("Namespace of playbook, incident and ServiceAccount.", max_length=63)
    targets: tuple[Target, ...] = doc("All that the plan may change, but for their owners.", default=())
    owners: tuple[Target, ...] = doc("Who keeps targets as Git says, and is suspended before they are changed.", default=())
    evidence: EvidencePlan = doc("What is captured first.", factory=EvidencePlan)
    diagnosis: tuple[Check, ...] = doc("Questions whose answers become facts.", default=())
    false_alarm: str = doc("CEL over incident and facts; true: there is nothing to mitigate.", default="", max_length=TEXT)
    recovery: Recovery = doc("How mitigation ends.", factory=Recovery)
    guards: Guards = doc("What may hold its steps up.", factory=Guards)
    observe_only: bool = doc("Whether the policy lets stanch plan and capture, and write nothing.", default=False)
    options: tuple[Option, ...] = doc("Ordered ways to mitigate.", default=())
    occasion: Occasion = doc("What the incident said.", factory=Occasion)
    parameters: tuple[Parameter, ...] = doc("Parameters and their values.", default=(), max_length=32)
    purpose: Purpose = doc("What the playbook says about itself.", factory=Purpose)
    allowed_origins: tuple[str, ...] = doc("Where HTTP checks may go beside the cluster, from the policy.", default=())

    def token(self, option: str, step: str) -> str:
        """Derived from incident, attempt, option and step, never from the clock: the same after a crash."""
        return f"{self.incident_uid}/{self.attempt}/{option}/{step}"

    def option(self, name: str) -> Option:
        return next(option for option in self.options if option.name == name)

    def target(self, name: str) -> Ref:
        return next(target.ref for target in self.touched if target.name == name)

    @property
    def touched(self) -> tuple[Target, ...]:
        return (*self.targets, *self.owners)

    def step(self, option: str, name: str) -> Step:
        return next(step for step in self.option(option).steps if step.name == name)

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every check that tells whether something helped; not the questions of the diagnosis."""
        smoke = (check for option in self.options for step in option.steps for check in step.smoke)
        return (*(check for option in self.options for check in option.verify), *smoke, *self.recovery.verify)

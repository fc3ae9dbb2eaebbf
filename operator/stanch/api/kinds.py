"""The four kinds as the API server serves them: names, columns, and the models of their spec and status."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from stanch.actions.registry import VERBS
from stanch.api.decision import Decision
from stanch.api.incident import Incident
from stanch.api.playbook import build
from stanch.api.policy import ResponsePolicy
from stanch.checks.registry import CHECKS
from stanch.domain.incident import Status
from stanch.domain.objects import DecisionStatus, DeclaredStatus
from stanch.domain.record import Record
from stanch.evidence.registry import SOURCES


@dataclass(frozen=True)
class Column:
    """One column of `kubectl get`; `wide` ones show with `-o wide` only. `path` is a JSONPath."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False


@dataclass(frozen=True)
class Kind:
    """One kind. `selectable` are JSONPaths that field selectors may use (Kubernetes 1.32 and later)."""

    name: str
    plural: str
    short: str
    scope: str
    description: str
    spec: type[BaseModel]
    status: type[Record]
    columns: tuple[Column, ...]
    selectable: tuple[str, ...] = ()


AGE = Column("Age", ".metadata.creationTimestamp", "date")
READY = Column("Ready", ".status.conditions[?(@.type=='Ready')].status")
WHY = Column("Message", ".status.conditions[?(@.type=='Ready')].message", wide=True)

PlaybookSpec = build(VERBS.values(), CHECKS.values(), SOURCES.values())


def playbook_kind(spec: type[BaseModel]) -> Kind:
    return Kind(
        "Playbook", "playbooks", "pb", "Namespaced",
        "How to mitigate one kind of incident, step by step, with evidence before, checks after and approvals between.",
        spec, DeclaredStatus,
        (
            READY,
            Column("Summary", ".spec.summary"),
            Column("Suspended", ".spec.suspend", "boolean", wide=True),
            Column("Runs As", ".spec.serviceAccountName", wide=True),
            WHY,
            AGE,
        ),
    )  # fmt: skip


INCIDENT = Kind(
    "Incident", "incidents", "inc", "Namespaced",
    "One incident: what is wrong, and where its mitigation stands. Its history is in its pack.",
    Incident, Status,
    (
        Column("Sev", ".spec.severity"),
        Column("Phase", ".status.phase"),
        Column("Playbook", ".status.playbook.name"),
        Column("At", ".status.at"),
        Column("Waits For", ".status.waitsFor"),
        Column("Until", ".status.waitsUntil"),
        Column("Reverts", ".status.openReverts", "integer"),
        AGE,
        Column("Message", ".status.message", wide=True),
        Column("Title", ".spec.title", wide=True),
        Column("Opened By", ".spec.openedBy", wide=True),
        Column("Commander", ".status.roles[?(@.role=='incident-commander')].assignee", wide=True),
        Column("Classified", ".status.classified.severity", wide=True),
        Column("Acknowledged By", ".status.acknowledged.by", wide=True),
        Column("Glass Broken", ".status.conditions[?(@.type=='GlassBroken')].status", wide=True),
        Column("Pack", ".status.pack.uri", wide=True),
    ),
    (".status.phase", ".status.rests", ".spec.severity"),
)  # fmt: skip

POLICY = Kind(
    "ResponsePolicy", "responsepolicies", "rp", "Cluster",
    "One organisation's ladder of severities, and what holds for every incident under it.",
    ResponsePolicy, DeclaredStatus,
    (
        Column("Default", ".spec.default", "boolean"),
        Column("Ready", READY.path),
        Column("Close Role", ".spec.closeRole"),
        WHY,
        AGE,
    ),
)  # fmt: skip

DECISION = Kind(
    "Decision", "decisions", "dec", "Namespaced",
    "What a person says with authority about one Incident. Created once, never changed.",
    Decision, DecisionStatus,
    (
        Column("Incident", ".spec.incidentRef.name"),
        Column("Verb", ".spec.verb"),
        Column("By", ".spec.by"),
        Column("Role", ".spec.role"),
        Column("Effect", ".status.effect"),
        AGE,
        Column("Reason", ".spec.reason", wide=True),
        Column("Message", ".status.message", wide=True),
    ),
    (".spec.incidentRef.name", ".status.recordedAt"),
)  # fmt: skip

KINDS = (INCIDENT, playbook_kind(PlaybookSpec), POLICY, DECISION)

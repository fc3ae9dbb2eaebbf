"""What stanch says about the objects that people declare: Playbooks, ResponsePolicies and Decisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from stanch.domain.conditions import Condition
from stanch.domain.record import TEXT, Record, doc


class Readiness(StrEnum):
    """Every reason of the condition `Ready` of a Playbook or ResponsePolicy."""

    Valid = "Valid"
    Invalid = "Invalid"
    PermissionMissing = "PermissionMissing"
    PermissionUnknown = "PermissionUnknown"
    DependsOnIncident = "DependsOnIncident"


@dataclass(frozen=True)
class DeclaredStatus(Record):
    """Status of a Playbook or ResponsePolicy."""

    observed_generation: int = doc("Generation of the spec that this status is about.", default=0, ge=0)
    conditions: tuple[Condition, ...] = doc(
        "Conditions, as kstatus reads them. Ready is True with reason Valid. It is False with Invalid where lint finds an error,"
        " and with PermissionMissing where a Playbook's ServiceAccount is not there, or it or stanch may not do what is needed."
        " It is Unknown with PermissionUnknown where that could not be asked, and with DependsOnIncident where some objects are"
        " permitted and the incident tells which one is needed. Permissions are asked for again every few minutes.",
        default=(),
        max_length=16,
    )


class Standing(StrEnum):
    """What became of a Decision. `NoEffect` covers the late, the contradictory and the void; its message says which."""

    Counted = "Counted"
    NoEffect = "NoEffect"


@dataclass(frozen=True)
class DecisionStatus(Record):
    recorded_at: datetime | None = doc("When stanch wrote it into the timeline.", default=None)
    effect: Standing | None = doc("Whether it changed the incident's course.", default=None)
    message: str = doc("What it changed, or why it did not.", default="", max_length=TEXT)

"""What stanch says about the objects that people declare: Playbooks, ResponsePolicies and Decisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from stanch.domain.conditions import Condition
from stanch.domain.record import TEXT, Record, doc


@dataclass(frozen=True)
class DeclaredStatus(Record):
    """Status of a Playbook or ResponsePolicy. `Ready` is False with reason `Invalid` when lint finds an error in it."""

    observed_generation: int = doc("Generation of the spec that this status is about.", default=0, ge=0)
    conditions: tuple[Condition, ...] = doc("Conditions, as kstatus reads them.", default=(), max_length=16)


class Standing(StrEnum):
    """What became of a Decision. `NoEffect` covers the late, the contradictory and the void; its message says which."""

    Counted = "Counted"
    NoEffect = "NoEffect"


@dataclass(frozen=True)
class DecisionStatus(Record):
    recorded_at: datetime | None = doc("When stanch wrote it into the timeline.", default=None)
    effect: Standing | None = doc("Whether it changed the incident's course.", default=None)
    message: str = doc("What it changed, or why it did not.", default="", max_length=TEXT)

"""What guards judge by, and what they say. A figure that could not be read is `Unknown`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from stanch.domain.guards import Guards as Limits
from stanch.engine.availability import Pods, Unknown, Unseen


@dataclass(frozen=True)
class Budget:
    """A PodDisruptionBudget over the target's pods, and how many more of them it lets go."""

    name: str
    allowed: int | Unknown


@dataclass(frozen=True)
class Underway:
    """How many other incidents of the policy are being mitigated; `mine`: this one is one of them already."""

    others: int = 0
    mine: bool = False


@dataclass(frozen=True)
class Touched:
    """The latest change that another incident made of an object: at its end, or as it was intended."""

    by: str
    at: datetime


@dataclass(frozen=True)
class Past:
    """What incidents did until now. `opened`: when those of the policy were, lately; `changes`: when they changed something, both
    the earliest first; `failures`: how many of the playbook failed in a row."""

    touched: Touched | None = None
    opened: tuple[datetime, ...] = ()
    changes: tuple[datetime, ...] = ()
    failures: int = 0


@dataclass(frozen=True)
class Input:
    """All that guards judge by. `pods` None: the step takes none; `target` is what it changes, for people. `attended`: a person
    said yes to it, or its option has begun."""

    limits: Limits
    now: datetime
    target: str = ""
    underway: Underway | Unknown = field(default_factory=Underway)
    past: Past | Unknown = field(default_factory=Past)
    attended: bool = False
    pods: Pods | Unseen | None = None
    budgets: tuple[Budget, ...] | Unknown = ()


@dataclass(frozen=True)
class Block:
    """Why a step is held up: which guard, what it saw, what it lets pass, what would lift it. `until`: when time alone does;
    `people`: no time does."""

    guard: str
    figure: str
    limit: str
    lifts: str
    until: datetime | None = None
    people: bool = False

    def __str__(self) -> str:
        return f"{self.guard}: {self.figure}; {self.limit}; lifted by {self.lifts}"

"""What guards judge by, and what they say. A figure that could not be read is `Unknown`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from stanch.domain.guards import Guards as Limits
from stanch.engine.availability import Pods, Unknown, Unseen


@dataclass(frozen=True)
class Rollout:
    """Another workload over whose pods a budget is, too: which incident changed it, or is about to, and with how many of its pods
    its controller is not done yet."""

    what: str
    by: str
    to_go: int
    wanted: int


@dataclass(frozen=True)
class Budget:
    """A PodDisruptionBudget over the target's pods, and how many more of them it lets go. `beside`: who may be about to take some
    of these."""

    name: str
    allowed: int | Unknown
    selector: Mapping[str, Any] | None = None
    beside: Rollout | None = None


@dataclass(frozen=True)
class Underway:
    """How many other incidents of the policy are being mitigated; `mine`: this one is one of them already."""

    others: int = 0
    mine: bool = False


@dataclass(frozen=True)
class Touched:
    """The latest change that another incident made of an object: at its end, or as it was intended. Not `named`: that incident
    changed more objects than its status names, and this may be one of them."""

    by: str
    at: datetime
    named: bool = True


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
    said yes to it, or its option has begun. `untried`: options that come before it, a last resort, and were not tried."""

    limits: Limits
    now: datetime
    target: str = ""
    underway: Underway | Unknown = field(default_factory=Underway)
    past: Past | Unknown = field(default_factory=Past)
    attended: bool = False
    pods: Pods | Unseen | None = None
    budgets: tuple[Budget, ...] | Unknown = ()
    untried: tuple[str, ...] = ()


# How a block is told, and found again among other reasons why an option did not help.
BY_GUARD = "held up by"


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

"""What is known about how grave an incident is, by which criteria a ladder judges it, and what that proposes."""

from __future__ import annotations

from dataclasses import dataclass

from stanch.domain.record import TEXT, Record, doc


@dataclass(frozen=True)
class Assessment:
    """None: nobody knows."""

    users_affected: int | None = None
    complete_outage: bool | None = None
    workaround: bool | None = None


@dataclass(frozen=True)
class Criterion:
    """Holds where all that it says holds; None: it does not say. `users_affected` is the least share, in percent."""

    users_affected: int | None = None
    complete_outage: bool | None = None
    workaround: bool | None = None


@dataclass(frozen=True)
class Rung:
    """One level of a ladder: any one of its criteria is enough."""

    severity: str
    criteria: tuple[Criterion, ...] = ()


@dataclass(frozen=True)
class Proposal(Record):
    severity: str = doc("Severity that the policy's criteria propose; empty: none. A person confirms it by Classify; stanch never "
                        "changes it.", default="", max_length=63)  # fmt: skip
    message: str = doc("Why, and what is not known that could make it graver, or propose one.", default="", max_length=TEXT)

"""What may hold a change up, and how far: limits of playbook and policy, as they were when the incident was planned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from stanch.domain.record import Record, doc


class Budgets(StrEnum):
    """Whether PodDisruptionBudgets hold steps up."""

    Respect = "Respect"
    Ignore = "Ignore"


class Day(StrEnum):
    Monday = "Monday"
    Tuesday = "Tuesday"
    Wednesday = "Wednesday"
    Thursday = "Thursday"
    Friday = "Friday"
    Saturday = "Saturday"
    Sunday = "Sunday"


@dataclass(frozen=True)
class FreezeWindow(Record):
    """A time in which nothing is changed: every week from `start_time` on `days` for `duration`, or once from `start` to `end`.
    All times are those of a clock on the wall in `time_zone`."""

    name: str = doc("Name of the window.", max_length=63)
    time_zone: str = doc("Time zone by its IANA name.", max_length=63)
    days: tuple[Day, ...] = doc("Days of the week on which it begins.", default=())
    start_time: str = doc("Time of day at which it begins, e.g. 18:00.", default="", max_length=5)
    duration: timedelta = doc("How long it lasts, by the clock on the wall.", default=timedelta())
    start: str = doc("When it begins, e.g. 2026-12-20T18:00.", default="", max_length=16)
    end: str = doc("When it ends.", default="", max_length=16)


@dataclass(frozen=True)
class Guards(Record):
    """The limits that hold for one incident. What a policy exempts it from is not among them."""

    policy: str = doc("Name of the ResponsePolicy.", default="", max_length=253)
    min_available: str = doc("Fewest pods that a step may leave available, or their share; empty: one of several.", default="",
                             max_length=8)  # fmt: skip
    budgets: Budgets = doc("Whether PodDisruptionBudgets hold steps up.", default=Budgets.Respect)
    freeze_windows: tuple[FreezeWindow, ...] = doc("When nothing is changed.", default=())
    concurrent_incidents: int = doc("Most incidents that are mitigated at a time.", default=10, ge=1)
    cooldown: timedelta = doc("How long after another incident's change a target is not changed; none: at once.",
                              default=timedelta(minutes=5))  # fmt: skip
    consecutive_failures: int = doc("Incidents in a row that a playbook may fail.", default=3, ge=1)
    changes_per_hour: int = doc("Most changes within an hour.", default=60, ge=1)
    storm_incidents: int = doc("Most incidents that may be opened within `storm_within`.", default=30, ge=1)
    storm_within: timedelta = doc("What counts as a storm when more are opened.", default=timedelta(minutes=10))

"""One line of the table: what was measured, against what, and whether it is within its limit. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.bench.intervals import Interval, of_median, ratio_of_medians


class Verdict(StrEnum):
    within = "within"
    beyond = "BEYOND"
    shown = ""


@dataclass(frozen=True)
class Limit:
    """At most, or at least, so much: of the ratio where there is one, else of the value."""

    bound: float
    at_least: bool = False

    def holds(self, found: Interval) -> bool:
        """Beyond only where the better end of the interval is beyond."""
        return found.high >= self.bound if self.at_least else found.low <= self.bound

    @property
    def sign(self) -> str:
        return "≥" if self.at_least else "≤"


@dataclass(frozen=True)
class Row:
    """`value` is in `unit`. `baseline` names what `ratio` compares it with."""

    what: str
    unit: str
    samples: int
    value: Interval
    baseline: str = ""
    ratio: Interval | None = None
    limit: Limit | None = None

    @property
    def verdict(self) -> Verdict:
        if self.limit is None:
            return Verdict.shown
        return Verdict.within if self.limit.holds(self.ratio or self.value) else Verdict.beyond


def at_most(bound: float) -> Limit:
    return Limit(bound)


def at_least(bound: float) -> Limit:
    return Limit(bound, at_least=True)


def median_row(what: str, unit: str, samples: Sequence[float], limit: Limit | None = None) -> Row:
    return Row(what, unit, len(samples), of_median(samples), limit=limit)


def compared_row(
    what: str, unit: str, ours: Sequence[float], baseline: str, theirs: Sequence[float], limit: Limit | None = None
) -> Row:
    """Pairs, see `ratio_of_medians`."""
    return Row(what, unit, len(ours), of_median(ours), baseline, ratio_of_medians(ours, theirs), limit)


def last_line(rows: Sequence[Row], missing: Sequence[str] = ()) -> str:
    """`missing`: measurements that gave no rows."""
    judged = [row.verdict for row in rows if row.limit]
    untold = f"; not measured: {', '.join(missing)}" if missing else ""
    return f"bench: {judged.count(Verdict.within)} of {len(judged)} within limits{untold}"

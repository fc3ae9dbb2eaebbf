"""A trial: checks that must become true in their time and then stay true. No data is never success.

One judgement for every place where checks decide: a step's smoke test, an option's verification, recovery.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from stanch.domain.incident import CheckRecord, Verdict
from stanch.domain.plan import Check
from stanch.engine.outcomes import Later, Readings
from stanch.engine.parts import Reading
from stanch.engine.turn import Turn, clip, spelled

POLL_AT_LEAST, POLL_AT_MOST = timedelta(seconds=1), timedelta(seconds=10)


@dataclass(frozen=True)
class Trial:
    """`since`: when the checks' time began; `ends`: after that nothing is waited for. `hold_until`: set while they must hold."""

    checks: tuple[Check, ...]
    since: datetime
    ends: datetime
    hold_until: datetime | None = None


@dataclass(frozen=True)
class Pending:
    wake_in: timedelta


@dataclass(frozen=True)
class Hold:
    """All are confirmed, and must now stay so."""

    until: datetime
    length: timedelta


@dataclass(frozen=True)
class Lost:
    """Whether it holds is not known any more: it begins anew."""

    why: str


@dataclass(frozen=True)
class Passed:
    """All are confirmed and have stayed so."""


@dataclass(frozen=True)
class Failed:
    """`denied`: a check says no; otherwise it was never known."""

    why: str
    denied: bool


Standing = Pending | Hold | Lost | Passed | Failed


def judge(trial: Trial, outcome: Readings | Later, now: datetime) -> tuple[Standing, Mapping[str, Reading]]:
    """How the trial stands, and a reading for each of its checks: what could not be read is inconclusive."""
    readings = known(trial, outcome)
    return (holding if trial.hold_until else becoming)(trial, readings, now), readings


def known(trial: Trial, outcome: Readings | Later) -> Mapping[str, Reading]:
    of = outcome.of if isinstance(outcome, Readings) else {}
    unread = Reading(Verdict.Inconclusive, outcome.message if isinstance(outcome, Later) else "not read")
    return {check.name: of.get(check.name, unread) for check in trial.checks}


def becoming(trial: Trial, readings: Mapping[str, Reading], now: datetime) -> Standing:
    if all(seen.verdict is Verdict.Confirmed for seen in readings.values()):
        length = max((check.hold_for for check in trial.checks), default=timedelta())
        return Hold(now + length, length)
    if over := [check for check in trial.checks if gave_up(trial, check, readings[check.name], now)]:
        return failed(over, readings)
    return Pending(poll(trial))


def gave_up(trial: Trial, check: Check, seen: Reading, now: datetime) -> bool:
    """Whether this check has failed for good: it says so itself, its time is over, or the whole trial's is."""
    if seen.verdict is Verdict.Confirmed:
        return False
    return seen.final or now >= trial.since + check.within or now >= trial.ends


def holding(trial: Trial, readings: Mapping[str, Reading], now: datetime) -> Standing:
    assert trial.hold_until is not None
    if denied := [check for check in trial.checks if readings[check.name].verdict is Verdict.Denied]:
        return failed(denied, readings)
    if unknown := [check for check in trial.checks if readings[check.name].verdict is Verdict.Inconclusive]:
        return Lost(told(unknown, readings))
    if now >= trial.hold_until:
        return Passed()
    return Pending(min(poll(trial), trial.hold_until - now))


def failed(checks: list[Check], readings: Mapping[str, Reading]) -> Failed:
    return Failed(told(checks, readings), any(readings[check.name].verdict is Verdict.Denied for check in checks))


def told(checks: list[Check], readings: Mapping[str, Reading]) -> str:
    return "; ".join(f"{check.name}: {readings[check.name].message}" for check in checks)


def poll(trial: Trial) -> timedelta:
    shortest = min((check.within for check in trial.checks), default=POLL_AT_MOST)
    return min(max(shortest / 20, POLL_AT_LEAST), POLL_AT_MOST)


def summary(readings: Mapping[str, Reading]) -> str:
    return "; ".join(f"{name}: {seen.message}" for name, seen in readings.items())


def note(turn: Turn, readings: Mapping[str, Reading]) -> None:
    """Keeps the latest reading of each check beside its baseline."""
    before = {record.name: record for record in turn.status.checks}
    rest = tuple(record for record in turn.status.checks if record.name not in readings)
    turn.set(checks=(*rest, *(latest(name, seen, before.get(name)) for name, seen in readings.items())))


def latest(name: str, seen: Reading, before: CheckRecord | None) -> CheckRecord:
    record = before or CheckRecord(name, seen.verdict)
    return replace(record, verdict=seen.verdict, value=spelled(seen.value), message=clip(seen.message))

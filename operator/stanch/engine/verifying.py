"""Verifying and Holding: the checks must become true in their time and then stay true. No data is never success."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from stanch.domain.duration import spell
from stanch.domain.incident import CheckRecord, OptionState, Verdict
from stanch.domain.plan import Check
from stanch.engine.mitigating import fail
from stanch.engine.moves import Later, Move, Read, Readings
from stanch.engine.transitions import Event
from stanch.engine.turn import Turn, clip

POLL_AT_LEAST, POLL_AT_MOST = timedelta(seconds=1), timedelta(seconds=10)


def verifying(turn: Turn) -> Move | None:
    readings = turn.take(Read, Readings, Later)
    if readings is None:
        return turn.move(Read(turn.option.name))
    readings = known(turn, readings)
    if all(verdict(readings, check) is Verdict.Confirmed for check in turn.option.verify):
        confirm(turn, readings)
        return None
    if failed := [check for check in turn.option.verify if gave_up(turn, check, readings)]:
        deny(turn, failed, readings)
        return None
    return turn.move(wake_in=poll(turn))


def known(turn: Turn, outcome: Readings | Later) -> Readings:
    """A reading for every check of the option: what could not be read is inconclusive."""
    of = outcome.of if isinstance(outcome, Readings) else {}
    why = outcome.message if isinstance(outcome, Later) else "not read"
    unread = (Verdict.Inconclusive, why, False)
    return Readings({check.name: of.get(check.name, unread) for check in turn.option.verify})


def verdict(readings: Readings, check: Check) -> Verdict:
    return readings.of[check.name][0]


def gave_up(turn: Turn, check: Check, readings: Readings) -> bool:
    """Whether this check has failed for good: it says so itself, its time is over, or the option's is."""
    seen, _, final = readings.of[check.name]
    if seen is Verdict.Confirmed:
        return False
    over = turn.now >= turn.status.phase_since + check.within
    return final or over or turn.now >= ends(turn)


def ends(turn: Turn):
    return turn.option_record.started_at + turn.option.timeout


def confirm(turn: Turn, readings: Readings) -> None:
    hold = max((check.hold_for for check in turn.option.verify), default=timedelta())
    note(turn, readings)
    turn.say(turn.key("verify", turn.option.name, "confirmed"), "Verify", expectation=f"{len(readings.of)} checks confirmed",
             result=summary(readings), next=f"hold for {spell(hold)}" if hold else "mitigated")  # fmt: skip
    turn.go(Event.ChecksConfirmed, "ChecksConfirmed", f"Option {turn.option.name}: all checks confirmed, holding {spell(hold)}")
    turn.set(hold_until=turn.now + hold)


def deny(turn: Turn, failed: list[Check], readings: Readings) -> None:
    note(turn, readings)
    denied = any(verdict(readings, check) is Verdict.Denied for check in failed)
    state = OptionState.Denied if denied else OptionState.Inconclusive
    fail(turn, state, "; ".join(f"{check.name}: {readings.of[check.name][1]}" for check in failed))


def holding(turn: Turn) -> Move | None:
    readings = turn.take(Read, Readings, Later)
    if readings is None:
        return turn.move(Read(turn.option.name))
    return judge(turn, known(turn, readings))


def judge(turn: Turn, readings: Readings) -> Move | None:
    if broken := [check for check in turn.option.verify if verdict(readings, check) is Verdict.Denied]:
        deny(turn, broken, readings)
    elif unknown := [check for check in turn.option.verify if verdict(readings, check) is Verdict.Inconclusive]:
        lose(turn, "; ".join(f"{check.name}: {readings.of[check.name][1]}" for check in unknown))
    elif turn.now >= turn.status.hold_until:
        hold(turn, readings)
    else:
        return turn.move(wake_in=min(poll(turn), turn.status.hold_until - turn.now))
    return None


def lose(turn: Turn, why: str) -> None:
    turn.say(turn.key("hold", turn.option.name, "lost"), "Hold", expectation="the checks stay true", result=f"unknown: {why}",
             next="verify again")  # fmt: skip
    turn.go(Event.HoldLost, "HoldLost", f"Option {turn.option.name}: {why}")


def hold(turn: Turn, readings: Readings) -> None:
    note(turn, readings)
    turn.close_option(replace(turn.option_record, state=OptionState.Confirmed, message=clip(summary(readings))))
    turn.say(turn.key("hold", turn.option.name, "held"), "Hold", expectation="the checks stay true", result=summary(readings),
             next="mitigated")  # fmt: skip
    turn.go(Event.Held, "Held", f"Option {turn.option.name} helped")


def note(turn: Turn, readings: Readings) -> None:
    """Keeps the latest reading of each check beside its baseline."""
    baseline = {record.name: record.baseline for record in turn.status.checks}
    rest = tuple(record for record in turn.status.checks if record.name not in readings.of)
    latest = tuple(CheckRecord(name, seen, baseline.get(name), clip(message)) for name, (seen, message, _) in readings.of.items())
    turn.set(checks=(*rest, *latest))


def summary(readings: Readings) -> str:
    return "; ".join(f"{name}: {message}" for name, (_, message, _) in readings.of.items())


def poll(turn: Turn) -> timedelta:
    shortest = min(check.within for check in turn.option.verify)
    return min(max(shortest / 20, POLL_AT_LEAST), POLL_AT_MOST)

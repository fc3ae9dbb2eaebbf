"""Verifying and Holding: whether the option helped, and whether that lasts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from stanch.domain.duration import spell
from stanch.domain.incident import OptionState
from stanch.engine import debts
from stanch.engine.mitigating import fail
from stanch.engine.moves import Checks, Move, Read
from stanch.engine.outcomes import Later, Readings
from stanch.engine.parts import Reading
from stanch.engine.transitions import Event
from stanch.engine.trial import Failed, Hold, Lost, Passed, Pending, Trial, judge, note, summary
from stanch.engine.turn import Turn, clip

# Why a new leader lets a hold begin anew: it has not seen the checks stay true.
UNWATCHED = "the operator was away during the hold"


def verifying(turn: Turn) -> Move | None:
    return trying(turn, trial(turn))


def holding(turn: Turn) -> Move | None:
    return trying(turn, replace(trial(turn), hold_until=turn.status.hold_until))


def trial(turn: Turn) -> Trial:
    began = turn.option_record.started_at or turn.now
    return Trial(turn.option.verify, turn.status.phase_since or turn.now, began + turn.option.timeout)


def trying(turn: Turn, this: Trial) -> Move | None:
    outcome = turn.take(Read, Readings, Later)
    if outcome is None:
        return turn.move(Read(Checks.verify, turn.option.name))
    standing, readings = judge(this, outcome, turn.now)
    match standing:
        case Pending(wake_in):
            return turn.move(wake_in=wake_in)
        case Hold():
            confirm(turn, readings, standing)
        case Passed():
            hold(turn, readings)
        case Lost(why):
            lose(turn, why)
        case Failed(why, denied):
            note(turn, readings)
            fail(turn, OptionState.Denied if denied else OptionState.Inconclusive, why)
    return None


def confirm(turn: Turn, readings: Mapping[str, Reading], standing: Hold) -> None:
    note(turn, readings)
    length = spell(standing.length)
    turn.say(turn.key("verify", turn.option.name, "confirmed"), "Verify", expectation=f"{len(readings)} checks confirmed",
             result=summary(readings), next=f"hold for {length}" if standing.length else "mitigated")  # fmt: skip
    turn.go(Event.ChecksConfirmed, "ChecksConfirmed", f"Option {turn.option.name}: all checks confirmed, holding {length}")
    turn.set(hold_until=standing.until)


def lose(turn: Turn, why: str) -> None:
    turn.say(turn.key("hold", turn.option.name, "lost"), "Hold", expectation="the checks stay true", result=f"unknown: {why}",
             next="verify again")  # fmt: skip
    turn.go(Event.HoldLost, "HoldLost", f"Option {turn.option.name}: {why}")


def hold(turn: Turn, readings: Mapping[str, Reading]) -> None:
    note(turn, readings)
    turn.close_option(replace(turn.option_record, state=OptionState.Confirmed, message=clip(summary(readings))))
    debts.keep(turn, turn.option.name)
    turn.say(turn.key("hold", turn.option.name, "held"), "Hold", expectation="the checks stay true", result=summary(readings),
             next="recover")  # fmt: skip
    turn.go(Event.Held, "Held", f"Option {turn.option.name} helped")

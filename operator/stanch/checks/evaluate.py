"""What several readings say together, and what a failure to read says. Pure. No data is never success."""

from __future__ import annotations

from collections.abc import Iterable

from stanch.domain.incident import Verdict
from stanch.engine.errors import Failure, NotFound, Refused
from stanch.engine.parts import Reading

NOTHING_READ = Reading(Verdict.Inconclusive, "nothing was read")


def combine(readings: Iterable[Reading]) -> Reading:
    """Denied if one is, else Inconclusive if one is (or none was read), else Confirmed.

    The message is that of the readings that decided; final if one of these is.
    """
    every = tuple(readings)
    for verdict in (Verdict.Denied, Verdict.Inconclusive, Verdict.Confirmed):
        if decided := [reading for reading in every if reading.verdict is verdict]:
            return Reading(verdict, "; ".join(item.message for item in decided), any(item.final for item in decided))
    return NOTHING_READ


def unread(failure: Failure) -> Reading:
    """Not having been able to read is inconclusive; final where another try changes nothing.

    An object that is absent may come: something else may be creating it.
    """
    final = isinstance(failure, Refused) and not isinstance(failure, NotFound)
    return Reading(Verdict.Inconclusive, f"could not be read: {failure.message}", final)


def confirmed(message: str) -> Reading:
    return Reading(Verdict.Confirmed, message)


def denied(message: str, *, final: bool = False) -> Reading:
    return Reading(Verdict.Denied, message, final)


def unknown(message: str, *, final: bool = False) -> Reading:
    return Reading(Verdict.Inconclusive, message, final)

"""Readings in one word each, and what a failure to read says. Pure. No data is never success."""

from __future__ import annotations

from stanch.domain.incident import Verdict
from stanch.engine.errors import Failure, NotFound, Refused
from stanch.engine.parts import Reading


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

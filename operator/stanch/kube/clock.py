"""Two times: the API server's clock, as far as its `Date` headers tell, and local time that nobody sets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

from stanch.engine.errors import Retryable


class ServerClock:
    """Implements `engine.ports.Clock`. Never ahead of the API server, behind it by at most about a second.

    A `Date` header says the second in which the answer was made, somewhere between sending and receiving. Each answer
    so bounds the server's offset from the local monotonic clock from both sides, and the bounds narrow with every
    answer. `now` takes the lower one: a time-box may end late by a moment, never early (design, invariant 4). The local
    wall clock is never looked at, so that setting it changes nothing.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._offset: float | None = None

    def observe(self, date: str, sent: float, received: float) -> None:
        """Takes in one answer: its `Date` header, and the monotonic times of sending and receiving."""
        second = _second(date)
        if second is None:
            return
        least, most = second - received, second + 1 - sent
        # Above `most` it was ahead: the server's clock was set back, or another server answers.
        self._offset = least if self._offset is None else min(max(self._offset, least), most)

    def now(self) -> datetime:
        """The API server's time (UTC). `Retryable` before its first answer."""
        if self._offset is None:
            raise Retryable("ClockUnknown", "the API server has not answered yet, so its time is not known")
        return datetime.fromtimestamp(self._monotonic() + self._offset, UTC)


def _second(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None


class Ticks(Protocol):
    """Local time that nobody sets: seconds from an arbitrary start."""

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class SystemTicks:
    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

"""When something happened, by incident and in order: what guards on pace ask at each write, with thousands of incidents."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from datetime import datetime

from stanch.runtime.queue import Key


class Times:
    """Truthy while it holds any."""

    def __init__(self) -> None:
        self._of: dict[Key, tuple[datetime, ...]] = {}
        self._ordered: list[datetime] = []

    def __len__(self) -> int:
        return len(self._ordered)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Times) and self._of == other._of

    __hash__ = None  # type: ignore[assignment]

    def but(self, incident: Key) -> Iterator[tuple[datetime, Key]]:
        """The latest of each other incident."""
        return ((times[-1], key) for key, times in self._of.items() if key != incident)

    @property
    def ordered(self) -> tuple[datetime, ...]:
        """The earliest first."""
        return tuple(self._ordered)

    def add(self, incident: Key, *times: datetime) -> None:
        self._of[incident] = (*self._of.get(incident, ()), *times)
        for at in times:
            insort(self._ordered, at)

    def pop(self, incident: Key) -> tuple[datetime, ...]:
        """Forgets what is known of the incident; empty: nothing was."""
        times = self._of.pop(incident, ())
        for at in times:
            del self._ordered[bisect_left(self._ordered, at)]
        return times

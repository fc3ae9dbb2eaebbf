"""Freeze windows: whether one is open, and until when. Pure; time zones by their IANA names.

A window is said by the clock on the wall, and so it stays where clocks change: from Friday 18:00 for 62 hours ends on Monday at
08:00, also in the night in which an hour is left out. Where the clock shows its start or end twice, or never, the longer window
counts: an hour of waiting costs less than a change in the freeze.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from stanch.domain.guards import Day, FreezeWindow

DAYS = tuple(Day)
# The longest window lasts a week; and tomorrow's may have begun, where the clock leaves midnight out.
BACK, AHEAD = 8, 1


def closed_until(window: FreezeWindow, now: datetime) -> datetime | None:
    """When the window ends that holds now; None: none does. Raises `ZoneInfoNotFoundError` (a KeyError) or `ValueError`."""
    zone = ZoneInfo(window.time_zone)
    ends = (end for begin, end in spans(window, now.astimezone(zone).date(), zone) if begin <= now < end)
    return max(ends, default=None)


def spans(window: FreezeWindow, today: date, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """Begin and end of each time that it may hold around this day."""
    if window.start:
        begin, end = datetime.fromisoformat(window.start), datetime.fromisoformat(window.end)
        yield earliest(begin, zone), latest(end, zone)
    for back in range(-AHEAD, BACK + 1):
        day = today - timedelta(days=back)
        if DAYS[day.weekday()] in window.days:
            begin = datetime.combine(day, time.fromisoformat(window.start_time))
            yield earliest(begin, zone), latest(begin + window.duration, zone)


def earliest(wall: datetime, zone: ZoneInfo) -> datetime:
    return min(instants(wall, zone))


def latest(wall: datetime, zone: ZoneInfo) -> datetime:
    return max(instants(wall, zone))


def instants(wall: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Both readings of a time on the wall; mostly they are one."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second

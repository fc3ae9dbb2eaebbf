"""Freeze windows by the clock on the wall: their edges, over midnight and the week's end, and where clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanch.domain.guards import Day, FreezeWindow
from stanch.engine.windows import closed_until

BERLIN = "Europe/Berlin"
SECOND = timedelta(seconds=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def weekly(day: Day, start: str, hours: float, zone: str = BERLIN) -> FreezeWindow:
    return FreezeWindow("w", zone, (day,), start, timedelta(hours=hours))


def edges(window: FreezeWindow, begin: str, end: str) -> None:
    """It holds from the first second of `begin` to the last one before `end`, and says so."""
    first, last = utc(begin), utc(end)
    assert closed_until(window, first - SECOND) is None and closed_until(window, last) is None
    assert closed_until(window, first) == closed_until(window, last - SECOND) == last


@pytest.mark.parametrize(
    ("window", "begin", "end"),
    [
        # Winter: an hour before UTC's clock. Over midnight, over the week's end.
        (weekly(Day.Friday, "18:00", 62), "2026-11-20T17:00", "2026-11-23T07:00"),
        (weekly(Day.Saturday, "22:00", 8), "2026-11-21T21:00", "2026-11-22T05:00"),
        (weekly(Day.Sunday, "23:59", 1, "UTC"), "2026-11-22T23:59", "2026-11-23T00:59"),
        # In the night to the 29th of March an hour is left out, in that to the 25th of October one comes twice: the end stays at 8.
        (weekly(Day.Friday, "18:00", 62), "2026-03-27T17:00", "2026-03-30T06:00"),
        (weekly(Day.Friday, "18:00", 62), "2026-10-23T16:00", "2026-10-26T07:00"),
        # Begins, or ends, at 02:30: a time that comes twice, and one that never comes. The longer window counts.
        (weekly(Day.Sunday, "02:30", 2), "2026-10-25T00:30", "2026-10-25T03:30"),
        (weekly(Day.Sunday, "01:00", 1.5), "2026-10-24T23:00", "2026-10-25T01:30"),
        (weekly(Day.Sunday, "02:30", 2), "2026-03-29T00:30", "2026-03-29T02:30"),
        (weekly(Day.Sunday, "01:00", 1.5), "2026-03-29T00:00", "2026-03-29T01:30"),
        # Clocks leave midnight out, and the day begins at one.
        (weekly(Day.Sunday, "00:00", 3, "America/Asuncion"), "2024-10-06T03:00", "2024-10-06T06:00"),
        # Half an hour, and the other side of the world's date line.
        (weekly(Day.Monday, "00:00", 24, "Asia/Kolkata"), "2026-11-22T18:30", "2026-11-23T18:30"),
        (weekly(Day.Monday, "00:00", 24, "Pacific/Kiritimati"), "2026-11-22T10:00", "2026-11-23T10:00"),
    ],
)  # fmt: skip
def test_weekly(window: FreezeWindow, begin: str, end: str) -> None:
    edges(window, begin, end)


def test_once() -> None:
    window = FreezeWindow("year-end", BERLIN, start="2026-12-20T18:00", end="2027-01-04T08:00")
    edges(window, "2026-12-20T17:00", "2027-01-04T07:00")


def test_a_whole_week_never_opens() -> None:
    window = weekly(Day.Monday, "09:00", 168)
    for hours in range(0, 8 * 24, 5):
        assert closed_until(window, utc("2026-11-16T00:00") + timedelta(hours=hours)) is not None


@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)),
    st.sampled_from(list(Day)),
    st.integers(0, 23),
    st.integers(1, 168),
    st.sampled_from(["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe"]),
)
def test_it_holds_until_the_end_that_it_tells_and_no_longer_than_its_week(
    at: datetime, day: Day, hour: int, hours: int, zone: str
) -> None:
    window, now = weekly(day, f"{hour:02}:00", hours, zone), at.replace(tzinfo=UTC)
    until = closed_until(window, now)
    if until is not None:
        assert now < until <= now + timedelta(hours=hours + 2)
        assert closed_until(window, until - SECOND) is not None
        assert hours > 160 or closed_until(window, until) is None

"""Text that a tired person reads in a terminal: tables, times, and values that cannot play tricks on the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

# C0 and C1 controls (terminal escapes), line separators, and the marks that reverse the direction of writing.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
VALUE = 512


def visible(value: Any, limit: int = VALUE) -> str:
    """`value` on one line: control characters as escapes, beyond `limit` characters cut, and that said."""
    text = str(value)
    rest = len(text) - limit
    shown = _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text[:limit])
    return f"{shown}… (+{rest} characters)" if rest > 0 else shown


def parse_time(value: Any) -> datetime | None:
    """A time as the API server writes it; None for an absent or unreadable one."""
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def clock_time(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if at else "unknown"


def when(value: Any, now: datetime) -> str:
    """`2026-11-21T08:00:00Z (12m before)`: the time, and how long before the capture it was."""
    at = parse_time(value)
    return f"{clock_time(at)} ({span(now - at)} before)" if at else "unknown"


def span(delta: timedelta) -> str:
    """In its two largest units: `3d4h`, `2m10s`. Never negative: clocks of two machines differ by a little."""
    seconds = max(0, int(delta.total_seconds()))
    units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    parts = [f"{seconds % larger // size}{unit}" for (unit, size), larger in zip(units, (10**12, 86400, 3600, 60), strict=True)]
    shown = [part for part in parts if not part.startswith("0")]
    return "".join(shown[:2]) or "0s"


def table(rows: Iterable[Sequence[str]]) -> list[str]:
    """Rows as aligned lines; the last column is not padded."""
    rows = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def indent(lines: Iterable[str], by: int = 2) -> list[str]:
    return [" " * by + line if line else line for line in lines]


def page(lines: Iterable[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")

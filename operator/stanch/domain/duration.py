"""Durations as Kubernetes writes them (GEP-2257): `30s`, `1h30m`. No signs, no fractions, a unit on every number.

A time-box that could be negative would revert before it began: what other parsers take (`-5m`, `1.5h`) is refused here.
"""

from __future__ import annotations

import re
from datetime import timedelta

PATTERN = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
# Four parts of at most five digits and two letters.
MAX_LENGTH = 28
_UNITS = {"h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1), "ms": timedelta(milliseconds=1)}


def parse(text: str) -> timedelta:
    """The duration that `text` says. Raises ValueError with what was expected."""
    if not re.fullmatch(PATTERN.strip("^$"), text):
        raise ValueError(f"{text!r} is not a duration: expected numbers with units h, m, s or ms, such as 30s or 1h30m")
    parts = re.findall(r"([0-9]+)(h|ms|m|s)", text)
    return sum((int(number) * _UNITS[unit] for number, unit in parts), timedelta())


def spell(duration: timedelta) -> str:
    """The shortest spelling that `parse` reads back, to the millisecond; zero is `0s`."""
    rest, spelled = duration, ""
    for unit, length in _UNITS.items():
        number, rest = divmod(rest, length)
        spelled += f"{number}{unit}" if number else ""
    return spelled or "0s"

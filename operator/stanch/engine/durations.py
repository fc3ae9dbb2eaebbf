"""Durations as people write them in YAML: `90s`, `1h30m`. Never negative, never fractional.

The form is that of GEP-2257 (https://gateway-api.sigs.k8s.io/geps/gep-2257/), which the Gateway API uses in its CRDs.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

PATTERN = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
_PART = re.compile(r"([0-9]{1,5})(ms|h|m|s)")
_UNITS = {
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}


def parse_duration(text: str) -> timedelta:
    """`1h30m` -> 5400 s. Raises ValueError, saying what was expected."""
    if not re.fullmatch(PATTERN, text, re.ASCII):
        raise ValueError(
            f"{text!r} is not a duration: expected whole numbers with units h, m, s or ms, like 90s or 1h30m"
        )
    return sum((int(number) * _UNITS[unit] for number, unit in _PART.findall(text)), timedelta())


def format_duration(delta: timedelta) -> str:
    """5400 s -> `1h30m`. Finer than a millisecond is cut off. Raises ValueError for a negative one."""
    if delta < timedelta():
        raise ValueError(f"{delta} is negative; durations here are not")
    parts = []
    for unit, size in _UNITS.items():
        count, delta = divmod(delta, size)
        parts.append(f"{count}{unit}" if count else "")
    return "".join(parts) or "0s"


def _read(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError(f"{value!r} is not a duration: expected a string like 90s or 1h30m")


# For pydantic models: a string in YAML, JSON and the CRD, a timedelta in Python.
Duration = Annotated[
    timedelta,
    BeforeValidator(_read),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "maxLength": 24}),
]

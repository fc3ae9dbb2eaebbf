"""Facts and parameters as text (in a status, on an Incident) <-> the values that conditions and templates see.

ASCII digits only, no signs but a minus, no spaces: what another reader would take for another number is not taken at all.
"""

from __future__ import annotations

import math
import re

from stanch.domain.plan import FactType
from stanch.engine.cel_library import readable
from stanch.engine.parts import Value

_INTEGER = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?", re.ASCII)
_BOOLEANS = {"true": True, "false": False}
_INT64 = 2**63

EXPECTED = {
    FactType.String: "valid text without NUL",
    FactType.Integer: "an integer of 64 bits, such as 42",
    FactType.Number: "a number, such as 0.5",
    FactType.Boolean: "true or false",
}


def value_of(text: str, type: FactType) -> Value | None:
    """The value that `text` says; None where it is none of that type."""
    match type:
        case FactType.String:
            return text if readable(text) else None
        case FactType.Boolean:
            return _BOOLEANS.get(text)
        case FactType.Integer:
            number = int(text) if _INTEGER.fullmatch(text) else _INT64
            return number if -_INT64 <= number < _INT64 else None
        case FactType.Number:
            return _finite(float(text)) if _NUMBER.fullmatch(text) else None


def text_of(value: Value) -> str:
    """As `value_of` reads it back, and as CEL's `string()` spells it."""
    if isinstance(value, bool):
        return str(value).lower()
    return _spelled(value) if isinstance(value, float) else str(value)


def _spelled(number: float) -> str:
    short = f"{number:.15g}"
    return short if float(short) == number else repr(number)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None

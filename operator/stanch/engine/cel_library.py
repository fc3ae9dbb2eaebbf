"""What the CEL library is let do: its functions without those that open files, and texts that it reads as they are. Pure.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#timezones : `t.getHours('Europe/Berlin')` reads a file by that name,
and the library takes paths, too. `t.getHours('/proc/self/fd/0')` waits for ever, and the whole operator with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from cel_expr_python import cel

_TIMES = {
    "getFullYear": "year", "getMonth": "month", "getDayOfYear": "day_of_year", "getDayOfMonth": "day_of_month",
    "getDate": "day_of_month_1_based", "getDayOfWeek": "day_of_week", "getHours": "hours", "getMinutes": "minutes",
    "getSeconds": "seconds", "getMilliseconds": "milliseconds",
}  # fmt: skip
# CEL's definitions end the name of one of them in `_tz`, all others in `_with_tz`.
_ZONED = "".join(
    f"  - name: {name}\n    overloads:\n    - id: timestamp_to_{part}_with_tz\n    - id: timestamp_to_{part}_tz\n"
    for name, part in _TIMES.items()
)
_UNREADABLE = re.compile(r"[\x00\ud800-\udfff]")


def environment(macros: str, variables: dict[str, cel.Type]) -> cel.Env:
    """Over these variables, with these macros. Times are in UTC."""
    said = f"stdlib:\n  include_macros: [{macros}]\n  exclude_functions:\n{_ZONED}"
    return cel.NewEnv(config=cel.NewEnvConfigFromYaml(said), variables=variables)


def readable(value: Any) -> bool:
    """Whether the library takes a text, or a map of texts, as it is: it ends a text at NUL, so that a condition would judge half of
    it, and takes no lone surrogate."""
    if isinstance(value, Mapping):
        return all(readable(part) for item in value.items() for part in item)
    return not isinstance(value, str) or not _UNREADABLE.search(value)


def finite(value: Any) -> bool:
    """Infinity and NaN are no JSON: they would become null, and be told as if they were meant."""
    return not isinstance(value, float) or math.isfinite(value)

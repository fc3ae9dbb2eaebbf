"""How a field's value is told to people: short, and never where it may be a secret.

What stanch writes is literal data that its playbook says; what stood there before, somebody else put there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

LENGTH = 60
ITEMS = 6
HIDDEN = "(not shown)"
_SECRET_NAME = re.compile(r"(?i)pass|pwd|secret|token|credential|private|auth|api[-_.]?key|access[-_.]?key")
_SECRET_VALUE = re.compile(
    r"://[^/\s]*@|-----BEGIN |(?i:bearer|basic) \S|(?i:password|secret|token)\s*[=:]|\beyJ[\w-]{8}|\bAKIA[A-Z0-9]{8}"
)


def shown(name: str, value: Any) -> str:
    """The value of field `name`: in quotes where it is text, at most 60 characters. None is an absent field."""
    if value is None:
        return "absent"
    if isinstance(value, str):
        return HIDDEN if _SECRET_NAME.search(name) or _SECRET_VALUE.search(value) else _cut(json.dumps(value, ensure_ascii=False))
    return "a reference" if isinstance(value, dict) else _cut(json.dumps(value))


def some(items: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(items) - ITEMS
    return ", ".join(items[:ITEMS]) + (f" and {more} more" if more > 0 else "")


def _cut(text: str) -> str:
    return text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"

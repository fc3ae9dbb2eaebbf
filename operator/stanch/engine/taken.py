"""What came of one Decision."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Taken:
    counted: bool
    message: str

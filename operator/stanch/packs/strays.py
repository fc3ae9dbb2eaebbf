"""Strays: files that a leader which was held up added to a pack after another one had sealed it.

A leader asks whether it leads right before each write (`led`), and still a write may be under way when another takes over:
no question closes that gap, and object stores know no fence. So its late file is made harmless by where it lies. Each try of
a capture takes a number in the Incident's status, by compare-and-swap, before its first file is written; the number is in the
name of the folder, and no two tries have the same. The chain tells which captures came to their end, the manifest how many
were begun. What is left are captures that were begun and never ended, and only there a late file can be.

Such a file is told by name, apart from the problems: what is vouched for is there and unchanged, and nobody vouches for the
stray, nor will a later seal. That loses nothing against an enemy, who may put a file there too: it is told all the same, and
believed by nobody. A file in any other place, also in the folder of a capture that the chain tells of or of one that was
never begun, is Added.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# `logs/before-2/app.log`, `captures/before-2.json`, `checks/before-2.json`; a second of its name is `before-2+2.json`.
_CAPTURED = re.compile(r"(?!chain/)[a-z]+/(?:before|after|revert)-([1-9]\d{0,8})(?:/.+|(?:\+\d+)?\.json)", re.ASCII)


def capture_number(path: str) -> int:
    """Number of the capture that the file belongs to; 0: none."""
    found = _CAPTURED.fullmatch(path)
    return int(found.group(1)) if found else 0


def strays(loose: Iterable[str], begun: int, listings: Iterable[str]) -> list[str]:
    """Those of the files that nobody vouches for. `begun` as the last manifest says it, `listings` as the chain names them."""
    ended = {capture_number(listing) for listing in listings}
    return [path for path in loose if 0 < (number := capture_number(path)) <= begun and number not in ended]

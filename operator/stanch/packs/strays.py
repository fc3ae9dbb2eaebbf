"""Strays: files that a leader which was held up added to a pack after another one had sealed it.

A leader asks whether it leads right before each write (`led`), and still a write may be under way when another takes over:
no question closes that gap, and object stores know no fence. So its late file is made harmless by where it lies. Each try of
a capture takes a number in the Incident's status, by compare-and-swap, before its first file is written; the number is in the
name of the folder, and no two tries have the same. The chain tells which captures came to their end, the manifest how many
were begun. What is left are captures that were begun and never ended, and only there a late file of a capture can be.

Plans and what steps printed bear the number of their attempt, drafts of messages the digest of their text. The manifest tells
the last attempt that was begun: a late file of it, or of one before, is a stray where no entry names it. Nothing goes by such
a file: the status names the plan that counts by its digest, entries name what a step printed and what was drafted.

Such a file is told by name, apart from the problems: what is vouched for is there and unchanged, and nobody vouches for the
stray, nor will a later seal (but a draft, which has no number: a later seal lists it, and still no entry tells that it was ever
read). That loses nothing against an enemy, who may put a file there too: it is told all the same, and
believed by nobody. A file in any other place, also in the folder of a capture that the chain tells of or of one that was
never begun, is Added.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# `logs/before-2/app.log`, `captures/before-2.json`, `checks/before-2.json`; a second of its name is `before-2+2.json`.
_CAPTURED = re.compile(r"(?!chain/)[a-z]+/(?:before|after|revert)-([1-9]\d{0,8})(?:/.+|(?:\+\d+)?\.json)", re.ASCII)
# `plans/2-0123456789ab.json`, `steps/2-restart-rollout.stdout`.
_ATTEMPTED = re.compile(r"(?:plans/([1-9]\d{0,8})-[0-9a-f]{12}(?:\+\d+)?\.json|steps/([1-9]\d{0,8})-[^/]+)", re.ASCII)
_DRAFT = re.compile(r"messages/[^/]+-[0-9a-f]{12}(?:\+\d+)?\.txt", re.ASCII)


@dataclass(frozen=True)
class Begun:
    """What had been begun when the pack was sealed last: numbers of the last capture and attempt; 0: none, or nobody said."""

    captures: int = 0
    attempts: int = 0

    def has(self, path: str) -> bool:
        """Whether the file bears a number of something that had been begun by then."""
        return 0 < capture_number(path) <= self.captures or 0 < attempt_number(path) <= self.attempts

    def explains(self, path: str) -> bool:
        return self.has(path) or (self.attempts > 0 and bool(_DRAFT.fullmatch(path)))


def capture_number(path: str) -> int:
    """Number of the capture that the file belongs to; 0: none."""
    found = _CAPTURED.fullmatch(path)
    return int(found.group(1)) if found else 0


def attempt_number(path: str) -> int:
    """Number of the attempt that the file belongs to; 0: none."""
    found = _ATTEMPTED.fullmatch(path)
    return int(found.group(1) or found.group(2)) if found else 0


def strays(loose: Iterable[str], begun: Begun, listings: Iterable[str]) -> list[str]:
    """Those of the files that nobody vouches for. `begun` as the last manifest says it, `listings` as the chain names them."""
    ended = {capture_number(listing) for listing in listings} - {0}
    return [path for path in loose if begun.explains(path) and capture_number(path) not in ended]

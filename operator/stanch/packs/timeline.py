"""Reads the timeline of a pack that lies in a folder, for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from stanch.domain.timeline import Entry
from stanch.engine.chain import decode
from stanch.packs.chain import MAX_ENTRY, entry_path, entry_seq
from stanch.packs.local import Unreadable, read, walk
from stanch.packs.render import terminal


@dataclass(frozen=True)
class Gap:
    """Entries from `first` to `last` that are missing or cannot be read, and why."""

    first: int
    last: int
    why: str


def read_entries(path: Path) -> Iterator[Entry | Gap]:
    """Entries in order, one in memory at a time. Does not check the chain: that is `verify`."""
    present = sorted(seq for name in walk(path).sizes if (seq := entry_seq(name)))
    for before, seq in pairwise([0, *present]):
        if before + 1 < seq:
            yield Gap(before + 1, seq - 1, "not there")
        yield _read(path, seq)


def render(path: Path) -> Iterator[str]:
    """Lines for a terminal: `[HH:MM] action, expectation, result, next (who)` under their days (UTC); gaps are said."""
    before: Entry | None = None
    for found in read_entries(path):
        if isinstance(found, Gap):
            which = f"entry {found.first}" if found.first == found.last else f"entries {found.first} to {found.last}"
            yield f"[--:--] {which} cannot be shown: {found.why}"
            continue
        yield terminal(found, before)
        before = found


def _read(path: Path, seq: int) -> Entry | Gap:
    try:
        return decode(read(path, entry_path(seq), MAX_ENTRY))
    except (Unreadable, ValueError) as error:
        return Gap(seq, seq, str(error))

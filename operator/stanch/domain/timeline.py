"""The timeline of an incident: a hash chain of entries. How it is stored and verified is in `packs`.

An entry's `hash` is the SHA-256 of its canonical JSON (RFC 8785) without `hash`; `prev` is the hash of the entry before
(the first one's is `GENESIS`). The decision log's line `[HH:MM] action, expectation, result, next` (A-17) is four of its fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from stanch.domain.record import SHORT, TEXT, Record, doc

GENESIS = "sha256:" + "0" * 64
# Last word of the key of the entry that tells of a BreakGlass: `stanch verify` names each of them.
BROKEN_GLASS = "broken-glass"


@dataclass(frozen=True)
class File(Record):
    """One file of the pack, as an entry vouches for it."""

    path: str = doc("Path inside the pack, with forward slashes.", max_length=512)
    sha256: str = doc("Hex SHA-256 of the file's bytes.", max_length=64)
    bytes: int = doc("Size in bytes.", ge=0)


@dataclass(frozen=True)
class Line(Record):
    """What one entry says, before it has a place in the chain."""

    key: str = doc("What this entry records, e.g. step/1/undo/undo/intent.", max_length=512)
    actor: str = doc("stanch, or the user name of the person.", max_length=SHORT)
    action: str = doc("What was done.", max_length=TEXT)
    expectation: str = doc("What was expected of it.", default="", max_length=TEXT)
    result: str = doc("What came of it.", default="", max_length=TEXT)
    next: str = doc("What comes next.", default="", max_length=TEXT)
    # Files can be thousands; the entry carries the digest of a listing, the listing is itself a file of the pack.
    files: tuple[File, ...] = doc("Files that this entry vouches for.", default=(), max_length=8)


@dataclass(frozen=True)
class Entry(Record):
    """A line in its place in the chain."""

    seq: int = doc("Position in the chain, from 1.", ge=1)
    prev: str = doc("Hash of the entry before.", max_length=71)
    at: datetime = doc("When it was recorded, by the API server's clock.")
    line: Line = doc("What it says.")
    hash: str = doc("SHA-256 of this entry's canonical JSON without this field.", default="", max_length=71)


@dataclass(frozen=True)
class Head(Record):
    """The end of the chain."""

    seq: int = doc("Number of entries in the chain.", default=0, ge=0)
    hash: str = doc("Hash of the last entry.", default=GENESIS, max_length=71)

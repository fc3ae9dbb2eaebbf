"""Checks the chain from its end to its beginning, one entry in memory at a time.

Backwards, because trust comes from the end: the Incident and the manifests name a head, and each entry names the one
before. Where entry 7 names another entry 6 than the one that is there, and 7 is the one that its follower names, it
is 6 that was changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from stanch.domain.timeline import BROKEN_GLASS, GENESIS, Entry
from stanch.engine.chain import decode, entry_hash
from stanch.packs.chain import MAX_ENTRY, entry_path, entry_seq
from stanch.packs.findings import MAX_PROBLEMS, Findings, ProblemKind
from stanch.packs.local import Tree, Unreadable, read, shown
from stanch.packs.promises import Promises

Found = tuple[ProblemKind, str]


@dataclass
class Chain:
    """`last`: highest number that is there. `head`: hash of that entry, empty when it cannot be believed. `glass`: the entries that
    tell of a BreakGlass, the latest first, as many as problems are listed."""

    last: int = 0
    count: int = 0
    head: str = ""
    glass: list[Entry] = field(default_factory=list)


def check_chain(
    root: Path,
    tree: Tree,
    sealed: Mapping[int, str],
    expected_head: str | None,
    promises: Promises,
    findings: Findings,
) -> Chain:
    """`sealed`: number -> hash of each sealed head. Files that good entries vouch for are added to `promises`."""
    present = sorted((seq for path in tree.sizes if (seq := entry_seq(path))), reverse=True)
    chain = Chain(last=max(present, default=0), count=len(present))
    _check_end(chain.last, max(sealed, default=0), findings)
    named = expected_head
    for seq, below in pairwise([*present, 0]):
        found = _read(root, seq)
        problem = _problem(found, seq, sealed.get(seq)) or _misplaced(found, named, seq == chain.last)
        if problem:
            findings.add(problem[0], entry_path(seq), problem[1], seq)
        elif isinstance(found, Entry):
            chain.head = chain.head or (found.hash if seq == chain.last else "")
            _gather(found, promises)
            if told_glass(found) and len(chain.glass) < MAX_PROBLEMS:
                chain.glass.append(found)
        named = _believed(found, problem)
        if below < seq - 1:
            named = None
            _gap(below + 1, seq - 1, findings)
    return chain


def told_glass(entry: Entry) -> bool:
    return entry.line.key.rpartition("/")[2] == BROKEN_GLASS


def _check_end(last: int, sealed: int, findings: Findings) -> None:
    if last < sealed:
        why = f"the chain ends at entry {last}, {sealed} are sealed: those after it were removed"
        findings.add(ProblemKind.Truncated, entry_path(last + 1), why, last + 1)
    if not last:
        findings.add(ProblemKind.Missing, entry_path(1), "the pack has no entry at all", 1)


def _read(root: Path, seq: int) -> Entry | Found:
    try:
        return decode(read(root, entry_path(seq), MAX_ENTRY))
    except Unreadable as error:
        return ProblemKind.Unreadable, str(error)
    except ValueError as error:
        return ProblemKind.Invalid, f"it is not an entry: {error}"


def _gap(first: int, last: int, findings: Findings) -> None:
    """One problem however many are missing: the names of files may claim a billion."""
    which = f"entries {first} to {last} were" if last > first else "it was"
    findings.add(ProblemKind.Missing, entry_path(first), f"{which} removed: entry {last + 1} is there", first)


def _problem(found: Entry | Found, seq: int, sealed: str | None) -> Found | None:
    """What is wrong with the entry by itself. `sealed`: the hash that a manifest gives it, None: none does."""
    if not isinstance(found, Entry):
        return found
    if found.hash != entry_hash(found):
        return ProblemKind.Changed, "it was edited: it does not have the hash that it bears"
    if found.seq != seq:
        return ProblemKind.Reordered, f"it bears the number {found.seq}: entries were swapped, copied or renamed"
    if seq == 1 and found.prev != GENESIS:
        return ProblemKind.Invalid, "it is the first and names one before it"
    if sealed and found.hash != sealed:
        return ProblemKind.Changed, f"a manifest seals {sealed} here, found {found.hash}"
    return None


def _misplaced(found: Entry | Found, named: str | None, is_last: bool) -> Found | None:
    """Whether it is the one that its follower names, or the caller where it is the last. None in `named`: nobody says."""
    if named is None or not isinstance(found, Entry) or found.hash == named:
        return None
    if is_last:
        why = f"expected the chain to end with {shown(named)}, it ends with {found.hash}: cut off, added to or rewritten"
        return ProblemKind.WrongHead, why
    return ProblemKind.Changed, f"the entry after it follows {named}, this is {found.hash}"


def _believed(found: Entry | Found, problem: Found | None) -> str | None:
    """What an entry says of the one before. A bad one says nothing; one that only should not be the last says the
    truth.
    """
    if isinstance(found, Entry) and (problem is None or problem[0] is ProblemKind.WrongHead):
        return found.prev
    return None


def _gather(entry: Entry, promises: Promises) -> None:
    for file in entry.line.files:
        promises.add(file, f"entry {entry.seq}")
        promises.add_listed(file)

"""What a verification found, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MAX_PROBLEMS = 100


class ProblemKind(StrEnum):
    """What is wrong with an entry or a file.

    Missing: it was, and is no more. Added: nobody vouches for it. Changed: its bytes are others than were vouched
    for. Invalid: it is not what its place demands. Reordered: it bears another number than its name. Truncated: the
    chain ends too early. WrongHead, WrongManifest: the end is not the one that the caller knows from elsewhere.
    Unreadable: could not be judged. Unsealed: nothing vouches for the end of the pack yet.
    """

    Missing = "Missing"
    Added = "Added"
    Changed = "Changed"
    Invalid = "Invalid"
    Reordered = "Reordered"
    Truncated = "Truncated"
    WrongHead = "WrongHead"
    WrongManifest = "WrongManifest"
    Unreadable = "Unreadable"
    Unsealed = "Unsealed"


@dataclass(frozen=True)
class Problem:
    """`entry` is the number of the entry that it is about, 0 where it is about none."""

    kind: ProblemKind
    path: str
    message: str
    entry: int = 0

    def __str__(self) -> str:
        return f"{f'entry {self.entry} ({self.path})' if self.entry else self.path}: {self.kind}: {self.message}"


@dataclass(frozen=True)
class Verification:
    """`problems`: entries first, in order, at most 100; `more` says how many were not listed. `bytes` counts all files.

    `sealed`: the last entry that a manifest covers; 0: none. `unvouched`: files of an unsealed pack that nothing
    names yet. `strays`: paths of files that are no part of the sealed pack and no problem either (see `strays`), at most 100
    of them; `stray` counts all. `glass`: lines of the timeline that tell of a BreakGlass, the latest 100.
    """

    ok: bool
    problems: tuple[Problem, ...]
    more: int
    entries: int
    files: int
    bytes: int
    sealed: int
    unvouched: int
    head: str
    manifest: str
    strays: tuple[str, ...] = ()
    stray: int = 0
    glass: tuple[str, ...] = ()

    @property
    def first_bad_entry(self) -> int:
        """0: none is bad."""
        return min((problem.entry for problem in self.problems if problem.entry), default=0)


class Findings:
    """Gathers problems in bounded memory; the first bad entry is never among those that are dropped."""

    def __init__(self) -> None:
        self._entries: dict[int, Problem] = {}
        self._files: dict[tuple[ProblemKind, str], Problem] = {}
        self._count = 0

    def add(self, kind: ProblemKind, path: str, message: str, entry: int = 0) -> None:
        """Of several problems of one entry, and of one kind with one file, the first found is kept."""
        problem = Problem(kind, path, message, entry)
        if entry in self._entries or (kind, path) in self._files:
            return
        self._count += 1
        if entry:
            self._entries[entry] = problem
            if len(self._entries) > MAX_PROBLEMS:
                del self._entries[max(self._entries)]
        elif len(self._files) < MAX_PROBLEMS:
            self._files[kind, path] = problem

    def listed(self) -> tuple[Problem, ...]:
        return (*(self._entries[seq] for seq in sorted(self._entries)), *self._files.values())[:MAX_PROBLEMS]

    @property
    def count(self) -> int:
        return self._count

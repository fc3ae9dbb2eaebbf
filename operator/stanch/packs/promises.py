"""What is promised about the files of a pack: by its manifests, by its entries, by the listings of its captures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from stanch.domain.timeline import File, Head
from stanch.engine.chain import digest, file_of, parse
from stanch.packs.chain import entry_seq
from stanch.packs.findings import Findings, ProblemKind
from stanch.packs.local import Tree, Unreadable, read, shown
from stanch.packs.manifest import MAX_FILES, MAX_MANIFEST, Manifest, decode_manifest, manifest_path, manifest_segment
from stanch.packs.strays import Begun

CAPTURES = "captures/"


class Promises:
    """What is vouched for. Bounded, whatever an enemy lists: `of` holds what the pack has, `missing` some of what it lacks.

    `of`: by path, the file as promised. `missing`: by path, who vouches for it. `listings`: of the captures that good entries
    tell of.
    """

    def __init__(self, root: Path, tree: Tree, findings: Findings) -> None:
        self.of: dict[str, File] = {}
        self.missing: dict[str, str] = {}
        self._root = root
        self._tree = tree
        self._findings = findings
        self.listings: set[str] = set()

    def add(self, file: File, by: str) -> None:
        """`by` vouches for this file. That it was promised otherwise before is a problem."""
        if file.path not in self._tree.sizes:
            if len(self.missing) < MAX_FILES:
                self.missing.setdefault(file.path, by)
        elif self.of.setdefault(file.path, file) != file:
            why = f"{by} vouches for other bytes of it than something else in the pack does"
            self._findings.add(ProblemKind.Changed, file.path, why, entry_seq(file.path) or 0)

    def add_listed(self, listing: File) -> None:
        """What the listing of a capture (`captures/*.json`, its `files`) names; nothing when it cannot be read as one.

        Whether it is the listing that the timeline vouches for is judged where all files are.
        """
        path = listing.path
        if path in self._tree.sizes and path.startswith(CAPTURES) and path not in self.listings:
            self.listings.add(path)
            for file in _listed(self._root, path):
                self.add(file, path)


@dataclass
class Seals:
    """`heads`: number -> hash of each sealed head. `last`: the latest of them. `manifest`: SHA-256 of the last
    manifest's bytes, empty when there is none or it cannot be read. `begun`: what was begun before the last one.
    """

    heads: dict[int, str] = field(default_factory=dict)
    last: Head = field(default_factory=Head)
    manifest: str = ""
    begun: Begun = field(default_factory=Begun)


def read_seals(root: Path, tree: Tree, expected: str | None, promises: Promises, findings: Findings) -> Seals:
    """Reads manifests in order; `expected` is the SHA-256 that the last one must have, None: any."""
    seals = Seals()
    last = max((manifest_segment(path) or 0 for path in tree.sizes), default=0)
    for segment in range(1, last + 1):
        _take(root, tree, segment, seals, promises, findings)
    if expected is not None and seals.manifest.removeprefix("sha256:") != expected.removeprefix("sha256:"):
        found = seals.manifest or "none that can be read"
        why = f"expected {shown(expected)} as the last manifest, found {found}: a seal was removed, added or rewritten"
        findings.add(ProblemKind.WrongManifest, manifest_path(last or 1), why)
    return seals


def _listed(root: Path, path: str) -> list[File]:
    try:
        document = parse(read(root, path, MAX_MANIFEST))
        files = document.get("files", []) if isinstance(document, dict) else []
        return [file_of(raw) for raw in files]
    except (Unreadable, ValueError, TypeError):
        return []


def _take(root: Path, tree: Tree, segment: int, seals: Seals, promises: Promises, findings: Findings) -> None:
    path = manifest_path(segment)
    before, seals.manifest = seals.manifest, ""
    if path not in tree.sizes:
        findings.add(ProblemKind.Missing, path, "it was removed: a later manifest is there")
        return
    try:
        data = read(root, path, MAX_MANIFEST)
        seals.manifest = digest(data)
        manifest = decode_manifest(data)
    except Unreadable as error:
        findings.add(ProblemKind.Unreadable, path, str(error))
    except ValueError as error:
        findings.add(ProblemKind.Invalid, path, str(error))
    else:
        _check(segment, before, manifest, seals, findings)
        for file in manifest.files:
            promises.add(file, path)
        seals.last = manifest.head
        seals.begun = manifest.begun
        seals.heads[manifest.head.seq] = manifest.head.hash


def _check(segment: int, before: str, manifest: Manifest, seals: Seals, findings: Findings) -> None:
    path = manifest_path(segment)
    if manifest.segment != segment:
        findings.add(ProblemKind.Reordered, path, f"it is the manifest of segment {manifest.segment}")
    if manifest.previous != before:
        changed = manifest_path(segment - 1) if segment > 1 else path
        findings.add(ProblemKind.Changed, changed, f"{path} names another manifest before it than the one that is there")
    if manifest.head.seq <= seals.last.seq:
        findings.add(ProblemKind.Invalid, path, f"it ends at entry {manifest.head.seq}, no later than the one before it")

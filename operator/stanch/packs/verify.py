"""Verifies a pack offline: that its chain is whole and that every file is the one that was sealed.

Who can write to the pack can also write it anew from the first entry to the last manifest. Only what is kept
elsewhere tells: give `expected_head` and `expected_manifest` from the Incident's `status.pack`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from stanch.domain.timeline import File, Head
from stanch.packs.chain import entry_seq
from stanch.packs.findings import MAX_PROBLEMS, Findings, ProblemKind, Verification
from stanch.packs.links import check_chain
from stanch.packs.local import Tree, Unreadable, sha256_of, shown, walk
from stanch.packs.manifest import MAX_FILES, manifest_segment
from stanch.packs.promises import Promises, read_seals
from stanch.packs.render import printable, terminal
from stanch.packs.strays import strays


def verify(
    path: Path, expected_head: str | None = None, expected_manifest: str | None = None, *, allow_unsealed: bool = False
) -> Verification:
    """Reads the whole pack, in constant memory but for its list of files; never raises for what it finds there.

    `expected_head`: hash of the last entry; `expected_manifest`: SHA-256 of the last manifest's bytes (with or
    without `sha256:`). An unsealed pack, or unsealed entries after the last seal, are a problem unless
    `allow_unsealed`.
    """
    findings = Findings()
    tree = walk(path)
    _strange(tree, findings)
    promises = Promises(path, tree, findings)
    seals = read_seals(path, tree, expected_manifest, promises, findings)
    chain = check_chain(path, tree, seals.heads, expected_head, promises, findings)
    _compare(path, tree, promises, findings)
    unsealed = chain.last > seals.last.seq
    loose = [name for name in sorted(tree.sizes) if _is_loose(name, promises.of, seals.last)]
    stray = [] if unsealed else strays(loose, seals.begun, promises.listings)
    if not unsealed:
        _added(sorted(set(loose).difference(stray)), findings)
    elif not allow_unsealed:
        _unsealed(seals.last.seq + 1, chain.last, findings)
    problems = findings.listed()
    return Verification(
        ok=not problems,
        problems=problems,
        more=findings.count - len(problems),
        entries=chain.count,
        files=len(tree.sizes),
        bytes=sum(tree.sizes.values()),
        sealed=seals.last.seq,
        unvouched=len(loose) if unsealed else 0,
        head=chain.head,
        manifest=seals.manifest,
        strays=tuple(stray[:MAX_PROBLEMS]),
        stray=len(stray),
        glass=tuple(printable(terminal(entry, None)) for entry in reversed(chain.glass)),
    )


def _strange(tree: Tree, findings: Findings) -> None:
    for path, why in tree.strange:
        findings.add(ProblemKind.Added, path, why)
    for path, why in tree.unreadable:
        findings.add(ProblemKind.Unreadable, path, why)
    if tree.cut:
        findings.add(ProblemKind.Unreadable, ".", f"more than {2 * MAX_FILES} files: the rest was not read")


def _compare(root: Path, tree: Tree, promises: Promises, findings: Findings) -> None:
    """After the chain was checked: what is wrong with an entry is better said from there."""
    for path, by in promises.missing.items():
        why = f"{by} vouches for it and it is not there"
        findings.add(ProblemKind.Missing, shown(path), why, entry_seq(path) or 0)
    for path, file in promises.of.items():
        if why := _difference(root, file, tree.sizes[path]):
            findings.add(ProblemKind.Changed, path, why, entry_seq(path) or 0)


def _difference(root: Path, file: File, size: int) -> str:
    """Empty: none. A file of another size need not be read, however large it is."""
    if size != file.bytes:
        return f"it has {size} bytes, {file.bytes} were vouched for"
    try:
        same = sha256_of(root, file.path, size) == file.sha256
    except Unreadable as error:
        return str(error)
    return "" if same else "its SHA-256 is another than the one that was vouched for"


def _is_loose(path: str, promised: Mapping[str, File], sealed: Head) -> bool:
    """Nothing vouches for it: neither manifest nor entry, nor, being an entry after the last seal, the chain."""
    if path in promised or manifest_segment(path):
        return False
    seq = entry_seq(path)
    return seq is None or seq <= sealed.seq


def _added(loose: Iterable[str], findings: Findings) -> None:
    for path in loose:
        findings.add(ProblemKind.Added, path, "no manifest vouches for it: it was added", entry_seq(path) or 0)


def _unsealed(first: int, last: int, findings: Findings) -> None:
    what = f"entries {first} to {last} are not sealed" if first > 1 else "the pack is not sealed"
    findings.add(ProblemKind.Unsealed, ".", f"{what}: entries cut off at the end and files added cannot be told yet")

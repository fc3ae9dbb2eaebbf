"""Packs that were built once, and how to lay out and judge what became of them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path

from stanch.domain.timeline import Head
from stanch.packs.findings import ProblemKind, Verification
from stanch.packs.verify import verify
from tests.unit.packs_kit import AT, FACTS, contents, fill, folder_of, pack_in

Pack = dict[str, bytes]


async def _build(root: Path, segments: int) -> tuple[Pack, Head, str]:
    """Four entries a segment; the last segment is left unsealed when `segments` is 0."""
    pack = pack_in(root)
    head, manifest = await fill(pack), ""
    for segment in range(segments):
        head = await fill(pack, 4, head) if segment else head
        manifest = (await pack.seal(head, FACTS, AT + timedelta(days=segment))).sha256
    return contents(folder_of(pack)), head, manifest


@cache
def built(segments: int) -> tuple[Pack, Head, str]:
    with tempfile.TemporaryDirectory() as root:
        return asyncio.run(_build(Path(root), segments))


@contextmanager
def laid_out(files: Pack) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as root:
        for path, data in files.items():
            target = Path(root) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        yield Path(root)


def judged(files: Pack, **expected: object) -> Verification:
    with laid_out(files) as folder:
        return verify(folder, **expected)  # type: ignore[arg-type]


def entry(seq: int) -> str:
    return f"chain/{seq:06d}.json"


def kinds(found: Verification) -> set[ProblemKind]:
    return {problem.kind for problem in found.problems}


SEALED, HEAD, MANIFEST = built(2)
UNSEALED, UNSEALED_HEAD, _ = built(0)

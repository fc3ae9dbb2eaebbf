"""Packs that were built once, and what is asked about them."""

from __future__ import annotations

import asyncio
import tempfile
from datetime import timedelta
from functools import cache
from pathlib import Path

from stanch.domain.timeline import Head
from stanch.packs.findings import ProblemKind, Verification
from tests.unit.packs_kit import AT, FACTS, contents, fill, folder_of, pack_in
from tests.unit.packs_shelf import Pack


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


def entry(seq: int) -> str:
    return f"chain/{seq:06d}.json"


def kinds(found: Verification) -> set[ProblemKind]:
    return {problem.kind for problem in found.problems}


SEALED, HEAD, MANIFEST = built(2)
UNSEALED, UNSEALED_HEAD, _ = built(0)

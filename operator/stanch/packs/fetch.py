"""Copies a pack out of an object store into a folder, as an auditor takes it: byte for byte, one chunk in memory."""

from __future__ import annotations

from pathlib import Path

from stanch.engine.errors import Refused
from stanch.engine.paths import check_path
from stanch.packs.manifest import MAX_FILES
from stanch.packs.objects import Store


async def fetch(store: Store, goal: Path) -> int:
    """Everything in the store, into `goal`; how many files. `Refused`: a name that no pack can have (it could lead out of the
    folder), or more files than any pack has."""
    count = 0
    async for key, _ in store.list(""):
        count += 1
        if count > 2 * MAX_FILES:
            raise Refused("PackTooLarge", f"more than {2 * MAX_FILES} files: it is no pack, or not one pack")
        await _copy(store, key, goal / check_path(key))
    return count


async def _copy(store: Store, key: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        async for chunk in store.stream(key):
            file.write(chunk)

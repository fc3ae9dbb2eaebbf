"""Streams into a pack: whole, hashed, and kept when the one who writes is stopped at any moment."""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from stanch.engine.errors import Retryable
from stanch.packs.folder import Folder
from stanch.packs.objects import CHUNK, Bucket, Store, Upload
from stanch.packs.store import StoredPack


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Folder(tmp_path) if request.param == "folder" else Bucket(MemoryStore(), "memory://")


@pytest.fixture
def pack(store: Store) -> StoredPack:
    return StoredPack(store, "aureus/frontend-502-a1b2c3d4/")


async def stored(store: Store, path: str) -> bytes:
    return await store.read(f"aureus/frontend-502-a1b2c3d4/{path}", 1 << 30)


async def paths(store: Store) -> list[str]:
    return sorted([key async for key, _ in store.list("aureus/frontend-502-a1b2c3d4")])


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK, 2 * CHUNK + 1])
async def test_a_stream_is_stored_hashed_and_counted(store: Store, pack: StoredPack, size: int) -> None:
    data = os.urandom(size)
    async with pack.open("logs/app.log") as log:
        await log.write(data[: size // 3])
        await log.write(data[size // 3 :])
    assert await stored(store, "logs/app.log") == data
    assert (log.file.path, log.file.sha256, log.file.bytes) == ("logs/app.log", hashlib.sha256(data).hexdigest(), size)


async def test_a_file_is_not_seen_before_it_is_whole(store: Store, pack: StoredPack) -> None:
    async with pack.open("logs/app.log") as log:
        await log.write(b"x" * (3 * CHUNK))
        assert await paths(store) == []
        with pytest.raises(Retryable, match="still being written"):
            _ = log.file
    assert await paths(store) == ["aureus/frontend-502-a1b2c3d4/logs/app.log"]


@pytest.mark.requirement("E-08")
async def test_an_error_in_the_block_keeps_what_was_written(store: Store, pack: StoredPack) -> None:
    with pytest.raises(ZeroDivisionError):
        async with pack.open("logs/app.log") as log:
            await log.write(b"x" * CHUNK + b"the last words")
            raise ZeroDivisionError
    assert await stored(store, "logs/app.log") == b"x" * CHUNK + b"the last words"
    assert log.file.bytes == CHUNK + 14


async def test_a_cancelled_stream_keeps_what_was_written(store: Store, pack: StoredPack) -> None:
    written = asyncio.Event()

    async def capture() -> None:
        async with pack.open("logs/app.log") as log:
            await log.write(b"x" * CHUNK + b"so far")
            written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(capture())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await stored(store, "logs/app.log") == b"x" * CHUNK + b"so far"


@pytest.mark.parametrize("steps", range(12))
async def test_cancelled_at_any_moment_hash_and_bytes_agree(store: Store, pack: StoredPack, steps: int) -> None:
    """Cancelled once after so many turns of the loop, and again in the middle of the finishing."""
    writers = []

    async def capture() -> None:
        async with pack.open("logs/app.log") as log:
            writers.append(log)
            for number in range(6):
                await log.write(bytes([number]) * (CHUNK // 2 + 7))

    task = asyncio.create_task(capture())
    await turns(steps)
    task.cancel()
    await turns(1)
    task.cancel()
    await asyncio.wait({task})
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)  # type: ignore[arg-type]
    if writers:
        data = await stored(store, writers[0].file.path)
        assert (len(data), hashlib.sha256(data).hexdigest()) == (writers[0].file.bytes, writers[0].file.sha256)


async def test_cancelled_while_it_finishes_the_file_is_still_kept(tmp_path: Path) -> None:
    folder = GatedFolder(tmp_path)

    async def capture() -> None:
        async with StoredPack(folder, "a/b/").open("logs/app.log") as log:
            await log.write(b"all of it")

    task = asyncio.create_task(capture())
    await folder.reached.wait()
    task.cancel()
    await turns(1)
    folder.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await folder.read("a/b/logs/app.log", 100) == b"all of it"


class GatedFolder(Folder):
    """A folder whose uploads wait at the gate before they are published."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()

    def upload(self, key: str, *, replace: bool = False) -> Upload:
        return GatedUpload(super().upload(key, replace=replace), self)


@dataclass
class GatedUpload:
    upload: Upload
    folder: GatedFolder

    async def write(self, chunk: bytes) -> None:
        await self.upload.write(chunk)

    async def publish(self) -> str:
        self.folder.reached.set()
        await self.folder.gate.wait()
        return await self.upload.publish()

    async def discard(self) -> None:
        await self.upload.discard()


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_bytes_after_the_end_are_an_error_not_lost(pack: StoredPack) -> None:
    async with pack.open("logs/app.log") as log:
        pass
    with pytest.raises(RuntimeError, match="after its block ended"):
        await log.write(b"late")

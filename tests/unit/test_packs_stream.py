"""Streams into a pack: whole, hashed, and kept when the one who writes is stopped at any moment."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from stanch.engine.errors import Retryable
from stanch.packs import stream
from stanch.packs.bucket import Bucket
from stanch.packs.folder import Folder
from stanch.packs.objects import CHUNK, Store, Upload
from stanch.packs.settled import settled
from stanch.packs.store import StoredPack
from tests.contract.suite_packs import StreamsContract, turns
from tests.unit.packs_kit import contents


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Folder(tmp_path) if request.param == "folder" else Bucket(MemoryStore(), "memory://")


class TestStreams(StreamsContract):
    pass


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


async def test_a_chunk_that_was_given_up_leaves_no_file_with_another_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be in the file by now, and it may not."""
    monkeypatch.setattr(stream, "settled", partial(settled, seconds=0.05))
    pack = StoredPack(HangingFolder(tmp_path), "a/b/")
    with pytest.raises(Retryable, match="StoreSlow"):
        async with pack.open("logs/app.log") as log:
            await log.write(b"x" * CHUNK)
    assert contents(tmp_path) == {}
    with pytest.raises(Retryable, match="NotStored"):
        _ = log.file


class HangingFolder(Folder):
    """A folder that stores a chunk and does not answer."""

    def upload(self, key: str, *, replace: bool = False) -> Upload:
        upload = super().upload(key, replace=replace)
        write = upload.write

        async def hanging(chunk: bytes) -> None:
            await write(chunk)
            await asyncio.Event().wait()

        upload.write = hanging  # type: ignore[method-assign]
        return upload


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

"""A pack where the machine sets limits: full disks, large files, stores that fail or hang."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from obstore.exceptions import GenericError
from obstore.store import MemoryStore, S3Store

from stanch.engine.errors import Retryable
from stanch.packs.bucket import Bucket
from stanch.packs.folder import STAGING
from stanch.packs.objects import CHUNK
from stanch.packs.settled import settled
from stanch.packs.store import StoredPack
from tests.unit.packs_kit import contents

FULL = """
import asyncio, pathlib, resource, signal, sys
from stanch.engine.errors import Retryable
from stanch.packs.store import open_packs

async def main():
    pack = open_packs(sys.argv[1]).of("aureus", "frontend-502", "a1b2c3d4")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
    try:
        async with pack.open("logs/app.log") as log:
            for number in range(100):
                await log.write(bytes([number]) * 100_000)
    except Retryable as error:
        print(error.reason)
    print(log.file.bytes, log.file.sha256)
    try:
        await pack.put("logs/other.log", b"x" * 2_000_000)
    except Retryable as error:
        print(error.reason)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print((await pack.put("logs/other.log", b"x" * 2_000_000)).path)

asyncio.run(main())
"""


def run(program: str, *arguments: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.splitlines()


@pytest.mark.requirement("E-04")
def test_a_full_disk_is_said_and_what_fitted_is_kept(tmp_path: Path) -> None:
    """The limit on the size of a file stands in for the disk's: the kernel refuses the write in the same place."""
    first, kept, second, again = run(FULL, str(tmp_path))
    data = contents(tmp_path)["aureus/frontend-502-a1b2c3d4/logs/app.log"]
    assert (first, second, again) == ("StoreFull", "StoreFull", "logs/other.log")
    assert kept == f"{len(data)} {hashlib.sha256(data).hexdigest()}"
    assert 900_000 < len(data) <= 1_000_000
    assert list((tmp_path / STAGING).iterdir()) == []


LARGE = """
import asyncio, pathlib, resource, sys
from stanch.packs.store import open_packs
from stanch.packs.verify import verify
from tests.unit.packs_kit import AT, folder_of, linked
from stanch.engine.chain import head_of

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

async def main():
    pack = open_packs(sys.argv[1]).of("aureus", "frontend-502", "a1b2c3d4")
    block = b"x" * 1_000_000
    await pack.put("warm", b"up")
    before = peak()
    async with pack.open("logs/app.log") as log:
        for _ in range(200):
            await log.write(block)
    (entry,) = linked(1, files=(log.file,))
    await pack.append(entry)
    manifest = await pack.seal(head_of(entry), {}, AT)
    found = verify(folder_of(pack), entry.hash, manifest.sha256)
    print(log.file.bytes, found.ok, (peak() - before) // 1024)

asyncio.run(main())
"""


@pytest.mark.long
def test_200_mb_are_streamed_sealed_and_verified_in_little_memory(tmp_path: Path) -> None:
    (said,) = run(LARGE, str(tmp_path))
    size, ok, grown_mib = said.split()
    assert (size, ok) == ("200000000", "True")
    assert int(grown_mib) < 24


async def test_a_store_that_hangs_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(Retryable, match="StoreSlow"):
        await settled(asyncio.Event().wait(), "logs/app.log", seconds=0.01)


async def test_a_store_that_does_not_answer_is_tried_again() -> None:
    nobody = S3Store(
        "bucket",
        endpoint="http://127.0.0.1:1",
        skip_signature=True,
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    pack = StoredPack(Bucket(nobody, "s3://bucket"), "a/b/")
    with pytest.raises(Retryable, match="StoreFailed"):
        await pack.put("logs/app.log", b"x")
    with pytest.raises(Retryable, match="StoreFailed"):
        async with pack.open("logs/app.log") as log:
            await log.write(b"x" * CHUNK)


TORN = """
import asyncio, os, resource, signal, sys
from obstore.store import LocalStore
from stanch.engine.errors import Retryable
from stanch.packs.bucket import Bucket
from stanch.packs.store import StoredPack

async def main():
    pack = StoredPack(Bucket(LocalStore(sys.argv[1]), "file://"), "a/b/")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6_000_000, resource.RLIM_INFINITY))
    try:
        async with pack.open("logs/app.log") as log:
            for _ in range(200):
                await log.write(b"x" * 100_000)
    except Retryable as error:
        print(error.reason, flush=True)

asyncio.run(main())
# Not by way of the interpreter's end, which aborts when it meets a thread of obstore that still clears away.
os._exit(0)
"""


def test_a_part_that_failed_is_never_passed_off_as_the_whole(tmp_path: Path) -> None:
    """obstore's own writer, closed after a failed part, stores what it has and says that all is well."""
    assert run(TORN, str(tmp_path)) == ["StoreFailed"]
    # What LocalStore had written stands under a name of its own (`app.log#1`) that it lists to nobody. It removes that from a
    # thread, which the end of the process may come before.
    assert [path for path in contents(tmp_path) if "#" not in path] == []


class FullOnce:
    """A writer in parts, to a bucket that has no room for the first of them, and room again for those after it."""

    def __init__(self) -> None:
        self.parts = list[bytes]()
        self.closed = False

    async def write(self, part: bytes) -> None:
        self.parts.append(part)
        if len(self.parts) == 1:
            raise GenericError("the server answered with status code: 507 Insufficient Storage")

    async def close(self) -> None:
        self.closed = True


async def test_a_bucket_with_no_room_for_a_part_is_not_sent_what_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be stored without that part."""
    writer = FullOnce()
    monkeypatch.setattr("obstore.open_writer_async", lambda *_, **__: writer)
    pack = StoredPack(Bucket(MemoryStore(), "memory://"), "a/b/")
    with pytest.raises(Retryable, match="StoreFull"):
        async with pack.open("logs/app.log") as log:
            for _ in range(20):
                await log.write(b"x" * CHUNK)
    assert (len(writer.parts), writer.closed) == (1, False)
    with pytest.raises(Retryable, match="NotStored"):
        _ = log.file

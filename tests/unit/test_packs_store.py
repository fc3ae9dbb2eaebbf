"""What a pack takes, keeps and refuses; the same on a folder and on an object store."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from obstore.store import MemoryStore, S3Store

from stanch.domain.timeline import Head
from stanch.engine.chain import encode, link
from stanch.engine.errors import NotFound, Refused, Retryable
from stanch.packs.folder import STAGING, Folder
from stanch.packs.objects import CHUNK, Bucket, Store
from stanch.packs.settled import settled
from stanch.packs.store import StoredPack, local_path, open_packs
from tests.unit.packs_kit import AT, contents, folder_of, line, linked, pack_in


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


async def test_an_entry_lies_under_its_number(store: Store, pack: StoredPack) -> None:
    (entry,) = linked(1)
    await pack.append(entry)
    assert await stored(store, "chain/000001.json") == encode(entry)


async def test_two_writers_of_the_same_entry_both_succeed(store: Store, pack: StoredPack) -> None:
    (entry,) = linked(1)
    await asyncio.gather(*(pack.append(entry) for _ in range(8)))
    assert await paths(store) == ["aureus/frontend-502-a1b2c3d4/chain/000001.json"]


async def test_of_two_different_entries_of_one_number_one_is_refused(store: Store, pack: StoredPack) -> None:
    ours, theirs = linked(1)[0], link(Head(), line(9), AT)
    results = await asyncio.gather(pack.append(ours), pack.append(theirs), return_exceptions=True)
    (failure,) = [result for result in results if result]
    assert isinstance(failure, Refused) and failure.reason == "ChainForked"
    assert await stored(store, "chain/000001.json") in (encode(ours), encode(theirs))


async def test_an_entry_that_does_not_bear_its_hash_is_refused(store: Store, pack: StoredPack) -> None:
    (entry,) = linked(1)
    with pytest.raises(Refused, match="BadEntry"):
        await pack.append(replace(entry, at=entry.at.replace(year=2020)))
    assert await paths(store) == []


async def test_an_entry_beyond_all_bounds_is_refused(pack: StoredPack) -> None:
    with pytest.raises(Refused, match="BadEntry"):
        await pack.append(link(Head(), replace(line(1), action="x" * 200_000), AT))


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


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_bytes_after_the_end_are_an_error_not_lost(pack: StoredPack) -> None:
    async with pack.open("logs/app.log") as log:
        pass
    with pytest.raises(RuntimeError, match="after its block ended"):
        await log.write(b"late")


async def test_nothing_is_overwritten(store: Store, pack: StoredPack) -> None:
    first = await pack.put("objects/app.yaml", b"one")
    assert await pack.put("objects/app.yaml", b"one") == first
    assert (await pack.put("objects/app.yaml", b"two")).path == "objects/app+2.yaml"
    assert (await pack.put("objects/app.yaml", b"longer than one")).path == "objects/app+3.yaml"
    async with pack.open("objects/app.yaml") as log:
        await log.write(b"four")
    assert log.file.path == "objects/app+4.yaml"
    assert [await stored(store, f"objects/app{end}.yaml") for end in ("", "+2", "+3", "+4")] == [
        b"one",
        b"two",
        b"longer than one",
        b"four",
    ]


@pytest.mark.parametrize(
    "path", ["../x", "/x", "a/../../x", "a\0", "chain/000001.json", "manifest.json", "timeline.md", "changes-0002.json"]
)
async def test_paths_outside_and_those_of_the_chain_are_refused(pack: StoredPack, path: str) -> None:
    with pytest.raises(Refused, match="BadPath"):
        await pack.put(path, b"x")
    with pytest.raises(Refused, match="BadPath"):
        pack.open(path)


async def test_a_missing_object_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.read("nothing", 10)


def test_packs_of_two_incidents_of_one_name_lie_apart(tmp_path: Path) -> None:
    packs = open_packs(str(tmp_path))
    assert packs.of("a", "b", "11111111-x").uri != packs.of("a", "b", "22222222-x").uri
    assert packs.of("a", "b", "11111111-x").uri == f"{tmp_path.as_uri()}/a/b-11111111"


async def test_hostile_names_stay_below_the_root(tmp_path: Path) -> None:
    pack = open_packs(str(tmp_path / "packs")).of("../..", "../../etc", "/../x")
    await pack.put("a", b"x")
    assert tmp_path / "packs" in folder_of(pack).parents
    assert os.listdir(tmp_path) == ["packs"]


@pytest.mark.parametrize(
    ("url", "path"),
    [("/a/b", "/a/b"), ("file:///a%20b", "/a b"), ("file://localhost/a", "/a"), ("s3://b/x", None), ("memory://", None)],
)
def test_where_a_pack_lies(url: str, path: str | None) -> None:
    assert local_path(url) == (Path(path) if path else None)


def test_an_unknown_store_is_refused_with_what_was_expected() -> None:
    with pytest.raises(Refused, match=r"BadStore: foo://x: .*expected a folder"):
        open_packs("foo://x")


async def test_a_file_where_a_folder_is_needed_is_refused(tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    await pack.put("logs", b"x")
    with pytest.raises(Refused, match="BadPath"):
        await pack.put("logs/app.log", b"x")


async def test_what_a_killed_operator_left_is_swept_when_it_is_old(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    old, young = tmp_path / STAGING / "old", tmp_path / STAGING / "young"
    old.write_bytes(b"x")
    young.write_bytes(b"x")
    os.utime(old, (0, 0))
    assert folder.sweep(older_than=60) == 1
    assert [path.name for path in (tmp_path / STAGING).iterdir()] == ["young"]


async def test_staging_is_left_empty(tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    await pack.append(linked(1)[0])
    await pack.append(linked(1)[0])
    with pytest.raises(ZeroDivisionError):
        async with pack.open("logs/a") as log:
            await log.write(b"x" * CHUNK)
            raise ZeroDivisionError
    assert list((tmp_path / STAGING).iterdir()) == []


async def test_file_and_folders_are_fsynced_before_the_call_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this order: bytes, then the name, then each folder up to the root."""
    seen: list[str] = []
    fsync, hard_link = os.fsync, os.link

    def recording_fsync(handle: int) -> None:
        seen.append(os.readlink(f"/proc/self/fd/{handle}").removeprefix(str(tmp_path)))
        fsync(handle)

    def recording_link(source: Path, target: Path) -> None:
        seen.append("link")
        hard_link(source, target)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(os, "link", recording_link)
    pack = pack_in(tmp_path)
    await pack.append(linked(1)[0])
    expected = ["link", "/aureus/frontend-502-a1b2c3d4/chain", "/aureus/frontend-502-a1b2c3d4", "/aureus", ""]
    assert seen[0].startswith(f"/{STAGING}/") and seen[1:] == expected
    seen.clear()
    async with pack.open("logs/app.log") as log:
        await log.write(b"x")
    assert seen[0].startswith(f"/{STAGING}/") and seen[1:3] == ["link", "/aureus/frontend-502-a1b2c3d4/logs"]


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
    assert 700_000 < len(data) <= 1_000_000
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
import asyncio, resource, signal, sys
from obstore.store import LocalStore
from stanch.engine.errors import Retryable
from stanch.packs.objects import Bucket
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
        print(error.reason)

asyncio.run(main())
"""


def test_a_part_that_failed_is_never_passed_off_as_the_whole(tmp_path: Path) -> None:
    """obstore's own writer, closed after a failed part, stores what it has and says that all is well."""
    assert run(TORN, str(tmp_path)) == ["StoreFailed"]
    assert contents(tmp_path) == {}

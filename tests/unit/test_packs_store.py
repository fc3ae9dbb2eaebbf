"""What a pack takes, keeps and refuses; the same on a folder and on an object store."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from stanch.engine.errors import Refused, Retryable
from stanch.packs.bucket import Bucket
from stanch.packs.folder import STAGING, Folder
from stanch.packs.objects import CHUNK, Store
from stanch.packs.store import local_path, open_packs
from tests.contract.suite_packs import PacksContract
from tests.unit.packs_kit import folder_of, linked, pack_in


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Folder(tmp_path) if request.param == "folder" else Bucket(MemoryStore(), "memory://")


class TestPacks(PacksContract):
    pass


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
    """In this order: bytes, then the name, then each folder that is not known to be durable yet."""
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
    assert seen[0].startswith(f"/{STAGING}/")
    assert seen[1:] == ["link", "/aureus/frontend-502-a1b2c3d4/logs", "/aureus/frontend-502-a1b2c3d4"]
    seen.clear()
    await pack.append(linked(2)[1])
    assert seen[1:] == ["link", "/aureus/frontend-502-a1b2c3d4/chain"]
    seen.clear()
    shutil.rmtree(tmp_path / "aureus")
    await pack.append(linked(1)[0])
    assert seen[1:] == expected, "made anew, it is as new as before"


async def test_what_could_not_be_made_durable_is_not_said_to_be_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    fsync = os.fsync

    def failing_fsync(handle: int) -> None:
        seen.append(os.readlink(f"/proc/self/fd/{handle}").removeprefix(str(tmp_path)))
        if seen.count("/aureus") == 1 and seen[-1] == "/aureus":
            raise OSError(errno.EIO, "Input/output error")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", failing_fsync)
    pack = pack_in(tmp_path)
    with pytest.raises(Retryable, match="Input/output error"):
        await pack.append(linked(1)[0])
    seen.clear()
    seen.append("/aureus")
    await pack.append(linked(1)[0])
    assert seen[-4:] == ["/aureus/frontend-502-a1b2c3d4/chain", "/aureus/frontend-502-a1b2c3d4", "/aureus", ""]


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/etc/hostname"])
async def test_nothing_outside_the_folder_is_read_or_written(key: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "packs")
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(Refused, match="BadPath"):
        await folder.read(key, 10)
    with pytest.raises(Refused, match="BadPath"):
        [chunk async for chunk in folder.stream(key)]
    with pytest.raises(Refused, match="BadPath"):
        await folder.create(key, b"y")


async def test_a_file_that_is_replaced_while_it_is_read_is_read_as_it_was(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "a").write_bytes(b"x" * (CHUNK + 10))
    read = folder.stream("a")
    first = await anext(read)
    (tmp_path / "b").write_bytes(b"y" * (CHUNK + 10))
    os.replace(tmp_path / "b", tmp_path / "a")
    assert first + b"".join([chunk async for chunk in read]) == b"x" * (CHUNK + 10)


async def test_another_process_may_have_made_a_folder_and_died_before_it_was_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "aureus" / "frontend-502-a1b2c3d4" / "chain").mkdir(parents=True)
    seen: list[str] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (seen.append(os.readlink(f"/proc/self/fd/{handle}")), fsync(handle)))
    await pack_in(tmp_path).append(linked(1)[0])
    assert seen[1:] == [str(tmp_path / "aureus/frontend-502-a1b2c3d4/chain"), str(tmp_path / "aureus/frontend-502-a1b2c3d4"),
                        str(tmp_path / "aureus"), str(tmp_path)]  # fmt: skip

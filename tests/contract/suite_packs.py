"""What a store of packs promises, wherever it is: run on a folder, on the object store in memory, and on a real S3 server."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from stanch.domain.timeline import Head
from stanch.engine.chain import encode, link
from stanch.engine.errors import NotFound, Refused, Retryable
from stanch.packs.identity import store_id
from stanch.packs.objects import CHUNK, Store
from stanch.packs.store import StoredPack, StoredPacks
from tests.unit.packs_kit import AT, FACTS, fill, line, linked

PREFIX = "aureus/frontend-502-a1b2c3d4"


async def stored(store: Store, path: str) -> bytes:
    return await store.read(f"{PREFIX}/{path}", 1 << 30)


async def paths(store: Store) -> list[str]:
    return sorted([key async for key, _ in store.list(PREFIX)])


def batched(keys: list[str], size: int) -> Iterator[list[str]]:
    return (keys[begin : begin + size] for begin in range(0, len(keys), size))


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Packs:
    """Inherit, and provide the fixture `store`."""

    @pytest.fixture
    def pack(self, store: Store) -> StoredPack:
        return StoredPack(store, f"{PREFIX}/")


class PacksContract(Packs):
    async def test_an_entry_lies_under_its_number(self, store: Store, pack: StoredPack) -> None:
        (entry,) = linked(1)
        await pack.append(entry)
        assert await stored(store, "chain/000001.json") == encode(entry)

    async def test_two_writers_of_the_same_entry_both_succeed(self, store: Store, pack: StoredPack) -> None:
        (entry,) = linked(1)
        await asyncio.gather(*(pack.append(entry) for _ in range(8)))
        assert await paths(store) == ["aureus/frontend-502-a1b2c3d4/chain/000001.json"]

    async def test_of_two_different_entries_of_one_number_one_is_refused(self, store: Store, pack: StoredPack) -> None:
        ours, theirs = linked(1)[0], link(Head(), line(9), AT)
        results = await asyncio.gather(pack.append(ours), pack.append(theirs), return_exceptions=True)
        (failure,) = [result for result in results if result]
        assert isinstance(failure, Refused) and failure.reason == "ChainForked"
        assert await stored(store, "chain/000001.json") in (encode(ours), encode(theirs))

    async def test_an_entry_that_does_not_bear_its_hash_is_refused(self, store: Store, pack: StoredPack) -> None:
        (entry,) = linked(1)
        with pytest.raises(Refused, match="BadEntry"):
            await pack.append(replace(entry, at=entry.at.replace(year=2020)))
        assert await paths(store) == []

    async def test_an_entry_beyond_all_bounds_is_refused(self, pack: StoredPack) -> None:
        with pytest.raises(Refused, match="BadEntry"):
            await pack.append(link(Head(), replace(line(1), action="x" * 200_000), AT))

    async def test_nothing_is_overwritten(self, store: Store, pack: StoredPack) -> None:
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
    async def test_paths_outside_and_those_of_the_chain_are_refused(self, pack: StoredPack, path: str) -> None:
        with pytest.raises(Refused, match="BadPath"):
            await pack.put(path, b"x")
        with pytest.raises(Refused, match="BadPath"):
            pack.open(path)

    async def test_a_missing_object_is_not_found(self, store: Store) -> None:
        with pytest.raises(NotFound):
            await store.read("nothing", 10)

    async def test_of_many_writers_of_one_key_one_wins(self, store: Store) -> None:
        said = [b"%d" % number for number in range(24)]
        won = await asyncio.gather(*(store.create("a/b", data) for data in said))
        assert sum(won) == 1
        assert await store.read("a/b", 10) == said[won.index(True)]

    async def test_the_first_incident_of_a_name_is_known(self, store: Store) -> None:
        packs = StoredPacks(store)
        asked = await asyncio.gather(*(packs.claim("aureus", "frontend-502", f"uid-{number}") for number in range(8)))
        assert len(set(asked)) == 1
        assert await packs.claim("aureus", "frontend-502", "uid-later") == asked[0]
        assert await packs.claim("other", "frontend-502", "uid-later") == "uid-later"

    async def test_a_store_keeps_its_id_whoever_asks_first(self, store: Store) -> None:
        asked = await asyncio.gather(*(store_id(store) for _ in range(8)))
        assert len(set(asked)) == 1 and len(asked[0]) == 32
        assert await store_id(store) == asked[0]

    async def test_the_past_of_a_pack_is_its_last_entry(self, store: Store, pack: StoredPack) -> None:
        assert await pack.past() is None
        for entry in linked(12):
            await pack.append(entry)
        past = await pack.past()
        assert past and past.last == linked(12)[-1]

    async def test_a_list_knows_every_key_of_many(self, store: Store) -> None:
        """More than one page of a list."""
        keys = {f"{PREFIX}/chain/{number:06d}.json" for number in range(1, 1102)}
        await store.create(f"{PREFIX}-other/a", b"x")
        for some in batched(sorted(keys), 32):
            await asyncio.gather(*(store.create(key, b"x") for key in some))
        assert set(await paths(store)) == keys

    async def test_a_seal_is_the_same_whoever_ends_it(self, store: Store, pack: StoredPack) -> None:
        head = await fill(pack)
        sealed = await asyncio.gather(*(pack.seal(head, FACTS, AT) for _ in range(3)))
        assert len(set(sealed)) == 1
        assert await pack.seal(head, FACTS, AT) == sealed[0]


class StreamsContract(Packs):
    @pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK, 2 * CHUNK + 1])
    async def test_a_stream_is_stored_hashed_and_counted(self, store: Store, pack: StoredPack, size: int) -> None:
        data = os.urandom(size)
        async with pack.open("logs/app.log") as log:
            await log.write(data[: size // 3])
            await log.write(data[size // 3 :])
        assert await stored(store, "logs/app.log") == data
        assert (log.file.path, log.file.sha256, log.file.bytes) == ("logs/app.log", hashlib.sha256(data).hexdigest(), size)

    async def test_a_file_is_not_seen_before_it_is_whole(self, store: Store, pack: StoredPack) -> None:
        async with pack.open("logs/app.log") as log:
            await log.write(b"x" * (3 * CHUNK))
            assert await paths(store) == []
            with pytest.raises(Retryable, match="still being written"):
                _ = log.file
        assert await paths(store) == ["aureus/frontend-502-a1b2c3d4/logs/app.log"]

    @pytest.mark.requirement("E-08")
    async def test_an_error_in_the_block_keeps_what_was_written(self, store: Store, pack: StoredPack) -> None:
        with pytest.raises(ZeroDivisionError):
            async with pack.open("logs/app.log") as log:
                await log.write(b"x" * CHUNK + b"the last words")
                raise ZeroDivisionError
        assert await stored(store, "logs/app.log") == b"x" * CHUNK + b"the last words"
        assert log.file.bytes == CHUNK + 14

    async def test_a_cancelled_stream_keeps_what_was_written(self, store: Store, pack: StoredPack) -> None:
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
    async def test_cancelled_at_any_moment_hash_and_bytes_agree(self, store: Store, pack: StoredPack, steps: int) -> None:
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

    async def test_bytes_after_the_end_are_an_error_not_lost(self, pack: StoredPack) -> None:
        async with pack.open("logs/app.log") as log:
            pass
        with pytest.raises(RuntimeError, match="after its block ended"):
            await log.write(b"late")

    async def test_many_parts_are_one_file(self, store: Store, pack: StoredPack) -> None:
        """More than an object store takes at once."""
        data = os.urandom(3 * 5 * 1024 * 1024 + 17)
        async with pack.open("logs/app.log") as log:
            await log.write(data)
        assert await stored(store, "logs/app.log") == data
        assert (log.file.sha256, log.file.bytes) == (hashlib.sha256(data).hexdigest(), len(data))
        async with pack.open("logs/app.log") as log:
            await log.write(data[:-1])
        assert log.file.path == "logs/app+2.log"

"""A leader that is held up in the middle of a seal, and another one that seals meanwhile: neither spoils what the other did."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from stanch.domain.timeline import File, Head
from stanch.engine.chain import head_of
from stanch.engine.errors import Failure, Refused, Retryable
from stanch.packs.manifest import decode_manifest
from stanch.packs.store import StoredPack
from stanch.packs.verify import verify
from tests.unit.packs_kit import AT, FACTS, linked
from tests.unit.packs_shelf import shelf
from tests.unit.world_gates import GatedStore, Held, MemoryPacks, Passage

PREFIX = "aureus/frontend-502-a1b2c3d4/"
# More than a seal has writes.
WRITES = 7


class Sealer:
    """A leader that seals a head, held before each of its writes."""

    def __init__(self, packs: MemoryPacks, head: Head, days: int) -> None:
        self.gate = Held()
        self.pack = StoredPack(GatedStore(packs, Passage(self.gate)), PREFIX)
        facts = {**FACTS, "changes": [{"step": f"up to {head.seq}"}]}
        self.sealing = asyncio.create_task(self.pack.seal(head, facts, AT + timedelta(days=days)))

    async def writes(self, number: int) -> None:
        for _ in range(number):
            await still()
            if not self.gate.waiting:
                return
            self.gate.let_one()
        await still()

    async def end(self) -> File | Failure:
        self.gate.let_all()
        try:
            return await self.sealing
        except Failure as failure:
            return failure


async def still() -> None:
    for _ in range(100):
        await asyncio.sleep(0)


async def chained(count: int) -> tuple[MemoryPacks, StoredPack, list[Head]]:
    packs = MemoryPacks()
    pack = StoredPack(packs, PREFIX)
    entries = linked(count)
    for entry in entries:
        await pack.append(entry)
    return packs, pack, [head_of(entry) for entry in entries]


def whole(packs: MemoryPacks, head: Head, manifest: File) -> None:
    found = verify(shelf().lay(packs.objects) / PREFIX, head.hash, manifest.sha256)
    assert found.ok, found.problems
    last = decode_manifest(packs.objects[PREFIX + manifest.path])
    assert last.head == head
    suffix = manifest.path.removeprefix("manifest").removesuffix(".json")
    timeline = packs.objects[f"{PREFIX}timeline{suffix}.md"].decode()
    assert timeline.count("Act ") == head.seq
    assert f"up to {head.seq}".encode() in packs.objects[f"{PREFIX}changes{suffix}.json"]


@pytest.mark.parametrize("new_before", range(WRITES))
@pytest.mark.parametrize("old_before", range(WRITES))
async def test_seal_of_a_leader_that_was_held_up_spoils_no_newer_one(old_before: int, new_before: int) -> None:
    """The old one stops before one of its writes and goes on when the new one, with a later head, is before one of its own."""
    packs, pack, heads = await chained(5)
    old = Sealer(packs, heads[2], 0)
    await old.writes(old_before)
    new = Sealer(packs, heads[4], 1)
    await new.writes(new_before)
    late, found = await old.end(), await new.end()
    assert isinstance(late, File | Refused | Retryable)
    if isinstance(found, Retryable):
        found = await pack.seal(heads[4], FACTS, AT)
    assert isinstance(found, File)
    whole(packs, heads[4], found)


@pytest.mark.parametrize("old_before", range(WRITES))
async def test_leader_that_was_held_up_goes_on_when_the_pack_is_sealed_twice(old_before: int) -> None:
    packs, pack, heads = await chained(5)
    old = Sealer(packs, heads[2], 0)
    await old.writes(old_before)
    for seq in (4, 5):
        await Sealer(packs, heads[seq - 1], seq).end()
    before = dict(packs.objects)
    manifest = await pack.seal(heads[4], FACTS, AT)
    await old.end()
    assert packs.objects == before, "nothing is added, nothing is changed"
    whole(packs, heads[4], manifest)


async def test_seal_that_was_begun_is_finished_as_it_was_begun() -> None:
    """A leader died in the seal of entry 3: the next one ends that seal first, then makes its own."""
    packs, pack, heads = await chained(5)
    old = Sealer(packs, heads[2], 0)
    await old.writes(2)
    manifest = await pack.seal(heads[4], {**FACTS, "changes": [{"step": "up to 5"}]}, AT + timedelta(days=1))
    assert manifest.path == "manifest-0002.json"
    whole(packs, heads[4], manifest)
    first = decode_manifest(packs.objects[f"{PREFIX}manifest.json"])
    assert (first.head, first.sealed_at) == (heads[2], AT)
    old.gate.let_all()
    assert (await old.sealing).path == "manifest.json"


async def test_same_head_is_sealed_with_what_was_said_first() -> None:
    """The same bytes whoever finishes it, and whatever they would have said."""
    packs, pack, heads = await chained(3)
    old = Sealer(packs, heads[2], 0)
    await old.writes(2)
    await pack.seal(heads[2], {**FACTS, "approvals": ["other"]}, AT + timedelta(days=9))
    assert decode_manifest(packs.objects[f"{PREFIX}manifest.json"]).sealed_at == AT
    assert b"other" not in packs.objects[f"{PREFIX}approvals.json"]
    await old.end()


async def test_claim_that_nobody_could_have_made_is_refused() -> None:
    packs, pack, heads = await chained(3)
    packs.objects[f"{PREFIX}seal.json"] = b'{"head": 1}\n'
    with pytest.raises(Refused, match=r"SealBroken: seal\.json"):
        await pack.seal(heads[2], FACTS, AT)
    assert not [path for path in packs.objects if path.endswith("manifest.json")]

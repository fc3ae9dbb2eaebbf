"""Sealing: what it derives, what it vouches for, and that a crash between any two of its writes changes nothing."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from stanch.domain.timeline import Head
from stanch.engine.chain import decode, encode, entry_hash, head_of
from stanch.engine.errors import Refused
from stanch.packs.folder import STAGING, Folder
from stanch.packs.manifest import decode_manifest
from stanch.packs.store import StoredPack
from stanch.packs.verify import verify
from tests.unit.packs_kit import AT, FACTS, Crash, CrashingStore, Plan, contents, fill, folder_of, line, linked, pack_in

TIMELINE = """\
# Timeline: 502 on every page

All times are UTC. Each line: \\[HH:MM\\] action, expectation, result, next (who).

## 2026-11-21

- [23:58] Act 1, it helps, it did, look again (alice)
- [23:59] Act 2, it helps, it did, look again (alice)

## 2026-11-22

- [00:00] Act 3, it helps, it did, look again (alice)
"""


@pytest.mark.requirement("A-17", "E-24")
async def test_a_seal_derives_timeline_changes_and_approvals(tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    await pack.seal(await fill(pack, 3), FACTS, AT)
    folder = folder_of(pack)
    assert (folder / "timeline.md").read_text() == TIMELINE
    assert json.loads((folder / "changes.json").read_text()) == FACTS["changes"]
    assert json.loads((folder / "approvals.json").read_text()) == FACTS["approvals"]


async def test_the_manifest_vouches_for_every_file_but_itself(tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    head = await fill(pack, 3)
    file = await pack.seal(head, FACTS, AT)
    found = contents(folder_of(pack))
    manifest = decode_manifest(found["manifest.json"])
    assert [listed.path for listed in manifest.files] == sorted(found.keys() - {"manifest.json"})
    assert (manifest.head, manifest.sealed_at, manifest.previous, manifest.segment) == (head, AT, "", 1)
    assert manifest.incident == {"name": "frontend-502", "title": "502 on every page", "startedAt": "2026-11-21T23:58:00Z"}
    assert (file.path, file.bytes) == ("manifest.json", len(found["manifest.json"]))
    assert verify(folder_of(pack), head.hash, file.sha256).ok


async def test_no_changes_and_no_approvals_are_said_as_empty_lists(tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    await pack.seal(await fill(pack), {}, AT)
    assert (folder_of(pack) / "approvals.json").read_text() == "[]\n"
    assert (folder_of(pack) / "timeline.md").read_text().startswith("# Timeline: aureus/frontend-502-a1b2c3d4")


async def test_a_second_seal_of_the_same_head_changes_nothing(tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    head = await fill(pack)
    first = await pack.seal(head, FACTS, AT)
    before = contents(tmp_path)
    assert await pack.seal(head, {**FACTS, "changes": ["other"]}, AT + timedelta(hours=1)) == first
    assert contents(tmp_path) == before


async def test_a_later_segment_leaves_the_earlier_ones_as_they_are(tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    first = await pack.seal(head := await fill(pack), FACTS, AT)
    sealed = contents(folder_of(pack))
    head = await fill(pack, 2, head)
    second = await pack.seal(head, FACTS, AT + timedelta(days=2))
    third = await pack.seal(head := await fill(pack, 1, head), FACTS, AT + timedelta(days=3))
    after = contents(folder_of(pack))
    assert {path: after[path] for path in sealed} == sealed
    assert [second.path, third.path] == ["manifest-0002.json", "manifest-0003.json"]
    assert {"timeline-0002.md", "changes-0003.json", "approvals-0002.json"} <= after.keys()
    assert decode_manifest(after["manifest-0002.json"]).previous == f"sha256:{first.sha256}"
    assert after["timeline-0002.md"].decode().count("Act ") == 6
    assert verify(folder_of(pack), head.hash, third.sha256).ok


async def test_an_earlier_head_is_not_sealed_after_a_later_one(tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    await pack.seal(await fill(pack), FACTS, AT)
    with pytest.raises(Refused, match="SealedPast"):
        await pack.seal(head_of(linked(2)[-1]), FACTS, AT)


async def test_entries_past_the_head_are_left_for_the_next_segment(tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    head = await fill(pack, 3)
    (extra,) = linked(1, head)
    await pack.append(extra)
    await pack.seal(head, FACTS, AT)
    assert b"Act 4" not in contents(folder_of(pack))["timeline.md"]
    found = verify(folder_of(pack), allow_unsealed=True)
    assert (found.ok, found.sealed, found.entries) == (True, 3, 4)


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"{}")])
async def test_a_broken_chain_is_not_sealed(tmp_path: Path, damage: object) -> None:
    pack = pack_in(tmp_path)
    head = await fill(pack)
    damage(folder_of(pack) / "chain/000002.json")  # type: ignore[operator]
    with pytest.raises(Refused, match="ChainBroken: entry 2"):
        await pack.seal(head, FACTS, AT)
    assert not [path for path in contents(folder_of(pack)) if "/" not in path]


async def test_an_entry_that_was_edited_and_given_its_hash_is_not_sealed(tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    head = await fill(pack)
    target = folder_of(pack) / "chain/000002.json"
    edited = replace(decode(target.read_bytes()), line=line(99), hash="")
    target.write_bytes(encode(replace(edited, hash=entry_hash(edited))))
    with pytest.raises(Refused, match="ChainBroken: entry 3: it does not follow from entry 2"):
        await pack.seal(head, FACTS, AT)


async def test_a_chain_that_leads_elsewhere_is_not_sealed(tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    head = await fill(pack)
    with pytest.raises(Refused, match="ChainBroken: entry 4: its hash is"):
        await pack.seal(Head(head.seq, "sha256:" + "1" * 64), FACTS, AT)


@pytest.mark.parametrize("facts", [{"incident": {"n": 2**60}}, {"changes": [float("nan")]}, {"../x": []}, {"timeline": []}])
async def test_facts_that_cannot_be_written_are_refused(tmp_path: Path, facts: dict[str, object]) -> None:
    pack = pack_in(tmp_path)
    with pytest.raises(Refused, match="BadFacts"):
        await pack.seal(await fill(pack), facts, AT)


async def test_two_operators_that_seal_at_once_agree(tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    head = await fill(pack)
    files = await asyncio.gather(*(pack.seal(head, FACTS, AT) for _ in range(4)))
    assert len(set(files)) == 1
    assert verify(folder_of(pack), head.hash, files[0].sha256).ok


async def sealed_twice(pack: StoredPack) -> None:
    """The writes of a whole life: evidence, entries, a seal, more of them, another seal. Repeatable."""
    head = await fill(pack, 2)
    await pack.seal(head, FACTS, AT)
    (late,) = linked(1, head)
    await pack.append(late)
    await pack.seal(head_of(late), FACTS, AT + timedelta(days=2))


def crashing(root: Path, plan: Plan) -> StoredPack:
    return StoredPack(CrashingStore(Folder(root), plan), "aureus/frontend-502-a1b2c3d4/")


async def whole_life(root: Path) -> tuple[dict[str, bytes], int]:
    plan = Plan(at=0, after=False)
    await sealed_twice(crashing(root, plan))
    return contents(root), plan.seen


@pytest.mark.long
@pytest.mark.parametrize("after", [False, True])
async def test_killed_at_any_write_then_run_again_the_seals_are_the_same(tmp_path: Path, after: bool) -> None:
    """Only evidence may be there twice: its names are taken, and what was captured is never overwritten."""
    expected, writes = await whole_life(tmp_path / "whole")
    assert writes > 15
    for at in range(1, writes + 1):
        root = tmp_path / f"killed-{at}"
        with pytest.raises(Crash):
            await sealed_twice(crashing(root, Plan(at, after)))
        await sealed_again(root)
        found = {path: data for path, data in contents(root).items() if not path.startswith(STAGING)}
        assert {path for path in found if "+2" not in path} == expected.keys()
        derived = [path for path in found if path.rpartition("/")[2].startswith(("timeline", "changes", "approvals"))]
        assert all(found[path] == expected[path] for path in derived)
        assert verify(root / "aureus/frontend-502-a1b2c3d4").ok


async def sealed_again(root: Path) -> None:
    """What the operator does after a restart: entries and heads are in the status, so they are the same; evidence may be."""
    pack = StoredPack(Folder(root), "aureus/frontend-502-a1b2c3d4/")
    if not (root / "aureus/frontend-502-a1b2c3d4/chain/000001.json").exists():
        await sealed_twice(pack)
        return
    first = decode((root / "aureus/frontend-502-a1b2c3d4/chain/000001.json").read_bytes())
    entries = linked(3, files=first.line.files)
    for entry in entries[:2]:
        await pack.append(entry)
    await pack.seal(head_of(entries[1]), FACTS, AT)
    await pack.append(entries[2])
    await pack.seal(head_of(entries[2]), FACTS, AT + timedelta(days=2))

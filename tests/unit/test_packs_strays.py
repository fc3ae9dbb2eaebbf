"""What a leader that was held up adds after the seal is told as what it is; what anybody else adds is told as added."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from stanch.domain.timeline import File, Head
from stanch.engine.chain import canonical, head_of
from stanch.engine.errors import Retryable
from stanch.packs.findings import MAX_PROBLEMS, ProblemKind
from stanch.packs.manifest import ATTEMPTS_BEGUN, CAPTURES_BEGUN, decode_manifest
from stanch.packs.store import StoredPack, open_packs
from stanch.packs.verify import verify
from tests.unit.packs_kit import AT, FACTS, contents, folder_of, linked, pack_in

BEGUN = {**FACTS, "incident": {**FACTS["incident"], CAPTURES_BEGUN: 3, ATTEMPTS_BEGUN: 2}}


async def sealed(pack: StoredPack) -> tuple[Head, File]:
    """Three captures were begun: 1 and 3 came to their end, 2 did not."""
    listings = []
    for name in ("before-1", "after-3"):
        log = await pack.put(f"logs/{name}/app.log", name.encode())
        listed = [{"path": log.path, "sha256": log.sha256, "bytes": log.bytes}]
        listings.append(await pack.put(f"captures/{name}.json", canonical({"files": listed})))
    entries = linked(2, files=tuple(listings))
    for entry in entries:
        await pack.append(entry)
    head = head_of(entries[-1])
    return head, await pack.seal(head, BEGUN, AT)


async def is_added(path: str, tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    head, manifest = await sealed(pack)
    target = folder_of(pack) / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"forged\n")
    found = verify(folder_of(pack), head.hash, manifest.sha256)
    assert not found.ok and not found.strays
    assert [(problem.kind, problem.path) for problem in found.problems] == [(ProblemKind.Added, path)]


@pytest.mark.parametrize("path", ["logs/before-2/app.log", "objects/after-2/a/b.yaml", "captures/before-2.json",
                                  "checks/before-2.json", "captures/before-2+2.json", "logs/revert-2/app.log"])  # fmt: skip
async def test_late_file_of_a_capture_that_never_ended_is_a_stray(path: str, tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    head, manifest = await sealed(pack)
    await pack.put(path, b"late\n")
    found = verify(folder_of(pack), head.hash, manifest.sha256)
    assert (found.ok, found.strays, found.stray) == (True, (path,), 1)


@pytest.mark.requirement("A-17")
@pytest.mark.parametrize("path", ["logs/before-1/more.log", "logs/after-3/app+2.log", "captures/before-1+2.json", "logs/after-1/x",
                                  "logs/before-4/app.log", "logs/before-0/x", "logs/before-02/x", "logs/during-2/x", "logs/x",
                                  "before-2/x", "LOGS/before-2/x", "a/logs/before-2/x", "captures/before-2.txt",
                                  "chain/before-2/x", "chain/before-2.json", "notes.md"])  # fmt: skip
async def test_file_anywhere_else_was_added(path: str, tmp_path: Path) -> None:
    await is_added(path, tmp_path)


@pytest.mark.parametrize("path", ["plans/1-0123456789ab.json", "plans/2-0123456789ab+2.json", "steps/2-restart-rollout.stdout",
                                  "messages/outage-0123456789ab.txt"])  # fmt: skip
async def test_late_file_of_an_attempt_that_was_over_is_a_stray(path: str, tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    head, manifest = await sealed(pack)
    await pack.put(path, b"late\n")
    found = verify(folder_of(pack), head.hash, manifest.sha256)
    assert (found.ok, found.strays, found.stray) == (True, (path,), 1)


@pytest.mark.parametrize("path", ["plans/3-0123456789ab.json", "plans/0-0123456789ab.json", "plans/1-0123456789AB.json",
                                  "plans/1.json", "plans/1-0123456789ab/x.json", "steps/3-restart-rollout.stdout", "steps/restart",
                                  "steps/1-a/b", "messages/outage.txt", "messages/a/b-0123456789ab.txt",
                                  "messages/x-0123456789ab.json"])  # fmt: skip
async def test_file_of_an_attempt_that_was_never_begun_was_added(path: str, tmp_path: Path) -> None:
    await is_added(path, tmp_path)


async def test_plan_that_a_seal_vouches_for_is_none_that_was_altered(tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    plan = await pack.put("plans/1-0123456789ab.json", b"{}")
    await sealed(pack)
    assert verify(folder_of(pack)).ok and not verify(folder_of(pack)).strays
    (folder_of(pack) / plan.path).write_bytes(b"[]")
    assert {problem.kind for problem in verify(folder_of(pack)).problems} == {ProblemKind.Changed}


async def test_link_in_the_place_of_a_stray_was_added(tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    await sealed(pack)
    (folder_of(pack) / "logs/before-2").mkdir()
    (folder_of(pack) / "logs/before-2/app.log").symlink_to("/etc/hostname")
    assert not verify(folder_of(pack)).ok


async def test_pack_that_does_not_say_how_many_were_begun_has_no_strays(tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    entries = linked(1)
    await pack.append(entries[0])
    await pack.seal(head_of(entries[0]), FACTS, AT)
    await pack.put("logs/before-1/app.log", b"late\n")
    assert not verify(folder_of(pack)).ok


async def test_later_seal_does_not_vouch_for_a_stray(tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    head, _ = await sealed(pack)
    lagging = "logs/before-2/app.log", "plans/2-0123456789ab.json", "steps/1-a-b.stdout"
    late = [await pack.put(path, b"late\n") for path in lagging]
    since = [await pack.put(path, b"since then\n") for path in ("logs/before-4/app.log", "plans/3-0123456789ab.json")]
    (entry,) = linked(1, head)
    await pack.append(entry)
    facts = {**BEGUN, "incident": {**BEGUN["incident"], CAPTURES_BEGUN: 4, ATTEMPTS_BEGUN: 3}}
    second = await pack.seal(head_of(entry), facts, AT + timedelta(days=1))
    listed = {file.path for file in decode_manifest((folder_of(pack) / second.path).read_bytes()).files}
    assert listed.isdisjoint(file.path for file in late) and listed.issuperset(file.path for file in since)
    found = verify(folder_of(pack), entry.hash, second.sha256)
    assert found.ok and found.strays == tuple(file.path for file in late)


async def test_what_was_there_before_the_seal_is_vouched_for(tmp_path: Path) -> None:
    """What a capture that failed had got so far is evidence: it is sealed as it is, and may not change."""
    pack = pack_in(tmp_path)
    part = await pack.put("logs/before-2/app.log", b"so far\n")
    head, _ = await sealed(pack)
    assert verify(folder_of(pack)).ok and not verify(folder_of(pack)).strays
    (entry,) = linked(1, head)
    await pack.append(entry)
    second = await pack.seal(head_of(entry), BEGUN, AT)
    assert part in decode_manifest((folder_of(pack) / second.path).read_bytes()).files
    (folder_of(pack) / part.path).write_bytes(b"forged\n")
    assert {problem.kind for problem in verify(folder_of(pack)).problems} == {ProblemKind.Changed}


async def test_strays_without_number_are_counted_not_listed(tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    await sealed(pack)
    folder = folder_of(pack) / "logs" / "before-2"
    folder.mkdir()
    for number in range(MAX_PROBLEMS + 5):
        (folder / f"{number}.log").touch()
    found = verify(folder_of(pack))
    assert found.ok and len(found.strays) == MAX_PROBLEMS and found.stray == MAX_PROBLEMS + 5


async def test_who_does_not_lead_writes_nothing(tmp_path: Path) -> None:
    leading = True

    def leads() -> None:
        if not leading:
            raise Retryable("NotLeading", "this process does not lead any more")

    pack = open_packs(str(tmp_path), leads).of("aureus", "frontend-502", "a1b2c3d4")
    entries = linked(2)
    await pack.append(entries[0])
    with pytest.raises(Retryable, match="NotLeading"):
        async with pack.open("logs/before-1/app.log") as log:
            await log.write(b"begun while it led\n")
            leading = False
    before = contents(tmp_path)
    for work in (pack.append(entries[1]), pack.put("logs/x", b""), pack.seal(head_of(entries[0]), FACTS, AT)):
        with pytest.raises(Retryable, match="NotLeading"):
            await work
    assert contents(tmp_path) == before and [path for path in before if "chain/" not in path] == []

"""`stanch timeline` and `stanch verify`: on whole packs, spoiled packs, and what is no pack."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stanch.cli import timeline, verify
from stanch.cli.ending import Code, Ending
from stanch.cli.output import Format
from stanch.cli.verify import Known
from stanch.packs.manifest import CAPTURES_BEGUN
from tests.unit.cli_kit import ESCAPE, incident, parsed, session
from tests.unit.memory import MemoryServer
from tests.unit.packs_kit import AT, FACTS, fill, folder_of, pack_in
from tests.unit.play import Play

NOTHING = Known()


@pytest.fixture
async def pack(tmp_path: Path) -> Path:
    """Four entries, sealed."""
    stored = pack_in(tmp_path / "packs")
    await stored.seal(await fill(stored), FACTS, AT)
    return folder_of(stored)


def checked(
    capsys: pytest.CaptureFixture[str], path: Path, known: Known = NOTHING, output: Format = Format.text
) -> tuple[Code, str]:
    try:
        verify.check(str(path), known, output)
    except Ending as ending:
        return ending.code, capsys.readouterr().out + ending.message
    return Code.Fine, capsys.readouterr().out


def entry(pack: Path, number: int) -> Path:
    return pack / "chain" / f"{number:06d}.json"


def edit(pack: Path) -> None:
    entry(pack, 3).write_bytes(entry(pack, 3).read_bytes().replace(b"it helps", b"it hurts"))


SPOILED: dict[str, tuple[Callable[[Path], object], int]] = {
    "edited": (edit, 3),
    "removed": (lambda pack: entry(pack, 2).unlink(), 2),
    "truncated": (lambda pack: entry(pack, 4).unlink(), 4),
    "reordered": (lambda pack: shutil.copy(entry(pack, 1), entry(pack, 3)), 3),
    "a file changed": (lambda pack: (pack / "timeline.md").write_text("all was well"), 0),
    "a file added": (lambda pack: (pack / "logs" / "more.log").write_text("x"), 0),
}


@pytest.mark.parametrize("name", SPOILED)
def test_verify_names_the_first_bad_entry(name: str, pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(capsys, pack)[0] is Code.Fine
    spoil, first = SPOILED[name]
    spoil(pack)
    code, out = checked(capsys, pack)
    assert code is Code.Problems and "is not what was recorded" in out
    assert (f"the first bad entry is {first}" in out) == bool(first)
    found = parsed(checked(capsys, pack, output=Format.json)[1])
    assert (found["ok"], found["firstBadEntry"]) == (False, first) and found["problems"]


async def test_verify_tells_of_strays_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored = pack_in(tmp_path)
    await stored.seal(await fill(stored), {"incident": {CAPTURES_BEGUN: 1}}, AT)
    await stored.put("logs/before-1/app.log", b"late")
    code, out = checked(capsys, folder_of(stored))
    assert code is Code.Fine and "logs/before-1/app.log: Stray: no part of the pack" in out and "whole" in out
    assert parsed(checked(capsys, folder_of(stored), output=Format.json)[1])["strays"] == ["logs/before-1/app.log"]


def test_verify_says_what_it_saw_and_what_it_cannot_know(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = checked(capsys, pack)
    assert code is Code.Fine and f"{pack}: whole: 4 entries, " in out and "sealed up to entry 4" in out
    assert "compare with status.pack of the Incident" in out
    found = parsed(checked(capsys, pack, output=Format.json)[1])
    known = Known(found["head"], found["manifest"])
    code, out = checked(capsys, pack, known)
    assert code is Code.Fine and "compare" not in out
    for wrong in (replace(known, head="sha256:" + "0" * 64), replace(known, manifest="sha256:" + "0" * 64)):
        assert checked(capsys, pack, wrong)[0] is Code.Problems


async def test_verify_of_a_pack_that_is_not_sealed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored = pack_in(tmp_path)
    await fill(stored)
    assert checked(capsys, folder_of(stored))[0] is Code.Problems
    code, out = checked(capsys, folder_of(stored), Known(unsealed=True))
    assert code is Code.Fine and "not sealed" in out


def test_what_is_no_pack_is_neither_good_nor_bad(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    for path, why in ((tmp_path / "none", "is not there"), (tmp_path / "file", "is not a folder")):
        code, out = checked(capsys, path)
        assert code is Code.Unusable and why in out
        with pytest.raises(Ending, match=why) as ending:
            timeline.of_pack(str(path), Format.text)
        assert ending.value.code is Code.Unusable


@pytest.mark.requirement("A-17")
def test_timeline_is_the_decision_log(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    timeline.of_pack(str(pack), Format.text)
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-21",
        "[23:58] Act 1, it helps, it did, look again (alice)",
        "[23:59] Act 2, it helps, it did, look again (alice)",
        "2026-11-22",
        "[00:00] Act 3, it helps, it did, look again (alice)",
        "[00:01] Act 4, it helps, it did, look again (alice)",
    ]
    timeline.of_pack(str(pack), Format.json)
    found = parsed(capsys.readouterr().out)
    assert [one["line"]["action"] for one in found["entries"]] == ["Act 1", "Act 2", "Act 3", "Act 4"] and found["missing"] == 0


def test_a_gap_in_the_timeline_is_said_and_fails(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry(pack, 2).write_text("\x1b[2Jnothing")
    for output in Format:
        with pytest.raises(Ending, match="1 entries cannot be shown; `stanch verify") as ending:
            timeline.of_pack(str(pack), output)
        assert ending.value.code is Code.Problems
        assert ESCAPE not in capsys.readouterr().out


def test_an_empty_folder_has_no_timeline(tmp_path: Path) -> None:
    with pytest.raises(Ending, match="is it a pack") as ending:
        timeline.of_pack(str(tmp_path), Format.text)
    assert ending.value.code is Code.Unusable


async def test_the_timeline_of_an_incident_is_that_of_its_pack(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server, play = MemoryServer(), Play()
    play.status = replace(play.status, pack=replace(play.status.pack, uri=pack.as_uri()))
    incident(server, play)
    await timeline.of_incident(session(server), "frontend-502", Format.text)
    assert "[23:58] Act 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("uri", "message", "code"),
    [
        ("", "has no pack yet", Code.Problems),
        ("s3://bucket/x", "pack of frontend-502 is s3://bucket/x", Code.Unusable),
        ("file:///nowhere/x", "copy it here", Code.Unusable),
    ],
)
async def test_a_pack_that_is_not_here_is_named(uri: str, message: str, code: Code) -> None:
    server, play = MemoryServer(), Play()
    play.status = replace(play.status, pack=replace(play.status.pack, uri=uri))
    incident(server, play)
    with pytest.raises(Ending, match=message) as ending:
        await timeline.of_incident(session(server), "frontend-502", Format.text)
    assert ending.value.code is code


def test_an_incident_or_a_pack(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pack.parent)
    assert timeline.is_pack(str(pack)) and timeline.is_pack(pack.name) and timeline.is_pack("./missing")
    assert not timeline.is_pack("frontend-502")

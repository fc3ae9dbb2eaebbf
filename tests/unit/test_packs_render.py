"""How the timeline reads, and that it obeys nobody."""

from __future__ import annotations

import unicodedata
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanch.domain.timeline import Head, Line
from stanch.engine.chain import link
from stanch.packs.render import escaped, markdown, printable, terminal, visible
from stanch.packs.timeline import Gap, read_entries, render
from tests.unit.packs_kit import AT, fill, folder_of, line, linked, pack_in


@pytest.mark.requirement("A-17")
def test_a_line_is_time_action_expectation_result_next() -> None:
    (entry,) = linked(1)
    assert terminal(entry, entry) == "[23:58] Act 1, it helps, it did, look again (alice)"


def test_what_was_not_said_keeps_its_place() -> None:
    entry = link(Head(), Line("k", "stanch", "Restart", next="watch"), AT)
    assert terminal(entry, entry) == "[23:58] Restart, -, -, watch (stanch)"


def test_the_day_is_said_when_it_changes() -> None:
    first, second, third = linked(3)
    assert terminal(first, None).startswith("2026-11-21\n[23:58]")
    assert terminal(second, first).startswith("[23:59]")
    assert terminal(third, second).startswith("2026-11-22\n[00:00]")
    assert markdown(third, second).startswith("\n## 2026-11-22\n\n- [00:00] ")


def test_times_are_utc() -> None:
    entry = link(Head(), line(1), AT.astimezone(timezone(timedelta(hours=1))))
    assert terminal(entry, None).startswith("2026-11-21\n[23:58]")


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_steers_a_terminal(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\u202eb", "line\u2028break", "two\nlines", "\ud800"])
def test_what_steers_is_shown(text: str) -> None:
    assert printable(text).isprintable()
    assert "\n" not in printable(text)


@given(st.text(st.characters(exclude_categories=())))
def test_what_is_shown_whole_steers_nothing_and_loses_nothing(text: str) -> None:
    shown = visible(text)
    assert all(unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for c in shown)
    assert len(shown) >= len(text) and visible(shown) == shown and shown.count(" ") == text.count(" ")


def test_line_feeds_are_shown() -> None:
    assert visible("  a\n b\r\tc\u202ed\u2028e") == r"  a\n b\r\tc\u202ed\u2028e"


@pytest.mark.parametrize("text", ["<script>", "[click](http://evil)", "**bold**", "`code`", "# title", "a | b", "![x](y)", "&lt;"])
def test_markup_is_text(text: str) -> None:
    bare = escaped(text).replace("\\\\", "")
    assert not any(char in bare.replace(f"\\{char}", "") for char in "<>[]*`#|!&")


async def test_entries_are_read_in_order_and_gaps_are_said(tmp_path: Path) -> None:
    pack = pack_in(tmp_path)
    await fill(pack, 5)
    folder = folder_of(pack)
    (folder / "chain/000002.json").unlink()
    (folder / "chain/000004.json").write_bytes(b"{")
    found = list(read_entries(folder))
    assert [entry if isinstance(entry, Gap) else entry.seq for entry in found] == [
        1,
        Gap(2, 2, "not there"),
        3,
        Gap(4, 4, "it is not JSON at byte 1: Expecting property name enclosed in double quotes"),
        5,
    ]
    shown = list(render(folder))
    assert shown[1] == "[--:--] entry 2 cannot be shown: not there"
    assert shown[2].startswith("2026-11-22\n[00:00] Act 3")


async def test_a_billion_entries_in_a_name_are_one_gap(tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    (folder / "chain").mkdir(parents=True)
    (folder / "chain/999999999.json").write_bytes(b"{}")
    gap, bad = read_entries(folder)
    assert gap == Gap(1, 999999998, "not there")
    assert isinstance(bad, Gap)

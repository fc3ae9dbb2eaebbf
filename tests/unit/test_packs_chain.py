"""The chain's arithmetic: what an entry's bytes and hash are, for ever."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanch.domain.timeline import GENESIS, Entry, File, Head, Line
from stanch.engine.chain import decode, encode, entry_hash, head_of, link, parse_time, time_text
from tests.unit.packs_kit import AT, linked

TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
FILES = st.builds(File, TEXT, st.just("0" * 64), st.integers(0, 2**53 - 1))
LINES = st.builds(Line, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, st.lists(FILES, max_size=2).map(tuple))
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))

# Packs of every version to come are verified against these bytes: when this test is red, old packs are unreadable.
GOLDEN = (
    '{"at":"2026-11-21T23:58:00.000120Z","hash":"sha256:b626977a283fe6de1aac89b90d58bb315245607617318ae75beb27f7581e99ff",'
    '"line":{"action":"Capture evidence","actor":"stanch","files":[{"bytes":7,"path":"captures/before-1.json","sha256":"'
    + "ab" * 32
    + '"}],"key":"evidence","result":"1 file · é \\u0000"},"prev":"sha256:'
    + "0" * 64
    + '","seq":1}'
)


def golden_entry() -> Entry:
    file = File("captures/before-1.json", "ab" * 32, 7)
    said = Line("evidence", "stanch", "Capture evidence", result="1 file · é \0", files=(file,))
    return link(Head(), said, AT.replace(microsecond=120))


def test_the_bytes_of_an_entry_never_change() -> None:
    assert encode(golden_entry()).decode() == GOLDEN


def test_the_hash_is_that_of_the_bytes_without_it() -> None:
    raw = json.loads(GOLDEN)
    assert raw.pop("hash") == entry_hash(golden_entry())


@given(LINES, TIMES)
def test_an_entry_comes_back_as_it_was(line: Line, at: datetime) -> None:
    entry = link(Head(), line, at)
    assert decode(encode(entry)) == entry
    assert entry.hash == entry_hash(entry)


@given(st.text(max_size=40))
def test_what_can_be_said_in_utf8_is_said_unchanged(action: str) -> None:
    assert link(Head(), Line("k", "stanch", action), AT).line.action == action


@pytest.mark.requirement("A-17")
def test_each_entry_names_the_one_before() -> None:
    first, second, third = linked(3)
    assert (first.seq, first.prev) == (1, GENESIS)
    assert (second.prev, third.prev) == (first.hash, second.hash)
    assert head_of(third) == Head(3, third.hash)


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 2},
        {"prev": "sha256:" + "1" * 64},
        {"at": AT + timedelta(microseconds=1)},
        {"line": Line("step/1", "mallory", "Act 1")},
    ],
)
def test_every_field_is_under_the_hash(change: dict[str, object]) -> None:
    (entry,) = linked(1)
    assert entry_hash(replace(entry, **change)) != entry.hash


def test_one_instant_has_one_spelling() -> None:
    berlin = AT.astimezone(timezone(timedelta(hours=1)))
    assert time_text(berlin) == time_text(AT) == "2026-11-21T23:58:00Z"
    assert time_text(AT.replace(microsecond=500000)) == "2026-11-21T23:58:00.500000Z"
    assert parse_time(time_text(berlin)) == AT


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no zone"):
        time_text(datetime(2026, 11, 21))


@pytest.mark.parametrize("text", ["2026-11-21T23:58:00+00:00", "2026-11-21 23:58:00Z", "2026-11-21T23:58:00.5Z", "", None, 5])
def test_another_spelling_of_a_time_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="at: expected a time"):
        parse_time(text)


GOOD = json.loads(GOLDEN)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\xff{}", "not UTF-8 at byte 0"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "nests too deep"),
        (b"[]", "expected an object"),
        (b'{"seq":' + b"9" * 5000 + b"}", "Exceeds the limit"),
        (json.dumps(GOOD).encode(), "not written as canonical JSON"),
        (json.dumps({**GOOD, "seq": True}).encode(), "seq: expected a whole number"),
        (json.dumps({**GOOD, "seq": 1.0}).encode(), "seq: expected a whole number"),
        (json.dumps({**GOOD, "seq": 2**60}).encode(), "seq: expected a whole number"),
        (json.dumps({**GOOD, "prev": "sha256:x"}).encode(), "prev: expected sha256:"),
        (json.dumps({**GOOD, "mood": "bad"}).encode(), "unknown field 'mood'"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "at"}).encode(), "at is missing"),
        (json.dumps({**GOOD, "line": {**GOOD["line"], "next": 5}}).encode(), "line.next: expected text"),
        (json.dumps({**GOOD, "line": {**GOOD["line"], "files": "x"}}).encode(), "line.files: expected a list"),
        (GOLDEN.replace('"seq":1', '"seq":1,"seq":1').encode(), "not written as canonical JSON"),
    ],
)
def test_what_is_no_entry_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        decode(data)


def test_half_a_surrogate_pair_does_not_stop_the_chain() -> None:
    entry = link(Head(), Line("k", "stanch", "log says \ud800!"), AT)
    assert entry.line.action == "log says \ufffd!"

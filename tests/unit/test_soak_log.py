"""The audit log is followed as it grows and as it is rotated; a part that was not to be had is said, and never nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stage.audit.log import AuditLog, AuditLogGap, Event, parse

LOG = Path(__file__).parent / "goldens" / "audit" / "soak.jsonl"


def more(path: Path, *parts: bytes) -> None:
    with path.open("ab") as file:
        file.write(b"".join(parts))


@pytest.fixture
def lines() -> list[bytes]:
    return LOG.read_bytes().splitlines(keepends=True)[:4]


@pytest.fixture
def path(tmp_path: Path, lines: list[bytes]) -> Path:
    """It stands there already, with one line."""
    more(tmp_path / "audit.log", lines[0])
    return tmp_path / "audit.log"


def read(log: AuditLog) -> list[Event]:
    log.read()
    return log.events


def test_it_is_read_from_where_it_ended_and_as_it_grows(path: Path, lines: list[bytes]) -> None:
    with AuditLog(path) as log:
        assert read(log) == []
        more(path, lines[1], lines[2][:50])
        assert read(log) == [parse(lines[1])]
        more(path, lines[2][50:])
        assert read(log) == [parse(lines[1]), parse(lines[2])]


@pytest.mark.parametrize("before", [0, 1])
def test_a_line_that_is_being_written_when_it_is_opened_is_whole(path: Path, lines: list[bytes], before: int) -> None:
    path.write_bytes(b"".join(lines[:before]) + lines[1][:50])
    with AuditLog(path) as log:
        assert read(log) == []
        more(path, lines[1][50:], lines[2])
        assert read(log) == [parse(lines[1]), parse(lines[2])]


def test_a_log_that_was_just_begun_is_read_from_its_beginning(path: Path, lines: list[bytes]) -> None:
    path.write_bytes(b"")
    with AuditLog(path) as log:
        more(path, lines[1])
        assert read(log) == [parse(lines[1])]


def test_only_what_is_wanted_is_kept(path: Path, lines: list[bytes]) -> None:
    with AuditLog(path, lambda line: line == lines[2]) as log:
        more(path, *lines[1:])
        assert read(log) == [parse(lines[2])]


def rotate(path: Path, time: str) -> None:
    path.rename(path.with_name(f"audit-2026-11-21T{time}.log"))


def test_rotation_loses_nothing(path: Path, lines: list[bytes]) -> None:
    with AuditLog(path) as log:
        more(path, lines[1])
        rotate(path, "10-00-00.000")
        assert read(log) == [parse(lines[1])], "the next file is not there yet"
        more(path, lines[2])
        rotate(path, "11-00-00.000")
        more(path, lines[3])
        assert read(log) == [parse(line) for line in lines[1:]]


def test_a_file_that_is_gone_is_a_gap(path: Path, lines: list[bytes]) -> None:
    with AuditLog(path) as log:
        path.unlink()
        more(path, lines[1])
        with pytest.raises(AuditLogGap, match="is gone"):
            log.read()


def test_a_file_that_is_cut_short_is_a_gap(path: Path) -> None:
    with AuditLog(path) as log:
        path.write_bytes(b"")
        with pytest.raises(AuditLogGap, match="cut short"):
            log.read()


def test_a_line_that_rotation_broke_is_a_gap(path: Path, lines: list[bytes]) -> None:
    with AuditLog(path) as log:
        more(path, lines[1][:50])
        rotate(path, "10-00-00.000")
        more(path, lines[2])
        with pytest.raises(AuditLogGap, match="middle of a line"):
            log.read()


@pytest.mark.parametrize("line", [b"no JSON\n", b"{}\n", b"[]\n"])
def test_a_line_that_is_no_event_is_a_gap(path: Path, line: bytes) -> None:
    with AuditLog(path) as log:
        more(path, line)
        with pytest.raises(AuditLogGap, match="no event"):
            log.read()


def test_an_event_that_the_api_server_cut_is_a_gap(path: Path, lines: list[bytes]) -> None:
    with AuditLog(path) as log:
        more(path, lines[1].replace(b"{", b'{"annotations": {"audit.k8s.io/truncated": "true"}, ', 1))
        with pytest.raises(AuditLogGap, match="has cut"):
            log.read()

"""The hash chain's arithmetic: canonical JSON of an entry, its hash, and the next link. Pure.

Canonical JSON is RFC 8785. A field that holds its default is left out, so that a field added to `Line` or `Entry` in a
later version does not change the hash of what an earlier version wrote. Times are RFC 3339 in UTC, with whole seconds
or six digits of a second, never anything between: the same instant always gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, replace
from datetime import UTC, datetime
from typing import Any

import rfc8785

from stanch.domain.record import Record, camel
from stanch.domain.timeline import Entry, File, Head, Line

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", re.ASCII)
_HASH = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)


def digest(data: bytes) -> str:
    """`sha256:` and the hex SHA-256."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def time_text(at: datetime) -> str:
    """RFC 3339 in UTC. A time without a zone is refused (ValueError): nobody knows which instant it means."""
    if at.tzinfo is None:
        raise ValueError(f"the time {at.isoformat()} has no zone; a time of the chain has one")
    utc = at.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="microseconds" if utc.microsecond else "seconds") + "Z"


def parse_time(text: object) -> datetime:
    """The inverse of `time_text`; ValueError for every other spelling."""
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        raise ValueError(f"at: expected a time like 2026-01-31T23:59:59Z, found {_shown(text)}")
    return datetime.fromisoformat(text)


def plain(value: Any) -> Any:
    """JSON of a value: records as camelCase objects without the fields that hold their default, times as text."""
    if isinstance(value, Record):
        return {camel(f.name): plain(getattr(value, f.name)) for f in fields(value) if not _is_default(value, f)}
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def canonical(value: Any) -> bytes:
    """RFC 8785 of `plain(value)`. ValueError for what JSON cannot say exactly: NaN, integers from 2^53, lone
    surrogates.
    """
    try:
        return rfc8785.dumps(plain(value))
    except RecursionError as error:
        raise ValueError("it nests too deep") from error


def encode(entry: Entry) -> bytes:
    """The bytes of the entry's file."""
    return canonical(entry)


def entry_hash(entry: Entry) -> str:
    """SHA-256 of the entry's canonical JSON without `hash`."""
    return digest(canonical(replace(entry, hash="")))


def link(head: Head, line: Line, at: datetime) -> Entry:
    """The entry that follows `head`, its time in UTC. What cannot be written as UTF-8 (half a surrogate pair) becomes U+FFFD."""
    entry = Entry(head.seq + 1, head.hash, parse_time(time_text(at)), _writable(line))
    return replace(entry, hash=entry_hash(entry))


def head_of(entry: Entry) -> Head:
    return Head(entry.seq, entry.hash)


def decode(data: bytes) -> Entry:
    """The entry in these bytes. ValueError, saying what is wrong, unless they are exactly what `encode` writes.

    It does not say whether the entry's hash is right: compare with `entry_hash`.
    """
    raw = parse(data)
    known = _fields(raw, "entry", {"seq", "prev", "at", "line", "hash"}, {"seq", "prev", "at", "line"})
    entry = Entry(
        number(known["seq"], "seq", at_least=1),
        hash_text(known["prev"], "prev"),
        parse_time(known["at"]),
        _line(known["line"]),
        hash_text(known.get("hash", ""), "hash"),
    )
    if encode(entry) != data:
        raise ValueError("it is not written as canonical JSON (RFC 8785): spacing, order or spelling was changed")
    return entry


def parse(data: bytes) -> Any:
    """JSON that may come from an enemy; ValueError also for what nests too deep or is not UTF-8."""
    try:
        return json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON at byte {error.pos}: {error.msg}") from error
    except RecursionError as error:
        raise ValueError("its JSON nests too deep") from error


def number(value: object, name: str, *, at_least: int = 0) -> int:
    if type(value) is not int or not at_least <= value < 2**53:
        raise ValueError(f"{name}: expected a whole number from {at_least}, found {_shown(value)}")
    return value


def hash_text(value: object, name: str) -> str:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise ValueError(f"{name}: expected sha256: and 64 hex digits, found {_shown(value)}")
    return value


def file_of(raw: object) -> File:
    """A File of JSON; ValueError when it is none."""
    known = _fields(raw, "file", {"path", "sha256", "bytes"}, {"path", "sha256", "bytes"})
    path, sha256 = _text(known["path"], "file.path"), _text(known["sha256"], "file.sha256")
    if not _HEX.fullmatch(sha256):
        raise ValueError(f"file.sha256: expected 64 hex digits, found {_shown(sha256)}")
    return File(path, sha256, number(known["bytes"], "file.bytes"))


def _line(raw: object) -> Line:
    names = {camel(f.name) for f in fields(Line)}
    known = _fields(raw, "line", names, {"key", "actor", "action"})
    files = known.pop("files", [])
    if not isinstance(files, list):
        raise ValueError(f"line.files: expected a list, found {_shown(files)}")
    texts = {name: _text(value, f"line.{name}") for name, value in known.items()}
    return Line(**texts, files=tuple(file_of(item) for item in files))


def _fields(raw: object, what: str, known: set[str], required: set[str]) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise ValueError(f"{what}: expected an object, found {_shown(raw)}")
    if missing := required - raw.keys():
        raise ValueError(f"{what}: {', '.join(sorted(missing))} is missing")
    if unknown := raw.keys() - known:
        raise ValueError(f"{what}: unknown field {_shown(min(unknown))}; was it written by a later version of stanch?")
    return dict(raw)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name}: expected text, found {_shown(value)}")
    return value


def _shown(value: object) -> str:
    """At most 80 ASCII characters: the value may be an enemy's."""
    return ascii(value[:60] if isinstance(value, str) else type(value).__name__)


def _is_default(value: Any, field: Field[Any]) -> bool:
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    return bool(default is not MISSING and getattr(value, field.name) == default)


def _writable(line: Line) -> Line:
    texts = {f.name: getattr(line, f.name) for f in fields(line) if f.name != "files"}
    return replace(line, **{name: _utf8(text) for name, text in texts.items()})


def _utf8(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

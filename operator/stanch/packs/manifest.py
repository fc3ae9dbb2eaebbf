"""The manifest: what one seal vouches for. Its format, read by `seal` and `verify` alike.

Canonical JSON (RFC 8785). `hash` is the SHA-256 of the manifest without `hash`; `previous` that of the segment
before, whole. `files` are all files of the pack except manifests, by path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from stanch.domain.record import Record
from stanch.domain.timeline import File, Head
from stanch.engine.chain import canonical, digest, file_of, hash_text, number, parse, parse_time
from stanch.engine.errors import Refused
from stanch.engine.paths import check_path
from stanch.packs.strays import Begun

FORMAT_VERSION = 1
MAX_MANIFEST = 16 * 1024 * 1024
MAX_FILES = 50_000
# Among the facts of the incident.
CAPTURES_BEGUN, ATTEMPTS_BEGUN = "capturesBegun", "attemptsBegun"
_MANIFEST = re.compile(r"manifest(?:-(\d{4}))?\.json", re.ASCII)
_DERIVED = re.compile(r"[a-z]+(?:-\d{4})?\.(?:json|md)", re.ASCII)
_FIELDS = {"formatVersion", "segment", "incident", "sealedAt", "head", "previous", "files", "hash"}


@dataclass(frozen=True)
class Manifest(Record):
    """`segment` counts from 1; `previous` is empty in the first."""

    format_version: int
    segment: int
    incident: Mapping[str, Any]
    sealed_at: datetime
    head: Head
    previous: str
    files: tuple[File, ...]
    hash: str = field(default="")

    @property
    def begun(self) -> Begun:
        """What had been begun when it was sealed."""
        captures, attempts = (self.incident.get(key, 0) for key in (CAPTURES_BEGUN, ATTEMPTS_BEGUN))
        return Begun(captures if type(captures) is int else 0, attempts if type(attempts) is int else 0)

    def own_hash(self) -> str:
        return digest(canonical(replace(self, hash="")))


def segment_path(stem: str, suffix: str, segment: int) -> str:
    """`timeline.md`, `timeline-0002.md`, …"""
    return f"{stem}{suffix}" if segment == 1 else f"{stem}-{segment:04d}{suffix}"


def manifest_path(segment: int) -> str:
    return segment_path("manifest", ".json", segment)


def manifest_segment(path: str) -> int | None:
    """The segment whose manifest stands under this path; None when it is not the path of a manifest."""
    found = _MANIFEST.fullmatch(path)
    segment = int(found.group(1) or 1) if found else 0
    return segment if segment and manifest_path(segment) == path else None


def is_derived(path: str) -> bool:
    """Whether the path is kept for seals: every plain `.json` and `.md` at the top of a pack."""
    return bool(_DERIVED.fullmatch(path))


def encode_manifest(manifest: Manifest) -> bytes:
    """Its bytes, with its hash. `Refused`: BadFacts (JSON cannot say them), PackTooLarge (more than a reader takes)."""
    try:
        data = canonical(replace(manifest, hash=manifest.own_hash()))
    except ValueError as error:
        raise Refused("BadFacts", f"the incident's facts cannot be written as JSON: {error}") from error
    if len(data) > MAX_MANIFEST or len(manifest.files) > MAX_FILES:
        raise Refused("PackTooLarge", f"the pack has {len(manifest.files)} files; a manifest holds {MAX_FILES}")
    return data


def decode_manifest(data: bytes) -> Manifest:
    """ValueError, saying what is wrong, unless the bytes are exactly a manifest that bears its own hash."""
    raw = parse(data)
    if not isinstance(raw, dict) or raw.keys() != _FIELDS:
        raise ValueError(f"expected an object with the fields {', '.join(sorted(_FIELDS))}")
    if raw["formatVersion"] != FORMAT_VERSION:
        raise ValueError(f"formatVersion is not {FORMAT_VERSION}; verify with the version of stanch that wrote it")
    manifest = Manifest(
        FORMAT_VERSION,
        number(raw["segment"], "segment", at_least=1),
        object_in(raw["incident"], "incident"),
        parse_time(raw["sealedAt"]),
        head_in(raw["head"]),
        hash_text(raw["previous"], "previous") if raw["previous"] else "",
        _files(raw["files"]),
        hash_text(raw["hash"], "hash"),
    )
    if canonical(manifest) != data or manifest.own_hash() != manifest.hash:
        raise ValueError("it was changed: its bytes do not have the hash that it bears")
    return manifest


def head_in(raw: object) -> Head:
    """A head of JSON; ValueError when it is none."""
    known = object_in(raw, "head")
    if known.keys() != {"seq", "hash"}:
        raise ValueError("head: expected seq and hash")
    return Head(number(known["seq"], "head.seq", at_least=1), hash_text(known["hash"], "head.hash"))


def _files(raw: object) -> tuple[File, ...]:
    if not isinstance(raw, list) or len(raw) > MAX_FILES:
        raise ValueError(f"files: expected a list of at most {MAX_FILES}")
    files = tuple(file_of(item) for item in raw)
    paths = [_allowed(file.path) for file in files]
    if any(before >= after for before, after in pairwise(paths)):
        raise ValueError("files: expected in the order of their paths, each once")
    return files


def _allowed(path: str) -> str:
    try:
        return check_path(path)
    except Refused as refused:
        raise ValueError(f"files: {refused.message}") from refused


def object_in(raw: object, name: str) -> dict[str, Any]:
    """ValueError when it is no object of JSON."""
    if not isinstance(raw, dict):
        raise ValueError(f"{name}: expected an object")
    return raw

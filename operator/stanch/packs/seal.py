"""Seals a pack: derives the files that people read from the chain, then vouches for every file in a manifest.

Order of writes: timeline, changes, approvals (and any other list of facts), manifest. Killed between two of them, the
next seal writes them again: nobody has vouched for them yet. Once a segment has its manifest, none of its files is
touched again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from stanch.domain.timeline import Entry, File, Head
from stanch.engine.chain import decode, digest, entry_hash, head_of, plain
from stanch.engine.errors import NotFound, Refused, Retryable
from stanch.packs.chain import MAX_ENTRY, entry_path, entry_seq
from stanch.packs.manifest import (
    FORMAT_VERSION,
    MAX_FILES,
    MAX_MANIFEST,
    Manifest,
    decode_manifest,
    encode_manifest,
    manifest_path,
    manifest_segment,
    segment_path,
)
from stanch.packs.objects import Store
from stanch.packs.render import markdown, title
from stanch.packs.settled import settled
from stanch.packs.stream import Stream

_FACT = re.compile(r"[a-z]{1,32}", re.ASCII)
_NOT_A_LIST_OF_FACTS = {"incident", "timeline", "manifest"}


async def seal(store: Store, prefix: str, head: Head, facts: Mapping[str, Any], at: datetime) -> File:
    """The manifest over the chain up to `head` and all files; the one that is there when that head is sealed already.

    `facts["incident"]` stands in the manifest; each other key (`changes`, `approvals`, lower-case letters) becomes a
    file `<key>.json`; `changes` and `approvals` are always written. Values are JSON, times and records allowed.
    Raises `Refused`: ChainBroken (the stored chain does not lead to `head`: names the entry), ManifestBroken,
    SealedPast (a later head is sealed), BadFacts, PackTooLarge; `Retryable` as the store does, and SealRaced.
    """
    sealed = await _Sealed.read(store, prefix)
    if (known := sealed.of(head)) is not None:
        return known
    if head.seq <= sealed.seq:
        raise Refused("SealedPast", f"entry {sealed.seq} is sealed already, a seal of entry {head.seq} comes too late")
    segment = sealed.segment + 1
    await _derive_timeline(store, prefix, segment, head, facts)
    await _derive_facts(store, prefix, segment, facts)
    manifest = Manifest(
        FORMAT_VERSION,
        segment,
        plain(facts.get("incident", {})),
        at,
        head,
        f"sha256:{sealed.last.sha256}" if sealed.last else "",
        tuple(sorted([file async for file in _files(store, prefix, head)], key=lambda file: file.path)),
    )
    return await _write_manifest(store, prefix, manifest)


class _Sealed:
    """What is sealed already: segments from 1, without a gap."""

    def __init__(self) -> None:
        self.segment = 0
        self.seq = 0
        self.last: File | None = None
        self._of: dict[Head, File] = {}

    @classmethod
    async def read(cls, store: Store, prefix: str) -> _Sealed:
        sealed = cls()
        while (data := await _optional(store, prefix + manifest_path(sealed.segment + 1))) is not None:
            sealed._add(data)
        return sealed

    def of(self, head: Head) -> File | None:
        return self._of.get(head)

    def _add(self, data: bytes) -> None:
        path = manifest_path(self.segment + 1)
        try:
            manifest = decode_manifest(data)
        except ValueError as error:
            raise Refused("ManifestBroken", f"{path}: {error}; run stanch verify on the pack") from error
        self.segment += 1
        self.seq = manifest.head.seq
        self.last = self._of[manifest.head] = File(path, hashlib.sha256(data).hexdigest(), len(data))


async def _derive_timeline(store: Store, prefix: str, segment: int, head: Head, facts: Mapping[str, Any]) -> None:
    incident = facts.get("incident", {})
    async with _replacing(store, prefix, segment_path("timeline", ".md", segment)) as file:
        await file.write(title(str(incident.get("title") or prefix.strip("/"))).encode())
        before: Entry | None = None
        async for entry in chain(store, prefix, head):
            await file.write(markdown(entry, before).encode())
            before = entry


async def _derive_facts(store: Store, prefix: str, segment: int, facts: Mapping[str, Any]) -> None:
    for name, value in sorted({"changes": [], "approvals": [], **facts}.items()):
        if name == "incident":
            continue
        if not _FACT.fullmatch(name) or name in _NOT_A_LIST_OF_FACTS:
            raise Refused("BadFacts", f"facts: {name!a} cannot name a file; expected lower-case letters")
        async with _replacing(store, prefix, segment_path(name, ".json", segment)) as file:
            await file.write(_readable(name, value))


def _readable(name: str, value: Any) -> bytes:
    try:
        text = json.dumps(plain(value), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Refused("BadFacts", f"facts: {name} cannot be written as JSON: {error}") from error
    return (text + "\n").encode("utf-8", "backslashreplace")


async def chain(store: Store, prefix: str, head: Head) -> AsyncIterator[Entry]:
    """Entries 1 to `head.seq`, each checked to follow from the one before, the last to be `head`. `Refused`
    (ChainBroken).
    """
    last = Head()
    for seq in range(1, head.seq + 1):
        entry = _follower(await _optional(store, prefix + entry_path(seq), MAX_ENTRY), last)
        last = head_of(entry)
        yield entry
    if last != head:
        raise _broken(head.seq, f"its hash is {last.hash}, the incident names {head.hash}")


def _follower(data: bytes | None, last: Head) -> Entry:
    seq = last.seq + 1
    if data is None:
        raise _broken(seq, "it is not in the store")
    try:
        entry = decode(data)
    except ValueError as error:
        raise _broken(seq, str(error)) from error
    if entry.hash != entry_hash(entry) or Head(entry.seq - 1, entry.prev) != last:
        raise _broken(seq, f"it does not follow from entry {last.seq}, or was changed")
    return entry


def _broken(seq: int, why: str) -> Refused:
    return Refused("ChainBroken", f"entry {seq}: {why}; run stanch verify on the pack")


async def _files(store: Store, prefix: str, head: Head) -> AsyncIterator[File]:
    """All files but manifests and entries past the head, hashed as the store gives them back."""
    found = 0
    async for key, _ in store.list(prefix.rstrip("/")):
        path = key.removeprefix(prefix)
        if manifest_segment(path) or (entry_seq(path) or 0) > head.seq:
            continue
        found += 1
        if found > MAX_FILES:
            raise Refused("PackTooLarge", f"the pack has more than {MAX_FILES} files; a manifest holds no more")
        yield await _hashed(store, key, path)


async def _hashed(store: Store, key: str, path: str) -> File:
    sha256, size = hashlib.sha256(), 0
    async for chunk in store.stream(key):
        sha256.update(chunk)
        size += len(chunk)
    return File(path, sha256.hexdigest(), size)


async def _write_manifest(store: Store, prefix: str, manifest: Manifest) -> File:
    path = manifest_path(manifest.segment)
    data = encode_manifest(manifest)
    if not await settled(store.create(prefix + path, data), path) and await store.read(prefix + path, MAX_MANIFEST) != data:
        raise Retryable("SealRaced", f"{path}: was written by another operator meanwhile")
    return File(path, digest(data).removeprefix("sha256:"), len(data))


def _replacing(store: Store, prefix: str, path: str) -> Stream:
    return Stream(store.upload(prefix + path, replace=True), path, prefix, keep=False)


async def _optional(store: Store, key: str, limit: int = MAX_MANIFEST) -> bytes | None:
    try:
        return await store.read(key, limit)
    except NotFound:
        return None

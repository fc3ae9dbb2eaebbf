"""Seals a pack: derives the files that people read from the chain, then vouches for every file in a manifest.

Order of writes: the claim (see `claim`), timeline, changes, approvals (and any other list of facts), manifest. Claim and
manifest are create-only; what stands between them follows from the claim. Killed between two of them, or held up while
another leader seals, the same bytes are written again: a newer seal is never replaced, and nothing is added to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from stanch.domain.timeline import Entry, File, Head
from stanch.engine.chain import decode, entry_hash, head_of
from stanch.engine.errors import NotFound, Refused, Retryable
from stanch.packs.chain import MAX_ENTRY, entry_path, entry_seq
from stanch.packs.claim import Claim, claim_path, decode_claim, encode_claim, readable, wanted
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
from stanch.packs.once import Once
from stanch.packs.render import markdown, title
from stanch.packs.settled import settled
from stanch.packs.strays import Begun
from stanch.packs.stream import Stream

# Of a seal that others began, and of its own: more rounds than these mean that others seal as fast as we do.
ROUNDS = 8


async def seal(store: Store, prefix: str, head: Head, facts: Mapping[str, Any], at: datetime) -> File:
    """The manifest over the chain up to `head` and all files; the one that is there when that head is sealed already.

    `facts["incident"]` stands in the manifest; each other key (`changes`, `approvals`, lower-case letters) becomes a
    file `<key>.json`; `changes` and `approvals` are always written. Values are JSON, times and records allowed.
    A seal of an earlier head that was begun and not ended is ended first, as a segment of its own.
    Raises `Refused`: ChainBroken (the stored chain does not lead to `head`: names the entry), ManifestBroken, SealBroken
    (a claim that is none), SealedPast (a later head is sealed), BadFacts, PackTooLarge; `Retryable` as the store does, and
    SealRaced.
    """
    store = Once(store)
    for _ in range(ROUNDS):
        sealed = await _Sealed.read(store, prefix)
        if (known := sealed.of(head)) is not None:
            return known
        if head.seq <= sealed.seq:
            raise _too_late(head, sealed.seq)
        claim = await _claimed(store, prefix, wanted(sealed.segment + 1, head, facts, at))
        if claim.head != head and head.seq <= claim.head.seq:
            raise _too_late(head, claim.head.seq)
        await _finish(store, prefix, claim, sealed)
    raise Retryable("SealRaced", f"{prefix}: others sealed it {ROUNDS} times meanwhile")


def _too_late(head: Head, sealed: int) -> Refused:
    return Refused("SealedPast", f"the seal of entry {sealed} was begun already, a seal of entry {head.seq} comes too late")


async def _claimed(store: Store, prefix: str, mine: Claim) -> Claim:
    """The claim of this segment: the one that is there, else `mine`, once it is known that its seal can be ended."""
    path = claim_path(mine.segment)
    there = await _optional(store, prefix + path)
    if there is None:
        async for _ in chain(store, prefix, mine.head):
            pass  # each entry is checked on its way
        encode_manifest(_manifest(mine, None, ()))
        if await settled(store.create(prefix + path, encode_claim(mine)), path):
            return mine
        there = await store.read(prefix + path, MAX_MANIFEST)
    return decode_claim(there, mine.segment)


async def _finish(store: Store, prefix: str, claim: Claim, before: _Sealed) -> None:
    """All that the claim owes. That its manifest is there by now is success: another leader wrote it."""
    await _derive_timeline(store, prefix, claim)
    await _derive_facts(store, prefix, claim)
    files = sorted([file async for file in _files(store, prefix, claim.head, before)], key=lambda file: file.path)
    path = manifest_path(claim.segment)
    await settled(store.create(prefix + path, encode_manifest(_manifest(claim, before.last, tuple(files)))), path)


def _manifest(claim: Claim, last: File | None, files: tuple[File, ...]) -> Manifest:
    previous = f"sha256:{last.sha256}" if last else ""
    return Manifest(FORMAT_VERSION, claim.segment, claim.incident, claim.at, claim.head, previous, files)


class _Sealed:
    """What is sealed already: segments from 1, without a gap."""

    def __init__(self) -> None:
        self.segment = 0
        self.seq = 0
        self.last: File | None = None
        self.begun = Begun()
        self.files: frozenset[str] = frozenset()
        self._of: dict[Head, File] = {}

    @classmethod
    async def read(cls, store: Store, prefix: str) -> _Sealed:
        sealed = cls()
        while (data := await _optional(store, prefix + manifest_path(sealed.segment + 1))) is not None:
            sealed._add(data)
        return sealed

    def of(self, head: Head) -> File | None:
        return self._of.get(head)

    def is_stray(self, path: str) -> bool:
        """Whether it came after a seal, from a capture or an attempt that was over by then."""
        return self.begun.has(path) and path not in self.files

    def _add(self, data: bytes) -> None:
        path = manifest_path(self.segment + 1)
        try:
            manifest = decode_manifest(data)
        except ValueError as error:
            raise Refused("ManifestBroken", f"{path}: {error}; run stanch verify on the pack") from error
        self.segment += 1
        self.seq = manifest.head.seq
        self.begun = manifest.begun
        self.files = frozenset(file.path for file in manifest.files)
        self.last = self._of[manifest.head] = File(path, hashlib.sha256(data).hexdigest(), len(data))


async def _derive_timeline(store: Store, prefix: str, claim: Claim) -> None:
    async with _replacing(store, prefix, segment_path("timeline", ".md", claim.segment)) as file:
        await file.write(title(str(claim.incident.get("title") or prefix.strip("/"))).encode())
        before: Entry | None = None
        async for entry in chain(store, prefix, claim.head):
            await file.write(markdown(entry, before).encode())
            before = entry


async def _derive_facts(store: Store, prefix: str, claim: Claim) -> None:
    for name, value in claim.lists.items():
        async with _replacing(store, prefix, segment_path(name, ".json", claim.segment)) as file:
            await file.write(readable(name, value))


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


async def _files(store: Store, prefix: str, head: Head, before: _Sealed) -> AsyncIterator[File]:
    """All files but manifests, entries past the head and strays, hashed as the store gives them back, or gave them to this seal."""
    found = 0
    async for key, _ in store.list(prefix.rstrip("/")):
        path = key.removeprefix(prefix)
        if manifest_segment(path) or (entry_seq(path) or 0) > head.seq or before.is_stray(path):
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


def _replacing(store: Store, prefix: str, path: str) -> Stream:
    return Stream(store.upload(prefix + path, replace=True), path, prefix, keep=False)


async def _optional(store: Store, key: str, limit: int = MAX_MANIFEST) -> bytes | None:
    try:
        return await store.read(key, limit)
    except NotFound:
        return None

"""The packs: one folder an incident, `<namespace>/<name>-<first 8 of its UID>/`, in a local folder or an object store.

In it: `chain/000001.json` … (the timeline's entries), what evidence writes (`logs/`, `objects/`, …), and what a seal
writes (`timeline.md`, `changes.json`, `approvals.json`, `manifest.json`; later segments `timeline-0002.md` and so
on). Nothing is ever overwritten, with one exception: what a seal that was killed had derived, before any manifest
vouched for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import MemoryStore, from_url

from stanch.domain.timeline import Entry, File, Head
from stanch.engine.chain import encode, entry_hash
from stanch.engine.errors import Refused
from stanch.engine.paths import alternatives, check_path, safe_name
from stanch.engine.ports import Writer
from stanch.packs.chain import FOLDER, MAX_ENTRY, entry_path
from stanch.packs.folder import Folder
from stanch.packs.manifest import is_derived
from stanch.packs.objects import Bucket, Store
from stanch.packs.seal import seal
from stanch.packs.settled import settled
from stanch.packs.stream import Stream

_A_DAY = 86400.0


class StoredPack:
    """`ports.Pack` below `prefix` of a store."""

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    @property
    def uri(self) -> str:
        return self._store.uri(self._prefix.rstrip("/"))

    async def append(self, entry: Entry) -> None:
        data = encode(entry)
        if entry.hash != entry_hash(entry):
            raise Refused("BadEntry", f"entry {entry.seq} does not bear its own hash; make it by engine.chain.link")
        if len(data) > MAX_ENTRY:
            raise Refused("BadEntry", f"entry {entry.seq} has {len(data)} bytes, at most {MAX_ENTRY} fit")
        if not await self._holds(entry_path(entry.seq), data):
            raise Refused("ChainForked", f"entry {entry.seq} of {self.uri} is there already and says something else")

    def open(self, path: str) -> AbstractAsyncContextManager[Writer]:
        return Stream(self._store.upload(self._prefix + _evidence(path)), path, self._prefix)

    async def put(self, path: str, data: bytes) -> File:
        for free in alternatives(_evidence(path)):
            if await self._holds(free, data):
                return File(free, hashlib.sha256(data).hexdigest(), len(data))
        raise Refused("FileExists", f"{path}: the name and all its alternatives are taken by other content")

    async def seal(self, head: Head, facts: Mapping[str, Any], at: datetime) -> File:
        return await seal(self._store, self._prefix, head, facts, at)

    async def _holds(self, path: str, data: bytes) -> bool:
        """Writes it, when nothing is there; whether it then stands there with exactly this content."""
        key = self._prefix + path
        if await settled(self._store.create(key, data), key):
            return True
        try:
            return await self._store.read(key, len(data)) == data
        except Refused as refused:
            if refused.reason == "TooLarge":
                return False
            raise


class StoredPacks:
    """`ports.Packs` in one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, namespace: str, name: str, uid: str) -> StoredPack:
        return StoredPack(self._store, f"{safe_name(namespace)}/{safe_name(f'{name}-{uid[:8]}', 180)}/")


def open_packs(url: str) -> StoredPacks:
    """The packs at a path, `file://`, `memory://`, or what obstore knows (`s3://bucket/prefix`, `gs://`, `az://`).

    `Refused` (BadStore) for any other URL.
    """
    if (folder := local_path(url)) is not None:
        store = Folder(folder)
        store.sweep(older_than=_A_DAY)
        return StoredPacks(store)
    if url.startswith("memory:"):
        return StoredPacks(Bucket(MemoryStore(), "memory://"))
    try:
        return StoredPacks(Bucket(from_url(url), url))
    except (BaseError, ValueError) as error:
        hint = "expected a folder, file://, s3://, gs:// or az://"
        raise Refused("BadStore", f"{url}: {str(error).splitlines()[0]}; {hint}") from error


def local_path(uri: str) -> Path | None:
    """The folder that a pack's URI (or a plain path) names; None when it is not on this machine."""
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(unquote(parts.path))
    return Path(uri) if "://" not in uri and parts.scheme != "memory" else None


def _evidence(path: str) -> str:
    """The path, when it may be written from outside: not among the chain and what a seal writes."""
    if check_path(path).partition("/")[0] == FOLDER or is_derived(path):
        raise Refused("BadPath", f"{path}: is kept for the chain and its seals; choose another folder")
    return path

"""The packs: one folder an incident, `<namespace>/<name>-<first 8 of its UID>/`, in a local folder or an object store.

In it: `chain/000001.json` … (the timeline's entries), what evidence writes (`logs/`, `objects/`, …), and what a seal
writes (`seal.json`, `timeline.md`, `changes.json`, `approvals.json`, `manifest.json`; later segments `timeline-0002.md`
and so on). Nothing is ever overwritten by other bytes.

Beside them, `_names/<namespace>/<name>` holds the UID of the first incident of that name, so that one which comes back is known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from obstore.store import MemoryStore

from stanch.domain.timeline import Entry, File, Head
from stanch.engine.chain import decode, encode, entry_hash
from stanch.engine.errors import Refused
from stanch.engine.paths import alternatives, check_path, safe_name
from stanch.engine.ports import Past, Writer
from stanch.packs.bucket import Bucket, open_bucket
from stanch.packs.chain import FOLDER, MAX_ENTRY, entry_path, entry_seq
from stanch.packs.folder import Folder
from stanch.packs.led import Leads, Led
from stanch.packs.manifest import is_derived
from stanch.packs.objects import Store, holds
from stanch.packs.reach import Reach
from stanch.packs.seal import seal
from stanch.packs.settled import settled
from stanch.packs.strays import capture_number
from stanch.packs.stream import Stream

# Beside the packs: which incident had a name first. No namespace of Kubernetes has an underscore.
CLAIMS = "_names"
MAX_UID = 128
_A_DAY = 86400.0
HERE = Reach()


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

    async def past(self) -> Past | None:
        paths = [key.removeprefix(self._prefix) async for key, _ in self._store.list(self._prefix.rstrip("/"))]
        seq = max((entry_seq(path) or 0 for path in paths), default=0)
        if not seq:
            return None
        try:
            last = decode(await self._store.read(self._prefix + entry_path(seq), MAX_ENTRY))
        except ValueError as error:
            raise Refused("ChainBroken", f"{entry_path(seq)} of {self.uri}: {error}") from error
        return Past(last, max(capture_number(path) for path in paths))

    async def seal(self, head: Head, facts: Mapping[str, Any], at: datetime) -> File:
        return await seal(self._store, self._prefix, head, facts, at)

    async def _holds(self, path: str, data: bytes) -> bool:
        return await holds(self._store, self._prefix + path, data)


class StoredPacks:
    """`ports.Packs` in one store."""

    def __init__(self, store: Store, leads: Leads = lambda: None) -> None:
        """`leads` raises `Retryable` when this process must not write any more."""
        self._store = Led(store, leads)

    def of(self, namespace: str, name: str, uid: str) -> StoredPack:
        return StoredPack(self._store, f"{safe_name(namespace)}/{safe_name(f'{name}-{uid[:8]}', 180)}/")

    async def claim(self, namespace: str, name: str, uid: str) -> str:
        key = f"{CLAIMS}/{safe_name(namespace)}/{safe_name(name, 180)}"
        if await settled(self._store.create(key, uid.encode()), key):
            return uid
        return (await self._store.read(key, MAX_UID)).decode("utf-8", "replace")


def open_packs(url: str, leads: Leads = lambda: None, reach: Reach = HERE) -> StoredPacks:
    return StoredPacks(open_store(url, reach), leads)


def open_store(url: str, reach: Reach = HERE) -> Store:
    """The store at a path, `file://`, `memory://`, or of `open_bucket`. `Refused` (BadStore) for any other URL."""
    if (folder := local_path(url)) is not None:
        store = Folder(folder)
        store.sweep(older_than=_A_DAY)
        return store
    if url.startswith("memory:"):
        return Bucket(MemoryStore(), "memory://")
    return open_bucket(url, reach)


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

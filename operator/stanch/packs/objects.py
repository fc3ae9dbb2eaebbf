"""What a pack needs from a store of objects, and how every one of them is read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import obstore
from obstore.store import ObjectStore

from stanch.engine.errors import NotFound, Refused
from stanch.packs.failures import translated
from stanch.packs.settled import settled

CHUNK = 1024 * 1024


class Upload(Protocol):
    """A file on its way. Nothing is seen of it before `publish`."""

    async def write(self, chunk: bytes) -> None:
        """All of the chunk or, with an error, nothing of it."""

    async def publish(self) -> str:
        """Makes it durable and seen; returns the path it got."""

    async def discard(self) -> None: ...


class Store(Protocol):
    """Objects by key. What returned is durable. Raises `engine.errors` only."""

    async def create(self, key: str, data: bytes) -> bool:
        """False when the key is taken."""

    async def read(self, key: str, limit: int) -> bytes:
        """The whole object; `NotFound` when absent, `Refused` (TooLarge) when longer than `limit`."""

    def stream(self, key: str) -> AsyncIterator[bytes]: ...

    def list(self, prefix: str) -> AsyncIterator[tuple[str, int]]:
        """Key and size of everything below the prefix, in no order."""

    def upload(self, key: str, *, replace: bool = False) -> Upload:
        """A new file under `key`. When that is taken: in its place with `replace`, else beside it (`alternatives`)."""

    def uri(self, prefix: str) -> str: ...


async def holds(store: Store, key: str, data: bytes) -> bool:
    """Writes it, when nothing is there; whether it then stands there with exactly this content."""
    if await settled(store.create(key, data), key):
        return True
    try:
        return await store.read(key, len(data)) == data
    except Refused as refused:
        if refused.reason == "TooLarge":
            return False
        raise


def too_large(key: str, limit: int) -> Refused:
    return Refused("TooLarge", f"{key}: more than {limit} bytes")


class Reader:
    """As obstore reads."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def read(self, key: str, limit: int) -> bytes:
        data = bytearray()
        async for chunk in self.stream(key):
            data += chunk
            if len(data) > limit:
                raise too_large(key, limit)
        return bytes(data)

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        with translated(key):
            found = await obstore.get_async(self._store, key)
            async for chunk in found.stream(min_chunk_size=CHUNK):
                yield bytes(chunk)

    async def list(self, prefix: str) -> AsyncIterator[tuple[str, int]]:
        with translated(prefix):
            async for page in self._store.list(prefix):
                for found in page:
                    yield found["path"], found["size"]

    async def exists(self, key: str) -> bool:
        try:
            with translated(key):
                await obstore.head_async(self._store, key)
        except NotFound:
            return False
        return True

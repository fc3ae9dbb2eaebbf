"""What a pack needs from a store of objects, and the stores that acknowledge it: S3, GCS, Azure, memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import ObjectStore

from stanch.engine.errors import Refused, Retryable
from stanch.engine.paths import alternatives
from stanch.packs.failures import translated

if TYPE_CHECKING:
    from obstore import AsyncWritableFile

CHUNK = 256 * 1024


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


class Reader:
    """Reading is the same everywhere."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def read(self, key: str, limit: int) -> bytes:
        data = bytearray()
        async for chunk in self.stream(key):
            data += chunk
            if len(data) > limit:
                raise Refused("TooLarge", f"{key}: more than {limit} bytes")
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
            await obstore.head_async(self._store, key)
        except FileNotFoundError:
            return False
        return True


class Bucket(Reader):
    """An object store: a put is durable when acknowledged, and seen whole or not at all."""

    def __init__(self, store: ObjectStore, url: str) -> None:
        super().__init__(store)
        self._url = url.rstrip("/")

    def uri(self, prefix: str) -> str:
        return f"{self._url}/{prefix}"

    async def create(self, key: str, data: bytes) -> bool:
        with translated(key):
            try:
                await obstore.put_async(self._store, key, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
            return True

    def upload(self, key: str, *, replace: bool = False) -> Upload:
        return _Multipart(self, self._store, key, replace)


class _Multipart:
    """Object stores cannot complete a multipart upload only-if-absent through obstore: the free name is looked for
    first.

    Two writers of one path at the same moment could therefore meet, which the time stamps in the names rule out.
    """

    PART = 5 * 1024 * 1024  # the least that S3 takes

    def __init__(self, reader: Reader, store: ObjectStore, key: str, replace: bool) -> None:
        self._reader = reader
        self._store = store
        self._key = key
        self._replace = replace
        self._path = key
        self._writer: AsyncWritableFile | None = None
        self._failed = False

    async def write(self, chunk: bytes) -> None:
        with translated(self._key):
            writer = await self._open()
            self._failed = True  # what obstore sent of a chunk that failed is not known: until it is through, it is lost
            await writer.write(chunk)
            self._failed = False

    async def publish(self) -> str:
        if self._failed:
            raise Retryable("StoreFailed", f"{self._key}: a part was not acknowledged, the file was not stored", after=5)
        with translated(self._key):
            writer = await self._open()
            await writer.close()
        return self._path

    async def discard(self) -> None:
        self._writer = None  # dropping it aborts the upload

    async def _open(self) -> AsyncWritableFile:
        if self._writer is None:
            self._path = self._key if self._replace else await self._free()
            self._writer = obstore.open_writer_async(self._store, self._path, buffer_size=self.PART, max_concurrency=1)
        return self._writer

    async def _free(self) -> str:
        for path in alternatives(self._key):
            if not await self._reader.exists(path):
                return path
        raise Refused("FileExists", f"{self._key}: the name and all its alternatives are taken")

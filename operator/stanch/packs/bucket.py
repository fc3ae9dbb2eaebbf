"""Object stores: S3, GCS, Azure, memory. A put is durable when acknowledged, and seen whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore, from_url

from stanch.engine.errors import Refused, Retryable
from stanch.engine.paths import alternatives
from stanch.packs.failures import translated
from stanch.packs.objects import Reader, Upload, holds
from stanch.packs.reach import Reach

if TYPE_CHECKING:
    from obstore import AsyncWritableFile

SCHEMES = ("s3", "gs", "az")
# Who waits tries again by itself: these end well before `settled` gives up.
RETRIES: Any = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
}


class Bucket(Reader):
    """A lost answer is asked for again by obstore: what stands there then may be our own, which its bytes tell."""

    def __init__(self, store: ObjectStore, url: str) -> None:
        super().__init__(store)
        self._url = url.rstrip("/")

    def uri(self, prefix: str) -> str:
        return f"{self._url}/{prefix}"

    async def create(self, key: str, data: bytes) -> bool:
        with translated(key, writes=True):
            try:
                await obstore.put_async(self._store, key, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
            return True

    async def replace(self, key: str, data: bytes) -> None:
        with translated(key, writes=True):
            await obstore.put_async(self._store, key, data, use_multipart=False)

    def upload(self, key: str, *, replace: bool = False) -> Upload:
        return _Upload(self, self._store, key, replace)


class _Upload:
    """Up to one part it is a put, create-only as every other. What is larger goes in parts, which obstore cannot complete
    only-if-absent: the free name is looked for first.

    Two writers of one large file at the same moment could therefore meet, which the number of the capture in its name rules
    out.
    """

    PART = 5 * 1024 * 1024  # the least that S3 takes

    def __init__(self, bucket: Bucket, store: ObjectStore, key: str, replace: bool) -> None:
        self._bucket = bucket
        self._store = store
        self._key = key
        self._replace = replace
        self._path = key
        self._held = bytearray()
        self._writer: AsyncWritableFile | None = None
        self._failed = False

    async def write(self, chunk: bytes) -> None:
        if self._failed:
            raise self._unacknowledged()
        if self._writer is None and len(self._held) + len(chunk) <= self.PART:
            self._held += chunk
            return
        with translated(self._key, writes=True):
            await self._send(chunk)

    async def publish(self) -> str:
        if self._failed:
            raise self._unacknowledged()
        if self._writer is None:
            return await self._put(bytes(self._held))
        with translated(self._key, writes=True):
            await self._writer.close()
        return self._path

    async def discard(self) -> None:
        self._held.clear()
        self._writer = None  # parts that were sent stay unseen until the bucket's own rule clears them away

    def _unacknowledged(self) -> Retryable:
        return Retryable("StoreFailed", f"{self._key}: a part was not acknowledged, the file was not stored", after=5)

    async def _send(self, chunk: bytes) -> None:
        writer = await self._open()
        self._failed = True  # what obstore sent of a chunk that failed is not known: until it is through, it is lost
        if self._held:
            await writer.write(bytes(self._held))
            self._held.clear()
        await writer.write(chunk)
        self._failed = False

    async def _open(self) -> AsyncWritableFile:
        if self._writer is None:
            self._path = self._key if self._replace else await self._free()
            self._writer = obstore.open_writer_async(self._store, self._path, buffer_size=self.PART, max_concurrency=1)
        return self._writer

    async def _put(self, data: bytes) -> str:
        if self._replace:
            await self._bucket.replace(self._key, data)
            return self._key
        for path in alternatives(self._key):
            if await holds(self._bucket, path, data):
                return path
        raise _taken(self._key)

    async def _free(self) -> str:
        for path in alternatives(self._key):
            if not await self._bucket.exists(path):
                return path
        raise _taken(self._key)


def _taken(key: str) -> Refused:
    return Refused("FileExists", f"{key}: the name and all its alternatives are taken")


def open_bucket(url: str, reach: Reach) -> Bucket:
    """The bucket at `s3://bucket/prefix`, `gs://` or `az://`. `Refused` (BadStore) for any other URL."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or parts.query or parts.fragment:
        raise _bad(url, "expected a folder, file://, s3://bucket/prefix, gs:// or az://")
    if "@" in parts.netloc:
        # The URL stands on every Incident.
        raise _bad(
            url.rpartition("@")[2], "it names a user or a key; credentials come from the environment (a Secret), not from the URL"
        )
    try:
        store = from_url(url, config=_config(url, reach), client_options=_client(url, reach), retry_config=RETRIES)
        return Bucket(store, url)
    except (BaseError, ValueError) as error:
        raise _bad(url, f"{str(error).splitlines()[0]}; expected s3://bucket/prefix, gs:// or az://") from error


def _config(url: str, reach: Reach) -> Any:
    said: Mapping[str, str] = {"endpoint": reach.endpoint, "region": reach.region}
    given = {key: value for key, value in said.items() if value}
    if given and not url.startswith("s3://"):
        raise _bad(url, f"{' and '.join(given)} are given, and only an s3:// store has such")
    if reach.endpoint and urlsplit(reach.endpoint).scheme not in ("http", "https"):
        raise _bad(url, f"its endpoint is {reach.endpoint}; expected https://host:port")
    return given


def _client(url: str, reach: Reach) -> Any:
    options: dict[str, Any] = {"timeout": "30s", "connect_timeout": "5s", "allow_http": reach.endpoint.startswith("http://")}
    if reach.ca:
        try:
            options["root_certificate"] = Path(reach.ca).read_bytes()
        except OSError as error:
            raise _bad(url, f"the CA file {reach.ca} cannot be read: {error.strerror}") from error
    return options


def _bad(url: str, why: str) -> Refused:
    return Refused("BadStore", f"{url}: {why}")

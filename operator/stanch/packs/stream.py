"""Writes one file of a pack as its bytes come, in constant memory: at most one chunk is held, and one is under way."""

from __future__ import annotations

import asyncio
import hashlib
from types import TracebackType

from stanch.domain.timeline import File
from stanch.engine.errors import Failure, Retryable
from stanch.packs.objects import CHUNK, Upload
from stanch.packs.settled import settled


class Stream:
    """`ports.Writer`, and the block that `Pack.open` gives.

    Leaving the block makes the file appear, with all that was written before it ended: by its end, an exception, or a
    cancellation. After a chunk could not be stored nothing more is taken, and the file holds what was stored before.
    """

    def __init__(self, upload: Upload, path: str, prefix: str, *, keep: bool = True) -> None:
        """`keep=False` is for what can be derived again: an error leaves nothing."""
        self._upload = upload
        self._keep = keep
        self._path = path
        self._prefix = prefix
        self._buffer = bytearray()
        self._sha256 = hashlib.sha256()
        self._bytes = 0
        self._order = asyncio.Lock()
        self._failure: Failure | None = None
        self._file: File | None = None
        self._ended = False

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended = True
        work = self._finish() if error is None or self._keep else self._upload.discard()
        try:
            await settled(work, self._path)
        except Failure as failure:
            if error is None:
                raise
            error.add_note(f"what was written of {self._path} could not be kept: {failure}")

    async def write(self, data: bytes) -> None:
        if self._ended:
            raise RuntimeError(f"{self._path}: written to after its block ended; these bytes would be lost")
        rest = memoryview(data)
        while rest:
            taken = rest[: CHUNK - len(self._buffer)]
            self._buffer += taken
            rest = rest[len(taken) :]
            if len(self._buffer) == CHUNK:
                await settled(self._send(self._take()), self._path)

    @property
    def file(self) -> File:
        """`Retryable` (NotStored) while the block has not ended, and when the file could not be kept."""
        if self._file is None:
            raise Retryable("NotStored", f"{self._path} is still being written, or could not be stored: it has no hash")
        return self._file

    def _take(self) -> bytes:
        chunk = bytes(self._buffer)
        self._buffer.clear()
        return chunk

    async def _send(self, chunk: bytes) -> None:
        async with self._order:
            if self._failure:
                raise self._failure
            try:
                await self._upload.write(chunk)
            except Failure as failure:
                self._failure = failure
                raise
            self._sha256.update(chunk)
            self._bytes += len(chunk)

    async def _finish(self) -> None:
        """A rest that does not fit any more is an error of its own, told after what did fit was kept."""
        rest = self._take()
        try:
            if rest and not self._failure:
                await self._send(rest)
        finally:
            async with self._order:
                stored = await self._publish()
                self._file = File(stored.removeprefix(self._prefix), self._sha256.hexdigest(), self._bytes)

    async def _publish(self) -> str:
        try:
            return await self._upload.publish()
        except Failure:
            await self._upload.discard()
            raise

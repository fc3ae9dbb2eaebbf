"""Writes one file of a pack as its bytes come, in constant memory: at most one chunk is held, and one is under way."""

from __future__ import annotations

import asyncio
import hashlib
from types import TracebackType

from stanch.domain.timeline import File
from stanch.engine.errors import Failure, Retryable
from stanch.packs.failures import FULL
from stanch.packs.objects import CHUNK, Upload
from stanch.packs.settled import settled

# Of what finds no room as a whole, so much is tried at once.
PIECE = 64 * 1024


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
        self._buffer: list[bytes] = []
        self._held = 0
        self._sha256 = hashlib.sha256()
        self._bytes = 0
        self._order = asyncio.Lock()
        self._failure: Failure | None = None
        # A chunk was given up on its way: whether it is in the file, or in the hash, is not known.
        self._torn = False
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
        """Pieces are joined to chunks: each chunk costs the loop more than the copying of it."""
        if self._ended:
            raise RuntimeError(f"{self._path}: written to after its block ended; these bytes would be lost")
        self._buffer.append(data)
        self._held += len(data)
        if self._held >= CHUNK:
            await settled(self._send(self._take()), self._path)

    @property
    def file(self) -> File:
        """`Retryable` (NotStored) while the block has not ended, and when the file could not be kept."""
        if self._file is None:
            raise Retryable("NotStored", f"{self._path} is still being written, or could not be stored: it has no hash")
        return self._file

    def _take(self) -> bytes:
        chunk = b"".join(self._buffer)
        self._buffer.clear()
        self._held = 0
        return chunk

    async def _send(self, chunk: bytes) -> None:
        async with self._order:
            if self._failure:
                raise self._failure
            try:
                await self._add(chunk)
            except Failure as failure:
                self._failure = failure
                raise
            except asyncio.CancelledError:
                self._torn = True
                raise

    async def _add(self, chunk: bytes) -> None:
        """Where the store has no room for all of it, what there is room for is kept."""
        try:
            await self._upload.write(chunk)
        except Failure as failure:
            if failure.reason != FULL or len(chunk) <= PIECE:
                raise
            await self._add_pieces(chunk, failure)
            return
        # In a thread: the loop would wait for its turn after each.
        await asyncio.to_thread(self._sha256.update, chunk)
        self._bytes += len(chunk)

    async def _add_pieces(self, chunk: bytes, full: Failure) -> None:
        try:
            for begin in range(0, len(chunk), PIECE):
                await self._add(chunk[begin : begin + PIECE])
        except Failure:
            raise full from None

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
            if self._torn:
                raise Retryable("NotStored", f"{self._path}: the evidence store did not answer, how much it holds is not known")
            return await self._upload.publish()
        except Failure:
            await self._upload.discard()
            raise

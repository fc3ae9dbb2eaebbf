"""In front of the S3 server: hands every request on, but while told so answers those that write itself, as a store in trouble."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.s3.running import HERE, S3Server

WRITES = (b"PUT ", b"POST ")
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    status: int
    code: str
    message: str

    @property
    def bytes(self) -> bytes:
        body = f"<Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>" if self.code else ""
        headers = f"Content-Type: application/xml\r\nContent-Length: {len(body)}\r\nConnection: close"
        return f"HTTP/1.1 {self.status} Trouble\r\n{headers}\r\n\r\n{body}".encode()


# The first is what versitygw itself says on a volume that is full; the last is a proxy's, which knows no S3.
FULL = Answer(507, "InsufficientStorage", "No space left on device.")
DENIED = Answer(403, "AccessDenied", "Access Denied.")
SLOW = Answer(503, "SlowDown", "Please reduce your request rate.")
BARE = Answer(503, "", "")


@dataclass
class Refusing:
    server: int
    port: int = 0
    # What writes are answered with; None: they are handed on.
    answer: Answer | None = None
    refused: int = field(default=0, init=False)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(HERE, self.server)
        answers = asyncio.create_task(pour(there, writer))
        try:
            while data := await reader.read(1 << 16):
                if self.answer and data.startswith(WRITES):
                    await swallow(reader, data)
                    self.refused += 1
                    writer.write(self.answer.bytes)
                    await writer.drain()
                    return
                back.write(data)
                await back.drain()
        finally:
            answers.cancel()
            for end in (back, writer):
                end.close()


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


async def swallow(reader: asyncio.StreamReader, begun: bytes) -> None:
    """The rest of a request: who is answered before has not done speaking, and takes it for a broken connection."""
    while b"\r\n\r\n" not in begun:
        begun += await reader.read(1 << 16)
    head, _, body = begun.partition(b"\r\n\r\n")
    length = LENGTH.search(head)
    await reader.readexactly(max(int(length[1]) - len(body), 0) if length else 0)


@asynccontextmanager
async def refusing(server: S3Server) -> AsyncIterator[Refusing]:
    relay = Refusing(server.port)
    async with await asyncio.start_server(relay.take, HERE, 0) as listening:
        relay.port = listening.sockets[0].getsockname()[1]
        yield relay

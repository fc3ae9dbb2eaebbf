"""A way to the API server on which the bytes are counted: both ways, as they go over the wire, TLS and all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

CHUNK = 2**18


@dataclass
class Relay:
    """`url` is where it listens: on this machine, for which every API server here has a certificate."""

    server: str
    url: str = ""
    bytes: int = 0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        upstream = urlsplit(self.server)
        there, to_there = await asyncio.open_connection(upstream.hostname, upstream.port)
        ways = [asyncio.ensure_future(self._copy(reader, to_there)), asyncio.ensure_future(self._copy(there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            to_there.close()
            writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK):
            self.bytes += len(chunk)
            writer.write(chunk)
            await writer.drain()


@asynccontextmanager
async def relay(server: str) -> AsyncIterator[Relay]:
    found = Relay(server)
    listening = await asyncio.start_server(found.carry, "127.0.0.1", 0)
    async with listening:
        found.url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield found

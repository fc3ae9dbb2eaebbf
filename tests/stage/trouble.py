"""What goes wrong between an operator and the API server, on purpose, and how often it did."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.stage.proxy import WRITES

Answers = Callable[[web.Request], Awaitable[web.StreamResponse]]


def watches(request: web.Request) -> bool:
    return request.query.get("watch") in ("true", "1")


def elects(request: web.Request) -> bool:
    """Who leads is another matter: an operator that cannot renew its Lease ends, and is started again by its supervisor."""
    return "/leases" in request.path and "stanch-leader" in request.path


@dataclass
class Every:
    """Every n-th of the requests that it is about, from the first; nothing before `skip` of them."""

    number: int
    writes: bool = False
    streams: bool = False
    skip: int = 0
    injected: int = 0
    _met: int = 0

    def strikes(self, request: web.Request) -> bool:
        if watches(request) != self.streams or elects(request) or (self.writes and request.method not in WRITES):
            return False
        self._met += 1
        strikes = self._met > self.skip and self._met % self.number == 0
        self.injected += strikes
        return strikes

    # A trouble does one of these; the others let everything through.

    def before(self, request: web.Request) -> Awaitable[web.StreamResponse] | None:
        return None

    def after(self, request: web.Request) -> Awaitable[None] | None:
        return None

    def during(self, request: web.Request, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        return chunks


@dataclass
class Answered(Every):
    """The answer is not the API server's, which hears nothing of it."""

    status: int = 500
    reason: str = "InternalError"
    headers: tuple[tuple[str, str], ...] = ()

    def before(self, request: web.Request) -> Awaitable[web.StreamResponse] | None:
        return self._answer() if self.strikes(request) else None

    async def _answer(self) -> web.StreamResponse:
        return web.json_response(problem(self.status, self.reason), status=self.status, headers=dict(self.headers))


@dataclass
class Reset(Every):
    """The connection ends: before the API server hears of it, or after it has done what was asked."""

    committed: bool = False

    def before(self, request: web.Request) -> Awaitable[web.StreamResponse] | None:
        return self._reset(request) if not self.committed and self.strikes(request) else None

    def after(self, request: web.Request) -> Awaitable[None] | None:
        return self._reset(request) if self.committed and self.strikes(request) else None

    async def _reset(self, request: web.Request) -> Any:
        assert request.transport is not None
        request.transport.abort()
        raise ConnectionResetError("on purpose")


@dataclass
class Late(Every):
    """The answer comes so much later: what was asked is done, and only that is not known for a while."""

    seconds: float = 0.3

    def after(self, request: web.Request) -> Awaitable[None] | None:
        return asyncio.sleep(self.seconds) if self.strikes(request) else None


@dataclass
class CutStream(Every):
    """A watch ends in the middle of what it says, after so many parts; or says from then on nothing more."""

    parts: int = 1
    silent: bool = False

    def during(self, request: web.Request, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        return self._cut(request, chunks) if self.strikes(request) else chunks

    async def _cut(self, request: web.Request, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        told = 0
        async for chunk in chunks:
            told += 1
            yield chunk if told <= self.parts else chunk[: len(chunk) // 2]
            if told > self.parts:
                break
        if self.silent:
            await asyncio.Event().wait()  # until the operator goes, which cancels this
        assert request.transport is not None
        request.transport.abort()


@dataclass
class Gone(Every):
    """A watch's position is forgotten (410): the stream says so, as the API server does."""

    def before(self, request: web.Request) -> Awaitable[web.StreamResponse] | None:
        return self._gone(request) if self.strikes(request) else None

    async def _gone(self, request: web.Request) -> web.StreamResponse:
        event = {"type": "ERROR", "object": problem(410, "Expired")}
        return web.Response(body=json.dumps(event).encode() + b"\n", content_type="application/json")


def problem(status: int, reason: str) -> dict[str, Any]:
    return {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "on purpose", "reason": reason, "code": status,
    }  # fmt: skip

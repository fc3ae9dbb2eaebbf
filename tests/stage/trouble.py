"""What goes wrong between an operator and the API server, on purpose, and how often it did."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from random import Random
from typing import Any

from aiohttp import web

from tests.stage.audit.terms import Outage
from tests.stage.proxy import WRITES

Answers = Callable[[web.Request], Awaitable[web.StreamResponse]]


def watches(request: web.Request) -> bool:
    return request.query.get("watch") in ("true", "1")


def elects(request: web.Request) -> bool:
    """Who leads is another matter: an operator that cannot renew its Lease ends, and is started again by its supervisor."""
    return "/leases" in request.path and "stanch-leader" in request.path


@dataclass
class Chance:
    """One in `number` of the requests that it is about: by chance, for whoever repeats a row of requests would meet a fixed beat
    at the same place each time. The chance is seeded; where it never comes, the `number`-th request has it."""

    number: int
    writes: bool = False
    streams: bool = False
    seed: int = 0
    injected: int = 0
    asked: int = 0
    # When those who asked had to wait, for an answer or before they asked again: by so much a revert may be later too.
    waited: list[Outage] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = Random(self.seed)

    def strikes(self, request: web.Request) -> bool:
        if watches(request) != self.streams or elects(request) or (self.writes and request.method not in WRITES):
            return False
        self.asked += 1
        strikes = self._chance.randrange(self.number) == 0 or (self.asked == self.number and not self.injected)
        if strikes:
            self.injected += 1
            now = datetime.now(UTC)
            self.waited += [(now, now + self.delay)] if self.delay else []
        return strikes

    @property
    def delay(self) -> timedelta:
        return timedelta()

    # A trouble does one of these; the others let everything through.

    def before(self, request: web.Request) -> Awaitable[web.StreamResponse] | None:
        return None

    def after(self, request: web.Request) -> Awaitable[None] | None:
        return None

    def headed(self, request: web.Request, headers: dict[str, str]) -> dict[str, str]:
        return headers

    def during(self, request: web.Request, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        return chunks


# What the operator waits after a request that failed, where the answer asks for no other time (`Retryable.after`).
BACK_OFF = timedelta(seconds=2)


@dataclass
class Failing(Chance):
    """Whoever meets it tries again a while later."""

    @property
    def delay(self) -> timedelta:
        return BACK_OFF


@dataclass
class Answered(Failing):
    """The answer is not the API server's, which hears nothing of it."""

    status: int = 500
    reason: str = "InternalError"
    headers: tuple[tuple[str, str], ...] = ()

    def before(self, request: web.Request) -> Awaitable[web.StreamResponse] | None:
        return self._answer() if self.strikes(request) else None

    async def _answer(self) -> web.StreamResponse:
        return web.json_response(problem(self.status, self.reason), status=self.status, headers=dict(self.headers))


@dataclass
class Reset(Failing):
    """The connection ends: before the API server hears of it, or after it has done what was asked."""

    committed: bool = False

    def before(self, request: web.Request) -> Awaitable[web.StreamResponse] | None:
        return self._reset(request) if not self.committed and self.strikes(request) else None

    def after(self, request: web.Request) -> Awaitable[None] | None:
        return self._reset(request) if self.committed and self.strikes(request) else None

    async def _reset(self, request: web.Request) -> Any:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()  # which nobody gets


@dataclass
class Late(Chance):
    """The answer comes so much later: what was asked is done, and only that is not known for a while."""

    seconds: float = 0.3

    @property
    def delay(self) -> timedelta:
        return timedelta(seconds=self.seconds)

    def after(self, request: web.Request) -> Awaitable[None] | None:
        return asyncio.sleep(self.seconds) if self.strikes(request) else None


@dataclass
class CutStream(Chance):
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
class StreamsEnd(Chance):
    """At a word, each watch that is open is cut, or says nothing more and stays open; those that come after it are whole."""

    silent: bool = False
    _open: list[tuple[asyncio.AbstractEventLoop, asyncio.Transport]] = field(default_factory=list)
    _now: threading.Event = field(default_factory=threading.Event)

    def now(self) -> None:
        self._now.set()
        self.injected = len(self._open)
        for loop, transport in self._open:
            if not self.silent:
                loop.call_soon_threadsafe(transport.abort)

    def during(self, request: web.Request, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        if self._now.is_set() or not watches(request):
            return chunks
        assert isinstance(request.transport, asyncio.Transport)
        self._open.append((asyncio.get_running_loop(), request.transport))
        return self._until_then(chunks)

    async def _until_then(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            if not self._now.is_set():
                yield chunk
        if self._now.is_set():
            await asyncio.Event().wait()  # until the operator goes, which cancels this


@dataclass
class Gone(Chance):
    """A watch's position is forgotten (410): the stream says so, as the API server does."""

    def before(self, request: web.Request) -> Awaitable[web.StreamResponse] | None:
        return self._gone(request) if self.strikes(request) else None

    async def _gone(self, request: web.Request) -> web.StreamResponse:
        event = {"type": "ERROR", "object": problem(410, "Expired")}
        return web.Response(body=json.dumps(event).encode() + b"\n", content_type="application/json")


@dataclass
class ClockJump(Chance):
    """The API server's clock is so many seconds ahead, or behind: another one answers, whose clock goes wrong."""

    seconds: float = 0.0

    def headed(self, request: web.Request, headers: dict[str, str]) -> dict[str, str]:
        if "Date" not in headers or not self.strikes(request):
            return headers
        said = parsedate_to_datetime(headers["Date"]) + timedelta(seconds=self.seconds)
        return headers | {"Date": format_datetime(said, usegmt=True)}


def problem(status: int, reason: str) -> dict[str, Any]:
    return {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "on purpose", "reason": reason, "code": status,
    }  # fmt: skip

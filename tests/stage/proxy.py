"""A door between the operator and the API server, through which every request goes: it counts the writes that were committed,
does something right after a chosen one, before the operator hears of it, and can hold a write on its way, as a network does.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import aiohttp
from aiohttp import web

from tests.stage.kubectl import Kubectl

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "content-length", "content-encoding", "host", "keep-alive", "upgrade"})


@dataclass(frozen=True)
class Written:
    """One write: on its way, or committed.

    `token` is what a step or its revert puts on its target; `status` what was answered, and `at` when.
    """

    method: str
    path: str
    user: str
    token: str = ""
    status: int = 0
    at: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False)

    def __str__(self) -> str:
        who = f" as {self.user.rsplit(':', 1)[-1]}" if self.user else ""
        return f"{self.method} {self.path}{who}"


def counts(request: web.Request, body: bytes, status: int) -> bool:
    """Whether this was a write of the incident's path: committed, no dry run, no question, not of leader, Playbook, policy."""
    asked = "dryRun" in request.query or "/authorization.k8s.io/" in request.path
    declared = "/playbooks/" in request.path or "/responsepolicies/" in request.path
    beside = "stanch-leader" in request.path or b'"stanch-leader"' in body or declared
    return request.method in WRITES and status < 300 and not asked and not beside


def written(request: web.Request, body: bytes, status: int = 0) -> Written:
    return Written(request.method, request.path, request.headers.get("Impersonate-User", ""), token_in(body), status)


def token_in(body: bytes) -> str:
    """The token that a write to a target carries; empty where it carries none."""
    try:
        found = json.loads(body)["metadata"]["annotations"]["stanch.dev/token"]
    except (ValueError, KeyError, TypeError):
        return ""
    return str(found)


@dataclass
class Hold:
    """Holds the first write that `chooses`, with whatever `at_once` does, until `let` is set; then it arrives."""

    chooses: Callable[[Written, bytes], bool]
    at_once: Callable[[], None]
    held: threading.Event = field(default_factory=threading.Event)
    let: threading.Event = field(default_factory=threading.Event)
    answered: Future[int] = field(default_factory=Future)


class Trouble(Protocol):
    """Something that goes wrong on the way, now and then. `waited`: when it kept the operator waiting."""

    waited: list[tuple[datetime, datetime]]

    def before(self, request: web.Request) -> Awaitable[web.StreamResponse] | None:
        """In place of the API server, which hears nothing of the request; None: it is let through."""

    def after(self, request: web.Request) -> Awaitable[None] | None:
        """Once the API server has done what was asked, and before the operator hears of it."""

    def headed(self, request: web.Request, headers: dict[str, str]) -> dict[str, str]:
        """What arrives of an answer's headers."""

    def during(self, request: web.Request, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """What arrives of an answer."""


@dataclass
class Door:
    """`after(number, written)` is called, in the proxy's thread, after each counted write; numbers begin with 1."""

    kubectl: Kubectl
    after: Callable[[int, Written], None] = lambda number, written: None
    written: list[Written] = field(default_factory=list)
    # Of which the API server could not say whether it was committed.
    unknown: list[Written] = field(default_factory=list)
    hold: Hold | None = None
    trouble: Trouble | None = None
    url: str = ""
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None

    def __enter__(self) -> Door:
        opened: Future[str] = Future()
        self._thread = threading.Thread(target=self._run, args=(opened,), name="door", daemon=True)
        self._thread.start()
        self.url = opened.result(30)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None and self._thread is not None
        self._loop.call_soon_threadsafe(self._closed.set)
        self._thread.join(30)

    def _run(self, opened: Future[str]) -> None:
        asyncio.run(self._serve(opened))

    async def _serve(self, opened: Future[str]) -> None:
        self._loop, self._closed = asyncio.get_running_loop(), asyncio.Event()
        server, context = self._upstream()
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(server, connector=connector, timeout=timeout, auto_decompress=False) as session:
            app = web.Application(client_max_size=64 * 1024 * 1024)

            async def handle(request: web.Request) -> web.StreamResponse:
                return await self._pass(session, request)

            app.router.add_route("*", "/{path:.*}", handle)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            opened.set_result(f"http://127.0.0.1:{runner.addresses[0][1]}")
            await self._closed.wait()
            await runner.cleanup()

    def _upstream(self) -> tuple[str, ssl.SSLContext]:
        shown = json.loads(self.kubectl.run("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
        cluster = shown["clusters"][0]["cluster"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        return cluster["server"], ssl.create_default_context(cadata=authority)

    async def _pass(self, session: aiohttp.ClientSession, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        held = await self._held(request, body)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._talk(session, request, held)
        if self.trouble and (wrong := self.trouble.before(request)):
            return await wrong
        async with session.request(request.method, request.rel_url, headers=passed(request), data=body or None) as answer:
            self._count(request, body, answer.status, held)
            if self.trouble and (after := self.trouble.after(request)):
                await after
            return await self._answer(request, answer)

    async def _held(self, request: web.Request, body: bytes) -> Hold | None:
        hold, asked = self.hold, "dryRun" in request.query
        if hold is None or asked or hold.held.is_set() or not hold.chooses(written(request, body), body):
            return None
        hold.at_once()
        hold.held.set()
        await asyncio.get_running_loop().run_in_executor(None, hold.let.wait)
        return hold

    def _count(self, request: web.Request, body: bytes, status: int, held: Hold | None) -> None:
        if counts(request, body, status):
            self.written.append(written(request, body, status))
            self.after(len(self.written), self.written[-1])
        elif request.method in WRITES and status >= 500:
            self.unknown.append(written(request, body, status))
        if held:
            held.answered.set_result(status)

    async def _talk(self, session: aiohttp.ClientSession, request: web.Request, held: Hold | None) -> web.StreamResponse:
        """A command in a container: both ways at once, until one side ends."""
        protocols = [one.strip() for one in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        headers = {name: value for name, value in passed(request).items() if not name.lower().startswith("sec-websocket")}
        async with session.ws_connect(request.rel_url, protocols=protocols, headers=headers, max_msg_size=0) as there:
            if held:
                held.answered.set_result(101)
            here = web.WebSocketResponse(protocols=[there.protocol] if there.protocol else (), max_msg_size=0)
            await here.prepare(request)
            ways = [asyncio.ensure_future(copied(there, here)), asyncio.ensure_future(copied(here, there))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, here.close(), return_exceptions=True)
            return here

    async def _answer(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP - {"content-encoding"}}
        headers = self.trouble.headed(request, kept) if self.trouble else kept
        response = web.StreamResponse(status=answer.status, headers=headers)
        try:
            await response.prepare(request)
            chunks = answer.content.iter_any()
            async for chunk in self.trouble.during(request, chunks) if self.trouble else chunks:
                await response.write(chunk)
            await response.write_eof()
        except (ConnectionError, aiohttp.ClientError):
            # Who asked was killed meanwhile.
            return response
        return response


def passed(request: web.Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}


async def copied(source: Any, sink: Any) -> None:
    async for message in source:
        if message.type is aiohttp.WSMsgType.BINARY:
            await sink.send_bytes(message.data)

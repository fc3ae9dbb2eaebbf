"""A door between the operator and the API server, through which every request goes: it counts the writes that were committed,
and does something right after a chosen one, before the operator hears of it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from tests.stage.kubectl import Kubectl

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "content-length", "content-encoding", "host", "keep-alive", "upgrade"})


@dataclass(frozen=True)
class Written:
    """One write that the API server committed."""

    method: str
    path: str
    user: str

    def __str__(self) -> str:
        who = f" as {self.user.rsplit(':', 1)[-1]}" if self.user else ""
        return f"{self.method} {self.path}{who}"


def counts(request: web.Request, body: bytes, status: int) -> bool:
    """Whether this was a write of the incident's path: committed, no dry run, no question, not of leader, Playbook, policy."""
    asked = "dryRun" in request.query or "/authorization.k8s.io/" in request.path
    declared = "/playbooks/" in request.path or "/responsepolicies/" in request.path
    beside = "stanch-leader" in request.path or b'"stanch-leader"' in body or declared
    return request.method in WRITES and status < 300 and not asked and not beside


@dataclass
class Door:
    """`after(number, written)` is called, in the proxy's thread, after each counted write; numbers begin with 1."""

    kubectl: Kubectl
    after: Callable[[int, Written], None] = lambda number, written: None
    written: list[Written] = field(default_factory=list)
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
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        body = await request.read()
        async with session.request(request.method, request.rel_url, headers=headers, data=body or None) as answer:
            if counts(request, body, answer.status):
                self._count(Written(request.method, request.path, request.headers.get("Impersonate-User", "")))
            return await self._answer(request, answer)

    def _count(self, written: Written) -> None:
        self.written.append(written)
        self.after(len(self.written), written)

    async def _answer(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP - {"content-encoding"}}
        response = web.StreamResponse(status=answer.status, headers=kept)
        try:
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
        except (ConnectionError, aiohttp.ClientError):
            # Who asked was killed meanwhile.
            return response
        return response

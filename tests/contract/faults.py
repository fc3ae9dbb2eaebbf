"""A proxy between the adapter and the API server that misbehaves as told, once per request that it is told about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from kubernetes.aio.client.configuration import Configuration

from stanch.kube.client import ApiServer, Request, Timeouts
from tests.contract.world import serving

# Short, for what never answers; what does answer passes two servers on a busy machine, and is not to be cut off.
FAST = Timeouts(connect=2.0, total=2.0, idle=2.0)
_FORWARDED = ("Content-Type", "Date", "Retry-After")


@dataclass(frozen=True)
class Answer:
    """Answers in the API server's place."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Cut:
    """Closes the connection; `after` the API server has done what was asked."""

    after: bool = False


@dataclass(frozen=True)
class Hang:
    """Never answers; `after` the API server has done what was asked."""

    after: bool = False


@dataclass(frozen=True)
class Stream:
    """Sends the parts, then hangs, is cut, or ends well."""

    parts: tuple[bytes, ...]
    end: str = "well"


Fault = Answer | Cut | Hang | Stream


class FaultProxy:
    """`faults` are taken in order by the requests of `method`; None lets one through. `seen`: (method, path) of all."""

    def __init__(self, upstream: ApiServer) -> None:
        self.upstream = upstream
        self.seen: list[tuple[str, str]] = []
        self._faults: list[Fault | None] = []
        self._takes: Callable[[web.Request], bool] = lambda _: False

    def plan(self, method: str, *faults: Fault | None, path: str = "") -> None:
        self._faults = list(faults)
        self._takes = lambda request: request.method == method and path in request.path_qs

    def count(self, method: str) -> int:
        return sum(1 for seen, _ in self.seen if seen == method)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.method, request.path_qs))
        fault = self._faults.pop(0) if self._faults and self._takes(request) else None
        match fault:
            case Answer(status, headers, body):
                return web.Response(status=status, headers=headers, body=body)
            case Stream():
                return await _streamed(request, fault)
            case Cut(after) | Hang(after):
                if after:
                    await self._forward(request)
                return await _broken(request, cut=isinstance(fault, Cut))
        return await self._forward(request)

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        body: Any = await request.json() if request.can_read_body else None
        forwarded = Request(
            request.method,
            request.rel_url.raw_path_qs,
            "forward",
            body=body,
            content_type=request.content_type,
            user=request.headers.get("Impersonate-User", ""),
        )
        async with self.upstream.open(forwarded) as response:
            headers = {name: response.headers[name] for name in _FORWARDED if name in response.headers}
            return web.Response(status=response.status, headers=headers, body=await response.read())


@asynccontextmanager
async def faulty(upstream: ApiServer) -> AsyncIterator[tuple[FaultProxy, ApiServer]]:
    """The proxy, and a connection through it with short time-outs."""
    proxy = FaultProxy(upstream)
    async with serving(proxy.handle) as port:
        api = ApiServer(Configuration(host=f"http://127.0.0.1:{port}"), FAST)
        try:
            yield proxy, api
        finally:
            await api.close()


async def _streamed(request: web.Request, fault: Stream) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for part in fault.parts:
        await response.write(part)
    return response if fault.end == "well" else await _broken(request, cut=fault.end == "cut")


async def _broken(request: web.Request, *, cut: bool) -> web.StreamResponse:
    if cut and request.transport:
        request.transport.abort()
    await asyncio.Event().wait()  # until the client goes, which cancels this
    raise AssertionError("unreachable")

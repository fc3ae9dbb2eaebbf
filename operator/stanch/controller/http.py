"""/healthz, /readyz and /metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from stanch.engine.errors import Refused

# A name, and why it is not well (empty: it is).
Probe = Callable[[], str]


@asynccontextmanager
async def serve(port: int, registry: CollectorRegistry, healthy: Probe, ready: Probe) -> AsyncIterator[int]:
    """Serves while the block runs; yields the port (0 asks for a free one)."""
    app = web.Application()
    app.router.add_get("/healthz", _probe(healthy))
    app.router.add_get("/readyz", _probe(ready))
    app.router.add_get("/metrics", _metrics(registry))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await _listen(web.TCPSite(runner, None, port), port)
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _listen(site: web.TCPSite, port: int) -> None:
    try:
        await site.start()
    except OSError as error:
        raise Refused("PortUnusable", f"port {port} for probes: {error.strerror}; choose another --http-port") from error


def _probe(probe: Probe):
    async def handle(_: web.Request) -> web.Response:
        problem = probe()
        return web.Response(text=problem or "ok", status=503 if problem else 200)

    return handle


def _metrics(registry: CollectorRegistry):
    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return handle

"""Watches stanch's kinds through kopf, and hands each event on.

kopf is used as ingest and runner only: `on.event` handlers that never write. Its timers, daemons, indices, annotations
and finalizers are not used; state lives in `/status`, time in `runtime.queue`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import kopf

from stanch.engine.ports import Object

GROUP, VERSION = "stanch.dev", "v1alpha1"
# Back-offs are not awakable: capped at two seconds, or an outage of a minute costs another one.
BACKOFFS = (0.1, 0.2, 0.5, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0)

Login = Callable[[], Awaitable[Mapping[str, Any]]]
Told = Callable[[Object, bool], None]


async def watch(sinks: Mapping[str, Told], login: Login, namespaces: tuple[str, ...]) -> None:
    """Watches until cancelled. `sinks`: plural of a kind, and who is told of it, in the loop that calls this: the object, and
    whether it is gone. `login` gives the fields of a kopf.ConnectionInfo.

    kopf runs in a thread and a loop of its own: it takes every task of its loop for its own and cancels it at its end, and it
    takes the process's signals. What it tells comes over to this loop.
    """
    loop = asyncio.get_running_loop()
    stop = threading.Event()
    registry = kopf.OperatorRegistry()
    _register(registry, sinks, login, loop)

    def run() -> None:
        asyncio.run(_operator(registry, namespaces, stop))

    running = asyncio.ensure_future(asyncio.to_thread(run))
    try:
        await asyncio.shield(running)
    finally:
        stop.set()
        await running


async def _operator(registry: kopf.OperatorRegistry, namespaces: tuple[str, ...], stop: threading.Event) -> None:
    await kopf.operator(
        registry=registry,
        settings=_settings(),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
        stop_flag=stop,
    )


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    # Neither CRDs nor namespaces are watched: the operator needs no right to see them.
    settings.scanning.disabled = True
    settings.watching.server_timeout = 240
    settings.watching.client_timeout = 300
    settings.watching.connect_timeout = 5
    settings.watching.chunk_size = 500
    settings.networking.error_backoffs = BACKOFFS
    # Handlers here only put keys into a queue: there is nothing to wait for at the end.
    settings.queueing.exit_timeout = 0.1
    settings.queueing.idle_timeout = 0.5
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    return settings


def _register(registry: kopf.OperatorRegistry, sinks: Mapping[str, Told], login: Login, loop: asyncio.AbstractEventLoop) -> None:
    @kopf.on.login(registry=registry)
    async def authenticate(**_: Any) -> kopf.ConnectionInfo:
        asked = asyncio.run_coroutine_threadsafe(login(), loop)
        return kopf.ConnectionInfo(**await asyncio.wrap_future(asked))

    for plural, told in sinks.items():
        kopf.on.event(GROUP, VERSION, plural, registry=registry, id=plural)(_handler(told, loop))


def _handler(told: Told, loop: asyncio.AbstractEventLoop) -> Callable[..., Any]:
    async def handle(type: str | None, body: kopf.Body, **_: Any) -> None:
        loop.call_soon_threadsafe(told, dict(body), type == "DELETED")

    return handle

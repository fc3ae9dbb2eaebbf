"""Watches Incidents, Decisions and Playbooks through kopf, and hands each event on.

kopf is used as ingest and runner only: `on.event` handlers that never write. Its timers, daemons, indices, annotations
and finalizers are not used; state lives in `/status`, time in `runtime.queue`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import kopf

from stanch.engine.ports import Object

GROUP, VERSION = "stanch.dev", "v1alpha1"
# Back-offs are not awakable: capped at two seconds, or an outage of a minute costs another one.
BACKOFFS = (0.1, 0.2, 0.5, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0)

Login = Callable[[], Awaitable[Mapping[str, Any]]]
Told = Callable[[Object, bool], None]


@dataclass(frozen=True)
class Sinks:
    """Who is told what: the object, and whether it is gone."""

    incident: Told
    decision: Told
    playbook: Told


async def watch(sinks: Sinks, login: Login, namespaces: tuple[str, ...], stop: asyncio.Event) -> None:
    """Watches until `stop` is set. `login` gives the fields of a kopf.ConnectionInfo."""
    registry = kopf.OperatorRegistry()
    _register(registry, sinks, login)
    ended = threading.Event()
    kopf_task = asyncio.ensure_future(
        kopf.operator(registry=registry, settings=_settings(), standalone=True, clusterwide=not namespaces,
                      namespaces=namespaces, stop_flag=ended)
    )  # fmt: skip
    waiting = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({kopf_task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended.set()
        waiting.cancel()
        await kopf_task


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
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    return settings


def _register(registry: kopf.OperatorRegistry, sinks: Sinks, login: Login) -> None:
    @kopf.on.login(registry=registry)
    async def authenticate(**_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(**await login())

    for plural, told in (("incidents", sinks.incident), ("decisions", sinks.decision), ("playbooks", sinks.playbook)):
        kopf.on.event(GROUP, VERSION, plural, registry=registry, id=plural)(_handler(told))


def _handler(told: Told) -> Callable[..., Any]:
    async def handle(type: str | None, body: kopf.Body, **_: Any) -> None:
        told(dict(body), type == "DELETED")

    return handle

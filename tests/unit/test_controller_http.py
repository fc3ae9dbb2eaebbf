"""The operator's own HTTP, asked over a socket: its probes, its metrics, and a port that somebody else has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientConnectorError, ClientSession
from prometheus_client.parser import text_string_to_metric_families

from stanch.controller.http import serve
from stanch.engine.errors import Refused
from stanch.runtime.metrics import Metrics


@dataclass
class Served:
    """What the probes say is set by hand: why the process is not well, and why it is not ready."""

    sick: str = ""
    waits: str = ""
    metrics: Metrics = field(default_factory=Metrics)
    port: int = 0

    @asynccontextmanager
    async def up(self) -> AsyncIterator[Served]:
        async with serve(0, self.metrics.registry, lambda: self.sick, lambda: self.waits) as self.port:
            yield self

    async def asked(self, path: str) -> tuple[int, str, str]:
        """Status, text and content type. With port 0, IPv4 and IPv6 get a port each; which of them is told is chance."""
        for host in ("127.0.0.1", "[::1]"):
            with suppress(ClientConnectorError):
                async with ClientSession() as session, session.get(f"http://{host}:{self.port}{path}") as answer:
                    return answer.status, await answer.text(), answer.headers["Content-Type"]
        raise AssertionError(f"nobody listens on port {self.port}")


async def test_healthz_says_why_the_process_should_be_restarted() -> None:
    async with Served(waits="not asked").up() as served:
        assert (await served.asked("/healthz"))[:2] == (200, "ok")
        served.sick = "the watch is silent"
        assert (await served.asked("/healthz"))[:2] == (503, "the watch is silent")
        served.sick = ""
        assert (await served.asked("/healthz"))[:2] == (200, "ok")


async def test_readyz_says_what_it_waits_for() -> None:
    async with Served(sick="not asked", waits="waits for the API server").up() as served:
        assert (await served.asked("/readyz"))[:2] == (503, "waits for the API server")
        served.waits = ""
        assert (await served.asked("/readyz"))[:2] == (200, "ok")


async def test_metrics_are_the_registry_as_prometheus_reads_it() -> None:
    async with Served(sick="ill", waits="long").up() as served:
        served.metrics.transitions.labels("Resolved").inc(3)
        status, text, kind = await served.asked("/metrics")
    assert status == 200
    assert kind.startswith("text/plain; version=") and "charset=utf-8" in kind
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert [(s.labels, s.value) for s in samples if s.name == "stanch_transitions_total"] == [({"phase": "Resolved"}, 3.0)]
    assert {s.name.partition("_")[0] for s in samples} == {"stanch"}, "a registry of its own, nothing of the library's"


async def test_a_port_in_use_is_refused_by_its_number() -> None:
    async with Served().up() as first:
        with pytest.raises(Refused) as refused:
            async with serve(first.port, Metrics().registry, str, str):
                pass
        assert refused.value.reason == "PortUnusable"
        assert f"port {first.port} " in refused.value.message and "--http-port" in refused.value.message
        assert (await first.asked("/healthz"))[0] == 200, "who had it keeps it"

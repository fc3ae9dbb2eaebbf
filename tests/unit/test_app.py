"""The operator's start and its log, in this process: an API server that is away, one that comes, and how libraries are heard."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from stanch.app import HANGS_AFTER, Operator, legible
from stanch.engine.errors import Refused, Retryable
from stanch.kube.clock import SystemTicks
from stanch.kube.lease import Term
from stanch.runtime.one_store import ANNOTATION, OneStore
from stanch.runtime.overdue import Overdue
from stanch.runtime.settings import Settings
from stanch.runtime.sweeper import Sweeper
from stanch.runtime.workers import Workers
from tests.unit.memory import MemoryClusters, MemoryServer
from tests.unit.world import Life, Site


def settings(folder: Path, server: str) -> Settings:
    kubeconfig = folder / "kubeconfig"
    body = {
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": server}}],
        "users": [{"name": "it", "user": {"token": "t"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }  # fmt: skip
    kubeconfig.write_text(yaml.safe_dump(body))
    return Settings(kubeconfig=str(kubeconfig), packs=str(folder / "packs"), http_port=0)


@asynccontextmanager
async def serving(handle: object) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_an_api_server_that_is_away_is_waited_for(tmp_path: Path) -> None:
    """Two times it does not serve; the third time it does, and refuses the Lease: so much further the operator has come."""
    seen: list[tuple[str, str]] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append((request.path, operator.ready()))
        if len(seen) < 3:
            return web.Response(status=503, headers={"Retry-After": "0"})
        return web.json_response({}, status=200 if request.path == "/version" else 403)

    async with serving(handle) as server:
        operator = Operator(settings(tmp_path, server))
        with pytest.raises(Refused):
            await operator.run()
    assert [path for path, _ in seen[:3]] == ["/version"] * 3 and seen[3][0].startswith("/apis/coordination.k8s.io")
    assert "503" in seen[2][1], "while it waits, /readyz says for what"
    assert operator.ready() == ""


async def test_told_to_stop_while_it_waits_for_the_api_server_it_stops(tmp_path: Path) -> None:
    async def handle(_: web.Request) -> web.Response:
        operator.stop.set()
        return web.Response(status=503)

    async with serving(handle) as server:
        operator = Operator(settings(tmp_path, server))
        assert await operator.run() == 0


async def test_a_new_leader_that_cannot_read_the_decisions_tries_until_it_can(tmp_path: Path) -> None:
    """And until then nothing else is read: an Abort among them must not come after the write that it stops."""
    faults, seen = [429, 500, 503], []
    kinds = [{"name": f"{kind.lower()}s", "kind": kind, "namespaced": True} for kind in ("Lease", "Decision", "Incident")]

    async def handle(request: web.Request) -> web.Response:
        seen.append(request.path.rpartition("/")[2])
        if request.path.rpartition("/")[2] == "decisions":
            if faults:
                return web.Response(status=faults.pop(0), headers={"Retry-After": "0"})
            return web.json_response({"items": [], "metadata": {}})
        if request.path.rpartition("/")[2] == "incidents":
            operator.stop.set()
            return web.json_response({"items": [], "metadata": {}})
        if request.method == "GET" and "/leases/" in request.path:
            return web.json_response({}, status=404)
        if "/leases" in request.path:
            sent = await request.json()
            return web.json_response({**sent, "metadata": {**sent["metadata"], "resourceVersion": "1", "uid": "u"}})
        return web.json_response({"resources": kinds})

    async with serving(handle) as server:
        operator = Operator(settings(tmp_path, server))
        assert await operator.run() == 0
    assert not faults
    # The incidents that are being mitigated are read after them, for the guards, and after these the sweeper and the watch read.
    assert seen.count("decisions") == 4 and "incidents" not in seen[: seen.index("decisions") + 4]


async def test_who_has_other_packs_than_the_leader_ends(tmp_path: Path) -> None:
    kinds = [{"name": "leases", "kind": "Lease", "namespaced": True}]
    spec = {"holderIdentity": "another", "leaseDurationSeconds": 15, "leaseTransitions": 1}
    metadata = {"name": "stanch-leader", "namespace": "stanch-system", "resourceVersion": "1", "uid": "u"}
    lease = {"metadata": {**metadata, "annotations": {ANNOTATION: "of another folder"}}, "spec": spec}

    async def handle(request: web.Request) -> web.Response:
        assert request.method == "GET", "it writes nothing"
        return web.json_response(lease if "/leases/" in request.path else {"resources": kinds})

    async with serving(handle) as server:
        operator = Operator(settings(tmp_path, server))
        with pytest.raises(Refused, match=r"PacksNotShared: .*/packs is another .* than the one that another, which leads"):
            await asyncio.wait_for(operator.run(), 20)


async def test_who_waits_to_lead_without_its_evidence_store_is_not_ready(tmp_path: Path) -> None:
    """Or a rollout with a wrong bucket takes the ones that work away. Who leads goes on without: what is owed is taken back."""
    operator = Operator(settings(tmp_path, "http://127.0.0.1:1"))
    operator.waits_for = ""
    operator.terms = OneStore(MemoryClusters(MemoryServer()).own, (), "packs", "")
    assert "waits for the evidence store" in operator.ready()
    operator.term = Term(1, SystemTicks(), float("inf"))
    assert operator.ready() == ""
    operator.term, operator.terms.store = None, "s1"
    assert operator.ready() == ""


async def test_who_loses_the_lease_before_the_decisions_were_read_ends(tmp_path: Path) -> None:
    operator = Operator(settings(tmp_path, "http://127.0.0.1:1"))
    lost = asyncio.Event()

    async def refused() -> None:
        lost.set()
        raise Retryable("TooManyRequests", "later", 3600)

    assert await operator.unless(operator.patiently(refused), operator.stop, lost) is None
    assert "later" in operator.ready()


async def test_a_silent_watch_is_a_reason_to_be_restarted(tmp_path: Path) -> None:
    operator, server = Operator(settings(tmp_path, "http://127.0.0.1:1")), MemoryServer()
    assert operator.healthy() == "", "before it leads there is no watch"
    own = MemoryClusters(server).own
    operator.sweeper = Sweeper(own, server.time, operator.queue, operator.metrics, (), hear=lambda _: None)
    assert operator.healthy() == ""
    operator.sweeper.silent = True
    assert "the watch is silent" in operator.healthy()


async def test_ticks_that_hang_are_named_and_a_reason_to_be_restarted(tmp_path: Path) -> None:
    operator = Operator(settings(tmp_path, "http://127.0.0.1:1"))

    async def tick(key: tuple[str, str]) -> None:
        raise AssertionError(f"{key} is not ticked here")

    operator.workers = Workers(operator.queue, tick, MemoryServer().time, operator.metrics)
    began = time.monotonic()
    operator.workers.under_way = {("aureus", "slow"): began - HANGS_AFTER / 2}
    assert operator.healthy() == "", "it may take its time"
    hang = {("aureus", name): began - HANGS_AFTER - 1 for name in ("frontend-502", "database-down")}
    operator.workers.under_way.update(hang)
    assert operator.healthy() == "ticks hang: aureus/frontend-502, aureus/database-down"


async def test_an_incident_that_the_watch_tells_of_is_counted_where_it_is_late(tmp_path: Path) -> None:
    """Whether a tick ever comes to it or not."""
    site = Site()
    operator, life, time = Operator(settings(tmp_path, "http://127.0.0.1:1")), Life(site), site.server.time
    operator.sweeper = Sweeper(life.world.clusters.own, time, operator.queue, operator.metrics, (), hear=lambda _: None)
    operator.ticker, operator.overdue = life.ticker, Overdue(time, operator.metrics)
    late = site.incident | {"status": {"reverts": [{"state": "Owed", "dueAt": "2026-01-05T08:00:00Z"}]}}
    for obj, gone, overdue in ((late, False, 1), (site.incident, False, 0), (late, False, 1), (late, True, 0)):
        operator.sink_incident(obj, gone)
        assert operator.metrics.registry.get_sample_value("stanch_reverts_overdue") == overdue


async def test_an_incident_counts_for_a_storm_from_when_the_watch_tells_of_it_also_once_it_is_gone(tmp_path: Path) -> None:
    site = Site()
    operator, life = Operator(settings(tmp_path, "http://127.0.0.1:1")), Life(site)
    operator.sweeper = Sweeper(life.world.clusters.own, site.server.time, operator.queue, operator.metrics, (), hear=lambda _: None)
    operator.ticker, operator.overdue = life.ticker, Overdue(site.server.time, operator.metrics)
    new = site.incident | {"metadata": {**site.incident["metadata"], "name": "new"}}
    for gone, opened in ((False, 2), (False, 2), (True, 2), (False, 3)):
        operator.sink_incident(new, gone)
        past = life.world.past.of(("x", "y"), "aureus", None, frozenset(), site.server.time.now())
        assert len(past.opened) == opened


@pytest.mark.long
def test_every_line_of_the_log_is_json_whoever_speaks() -> None:
    code = (
        "import logging, structlog; from stanch.runtime.logs import configure_logging; configure_logging('json');"
        "logging.getLogger('kopf').error('line one\\nline two %s', 3); structlog.get_logger().info('ours', title='a\\nb')"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stderr
    theirs, ours = (json.loads(line) for line in said.splitlines())
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("line one\nline two 3", "kopf", "error")
    assert ours["title"] == "a\nb"


def test_a_decision_of_a_later_version_keeps_the_operator_from_nothing() -> None:
    said = {"incidentRef": {"name": "a", "uid": "u"}, "verb": "Foretell", "by": "alice", "reason": "because"}
    metadata = {"namespace": "aureus", "name": "d", "uid": "u", "creationTimestamp": "2026-11-21T03:00:00Z"}
    assert legible({"kind": "Decision", "metadata": metadata, "spec": said}) is None
    assert legible({"kind": "Decision", "metadata": metadata, "spec": said | {"verb": "Note"}})

"""`http`: an answer is compared, the lack of one is no data, and nothing else can be asked for than what is named."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stanch.checks.http import HTTP, HttpParams
from stanch.domain.access import Rule
from stanch.domain.incident import Verdict
from stanch.engine.errors import Retryable
from stanch.engine.parts import CheckScope, Reading
from stanch.engine.ports import HttpReply, Object
from tests.unit import rollouts
from tests.unit.memory import Kind, MemoryCluster, MemoryServer, MemoryWeb

CONFIRMED, DENIED, INCONCLUSIVE = Verdict.Confirmed, Verdict.Denied, Verdict.Inconclusive
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": {}}
SECRET = b"ok, password=hunter2"


def http(**params: Any) -> HttpParams:
    return HttpParams.model_validate({"path": "/health", "service": "web", "port": 80, **params})


def outside(**params: Any) -> HttpParams:
    return HttpParams.model_validate({"path": "/health", "url": "https://shop.example.com", **params})


def server_with(*objects: Object, answer: HttpReply | None = None) -> MemoryServer:
    server = rollouts.server_with()
    server.register(Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"))
    for item in (SERVICE, *objects):
        server.add(item)
    if answer:
        server.backends["shop", "web", "80"] = lambda call: answer if call.path == "/health" else HttpReply(404, b"", 0.01)
    return server


def endpoints(*conditions: dict | None) -> Object:
    metadata = {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "endpoints": [{"conditions": one} if one is not None else {} for one in conditions],
    }


def ask(params: HttpParams, server: MemoryServer | None = None, web: MemoryWeb | None = None):
    cluster = MemoryCluster(server or server_with())
    return HTTP.read(CheckScope(cluster, web or MemoryWeb(), "shop", None), params)


@pytest.mark.requirement("E-05", "E-07")
@pytest.mark.parametrize(
    ("params", "status", "verdict"),
    [
        ({}, 200, CONFIRMED),
        ({}, 503, DENIED),
        ({}, 301, DENIED),
        ({"status": 204}, 200, DENIED),
        ({"orStatus": [204, 304]}, 304, CONFIRMED),
        ({"bodyContains": "ok"}, 200, CONFIRMED),
        ({"bodyContains": "healthy"}, 200, DENIED),
        ({"bodyContains": "ok"}, 500, DENIED),
    ],
)
async def test_an_answer_is_compared(params: dict, status: int, verdict: Verdict) -> None:
    reply = HttpReply(status, SECRET, 0.0123)
    through = await ask(http(**params), server_with(answer=reply))
    direct = await ask(outside(**params), web=MemoryWeb({"https://shop.example.com/health": reply}))
    assert through.verdict is direct.verdict is verdict
    assert f"GET http://web:80/health answered {status} in 0.01 s" in through.message
    assert "hunter2" not in through.message + direct.message
    assert not through.final


@pytest.mark.parametrize(
    ("slices", "verdict"),
    [
        ([], DENIED),
        ([endpoints()], DENIED),
        ([endpoints({"ready": False}, {"ready": False})], DENIED),
        ([endpoints({"ready": False}, {"ready": True})], INCONCLUSIVE),
        ([endpoints({})], INCONCLUSIVE),
        ([endpoints(None)], INCONCLUSIVE),
    ],
)
async def test_no_answer_denies_only_where_nothing_can_serve(slices: list[Object], verdict: Verdict) -> None:
    reading = await ask(http(), server_with(*slices))
    assert (reading.verdict, reading.final) == (verdict, False)
    assert "no endpoints available" in reading.message or "has no ready endpoint" in reading.message


async def test_endpoints_that_cannot_be_read_prove_nothing() -> None:
    server = rollouts.server_with(SERVICE)  # serves no EndpointSlices
    assert (await ask(http(), server)).verdict is INCONCLUSIVE


async def test_endpoints_of_another_service_do_not_count() -> None:
    other = endpoints({"ready": True})
    other["metadata"]["labels"] = {"kubernetes.io/service-name": "api"}
    assert (await ask(http(), server_with(other))).verdict is DENIED


async def test_a_missing_service_is_no_data_and_may_come() -> None:
    reading = await ask(http(), rollouts.server_with())
    assert (reading.verdict, reading.final) == (INCONCLUSIVE, False)


async def test_a_place_that_is_not_allow_listed_is_final() -> None:
    reading = await ask(outside())
    assert (reading.verdict, reading.final) == (INCONCLUSIVE, True)


async def test_a_place_outside_that_does_not_answer_is_no_data() -> None:
    web = MemoryWeb({"https://shop.example.com/health": Retryable("Unreachable", "connection refused")})
    reading = await ask(outside(), web=web)
    assert reading == Reading(INCONCLUSIVE, "GET https://shop.example.com/health: no answer, connection refused")


async def test_a_service_that_hangs_is_no_data() -> None:
    class Hanging(MemoryCluster):
        async def proxy(self, *_: Any, **__: Any) -> HttpReply:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

    reading = await HTTP.read(CheckScope(Hanging(server_with()), MemoryWeb(), "shop", None), http(timeout="20ms"))
    assert reading == Reading(INCONCLUSIVE, "GET http://web:80/health: no answer in 0.02 s")


@pytest.mark.parametrize(
    "params",
    [
        {"path": "/"},
        {"path": "/", "service": "web"},
        {"path": "/", "port": 80},
        {"path": "/", "service": "web", "port": 80, "url": "https://shop.example.com"},
        {"path": "/", "url": "https://shop.example.com", "port": 80},
        {"path": "/", "url": "https://user:pass@shop.example.com"},
        {"path": "/", "url": "https://shop.example.com/admin"},
        {"path": "/", "url": "file:///etc/passwd"},
        {"path": "/", "url": "https://shop.example.com\n"},
        {"path": "/", "service": "web", "port": 0},
        {"path": "/", "service": "web", "port": "80/proxy"},
        {"path": "/", "service": "../secrets", "port": 80},
        {"path": "/", "service": "web", "port": 80, "scheme": "ftp"},
        {"path": "/", "service": "web", "port": 80, "status": 42},
        {"path": "/", "service": "web", "port": 80, "timeout": "61s"},
        {"path": "/", "service": "web", "port": 80, "timeout": "0s"},
        {"path": "/", "service": "web", "port": 80, "method": "POST"},
    ],
)
def test_exactly_one_place_and_nothing_else_can_be_named(params: dict) -> None:
    with pytest.raises(ValidationError):
        HttpParams.model_validate(params)


@pytest.mark.parametrize(
    "path",
    ["", "health", "//", "/a//b", "/..", "/../x", "/a/../b", "/a/..", "/.", "/a/./b", "/a..b", "/%2e%2e/x", "/a?b", "/a#b",
     "/a b", "/a\n", "/a\x00", "/a\\b", "/ä"],
)  # fmt: skip
def test_paths_that_could_lead_elsewhere_are_refused(path: str) -> None:
    with pytest.raises(ValidationError):
        http(path=path)


@pytest.mark.parametrize("path", ["/", "/health", "/health/", "/.well-known/ready", "/v1.2/a.b/c", "/a.", "/x:y@z=1,2;3"])
def test_ordinary_paths_are_taken(path: str) -> None:
    assert http(path=path).path == path


@given(st.text(alphabet="/.ab%", min_size=1, max_size=12))
def test_no_path_that_is_taken_climbs(path: str) -> None:
    try:
        http(path=path)
    except ValidationError:
        return
    segments = path.removesuffix("/").split("/")[1:]
    assert path.startswith("/") and not any(part in ("", ".", "..") for part in segments) and "%" not in path


def test_rules_name_scheme_service_and_port_as_the_api_server_does() -> None:
    proxy, service, slices = HTTP.rules(http(scheme="https", port="web"), "shop", None)
    assert proxy == Rule(("get",), "", "services/proxy", ("https:web:web",))
    assert service == Rule(("get",), "", "services", ("web",))
    assert slices.why and not slices.names
    assert HTTP.rules(outside(), "shop", None) == ()

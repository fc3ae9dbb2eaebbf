"""`prometheus`: one fresh sample from after the change is compared; everything else is not known."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stanch.checks.prometheus import PROMETHEUS, PrometheusParams, bound
from stanch.domain.access import Rule
from stanch.engine.parts import CheckScope
from stanch.engine.ports import HttpCall, HttpReply
from tests.unit import rollouts
from tests.unit.checking import CONFIRMED, DENIED, INCONCLUSIVE
from tests.unit.memory import MemoryCluster, MemoryServer, MemoryWeb

NOW = 1_795_000_000.0
BACKLOG = {"service": "prometheus", "port": 9090, "query": "queue_backlog", "expect": "value < 50"}
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "prometheus", "namespace": "shop"}, "spec": {}}


def reply(data: Any, status: int = 200, **more: Any) -> HttpReply:
    return HttpReply(status, json.dumps({"status": "success", "data": data, **more}).encode(), 0.01)


def vector(*values: Any) -> dict:
    return {"resultType": "vector", "result": [{"metric": {}, "value": [NOW, str(value)]} for value in values]}


def serving(answer: HttpReply, age: HttpReply | float = 5.0) -> MemoryServer:
    """Answers questions for samples' times with `age` (seconds, or as it is), others with `answer`."""
    taken = reply(vector(NOW - age)) if isinstance(age, float) else age

    def backend(call: HttpCall) -> HttpReply:
        assert call.path == "/api/v1/query" and call.method == "GET"
        if call.query["query"].startswith("min(timestamp("):
            return taken
        assert call.query["time"] == f"{NOW:.3f}", "both questions are about one moment"
        return answer

    server = rollouts.server_with(SERVICE)
    server.backends["shop", "prometheus", "9090"] = backend
    return server


def ask(server: MemoryServer, **more: Any):
    """The server in memory knows a proxied service by its name alone: permissions are for the end-to-end tests."""
    scope = {key: more.pop(key) for key in ("since", "baseline") if key in more}
    params = PrometheusParams.model_validate(BACKLOG | more)
    return PROMETHEUS.read(CheckScope(MemoryCluster(server), MemoryWeb(), "shop", None, **scope), params)


@pytest.mark.parametrize(
    ("value", "expect", "baseline", "verdict"),
    [
        (12, "value < 50", None, CONFIRMED),
        (50, "value < 50", None, DENIED),
        (12, "value < 50 && value < baseline", 400.0, CONFIRMED),
        (12, "value < 50 && value < baseline", 11.0, DENIED),
        (12, "value < baseline * 1.2", "11", CONFIRMED),
        (12, "value < baseline * 1.2", "many", INCONCLUSIVE),
        (12, "value < baseline * 1.2", None, INCONCLUSIVE),
        (12, None, None, CONFIRMED),
    ],
)
async def test_one_sample_is_compared(value: float, expect: str | None, baseline: float | str | None, verdict: Any) -> None:
    reading = await ask(serving(reply(vector(value))), expect=expect, baseline=baseline)
    assert (reading.verdict, reading.value, reading.final) == (verdict, float(value), False)
    assert f"queue_backlog is {value}" in reading.message


@pytest.mark.parametrize(
    ("answer", "says", "final"),
    [
        (reply(vector()), "no data", False),
        (reply(vector(1, 2)), "2 samples, expected one", False),
        (reply(vector("NaN")), "no number", False),
        (reply(vector("+Inf")), "no number", False),
        (reply({"resultType": "matrix", "result": []}), "expected one sample", True),
        (reply({"resultType": "string", "result": [NOW, "12"]}), "expected one sample", True),
        (reply(vector(12), warnings=["store a is away"]), "partial", False),
        (reply(vector(12), 503), "503", False),
        (reply(vector(12), 302), "302", False),
        (HttpReply(400, b'{"status":"error","errorType":"bad_data","error":"parse error"}', 0.01), "parse error", True),
        (HttpReply(422, b'{"status":"error","errorType":"execution"}', 0.01), "422 execution", False),
        (HttpReply(200, b"<html>secret</html>", 0.01), "200", False),
        (HttpReply(200, b"[" * 60_000, 0.01), "200", False),
        (HttpReply(200, reply(vector(12)).body + b" " * 70_000, 0.01), "200", False),
        (reply(None), "not one of Prometheus", False),
        (reply({"resultType": "vector", "result": [{}]}), "not one of Prometheus", False),
        (reply({"resultType": "vector", "result": [{"value": [NOW, "twelve"]}]}), "not one of Prometheus", False),
        (reply({"resultType": "vector", "result": 5}), "not one of Prometheus", False),
    ],
)
async def test_what_is_no_sample_is_not_known(answer: HttpReply, says: str, final: bool) -> None:
    """Of the value as of its age."""
    for server in (serving(answer), serving(reply(vector(12)), answer)):
        reading = await ask(server)
        assert (reading.verdict, reading.final, reading.value) == (INCONCLUSIVE, final, None)
        assert says in reading.message and "secret" not in reading.message


@pytest.mark.parametrize(("age", "verdict"), [(0.0, CONFIRMED), (59.0, CONFIRMED), (61.0, INCONCLUSIVE), (1e9, INCONCLUSIVE)])
async def test_a_stale_sample_is_no_data(age: float, verdict: Any) -> None:
    reading = await ask(serving(reply(vector(12)), age), maxAge="1m")
    assert reading.verdict is verdict
    assert (verdict is CONFIRMED) or "stale" in reading.message


@pytest.mark.parametrize(("seconds", "verdict"), [(6, CONFIRMED), (4, INCONCLUSIVE)])
async def test_a_sample_from_before_the_change_says_nothing_about_it(seconds: int, verdict: Any) -> None:
    since = datetime.fromtimestamp(NOW - seconds, UTC)
    reading = await ask(serving(reply(vector(12)), 5.0), since=since)
    assert reading.verdict is verdict


async def test_without_an_answer_nothing_is_known() -> None:
    reading = await ask(rollouts.server_with(SERVICE))
    assert (reading.verdict, reading.final) == (INCONCLUSIVE, False)


async def test_of_an_expression_the_age_of_what_it_reads_is_asked() -> None:
    asked: list[str] = []

    def backend(call: HttpCall) -> HttpReply:
        asked.append(call.query["query"])
        return reply(vector(NOW)) if len(asked) == 1 else reply(vector(0.5))

    server = rollouts.server_with(SERVICE)
    server.backends["shop", "prometheus", "9090"] = backend
    said = {"query": "sum(rate(hits{app=$app}[1m]))", "freshness": "hits{app=$app}", "variables": {"app": 'x"} or up #'}}
    assert (await ask(server, **said)).verdict is CONFIRMED
    assert asked == ['min(timestamp(hits{app="x\\"} or up #"}))', 'sum(rate(hits{app="x\\"} or up #"}[1m]))']


@given(st.text(max_size=40))
def test_a_variable_stays_one_text(value: str) -> None:
    query = bound("up{app=$app}", {"app": value})
    assert json.loads(query.removeprefix("up{app=").removesuffix("}"), strict=False) == value


@pytest.mark.parametrize("query", ["up{a='$app'}", 'up{a="x$app"}', "up{a=`$app`}", 'up{a="\\"$app"}', 'up{a=~"x$"}'])
def test_quoted_texts_are_left_alone(query: str) -> None:
    assert bound(query, {"app": "x"}) == query


@pytest.mark.parametrize(
    "said",
    [
        {"query": "sum(up)"},
        {"query": "up[5m]"},
        {"query": "up", "freshness": "sum(up)"},
        {"query": "up", "freshness": "up)) or vector(time()"},
        {"query": "up{a=$b}"},
        {"query": 'up{a="x}', "freshness": "up"},
        {"query": "sum(up) # comment", "freshness": "up"},
        {"query": "up", "expect": "value < baseline * 2"},
        {"query": "up", "expect": "value"},
        {"query": "up", "expect": "value == ${params.x}"},
        {"query": ""},
        {"query": "u" * 1025},
        {"query": "up", "maxAge": "0s"},
        {"query": "up", "maxAge": "2h"},
        {"query": "up", "variables": {"A b": "x"}},
        {"query": "up", "path": "/api/../admin"},
        {"query": "up", "url": "http://127.0.0.1:9090"},
        {"query": "up", "service": None},
    ],
)
def test_what_it_may_not_say(said: dict) -> None:
    with pytest.raises(ValidationError):
        PrometheusParams.model_validate(BACKLOG | said)


def test_rules_name_the_service_as_the_api_server_does() -> None:
    params = PrometheusParams.model_validate(BACKLOG)
    assert PROMETHEUS.rules(params, "shop", None) == (Rule(("get",), "", "services/proxy", ("http:prometheus:9090",)),)
    outside = {"url": "http://127.0.0.1:9090", "query": "up"}
    assert PROMETHEUS.rules(PrometheusParams.model_validate(outside), "shop", None) == ()

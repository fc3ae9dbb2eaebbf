"""`http`: sent at most once, with a key; no answer leaves it unknown; secrets reach their headers and nothing else (E-22)."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from pydantic import ValidationError

from stanch.actions.http import HTTP, HttpParams
from stanch.domain.plan import Pin
from stanch.engine.errors import Conflict, NotSent, Refused, Retryable
from stanch.engine.parts import Change, Effected, Stage
from stanch.engine.ports import HttpCall, HttpReply
from tests.unit import rollouts
from tests.unit.acting import on
from tests.unit.memory import MemoryCluster, MemoryServer, MemoryWeb
from tests.unit.world_gates import MemoryPacks

SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "limits", "namespace": "shop"}, "spec": {}}
TOKEN = "token-of-the-shop"
SECRET = {
    "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "api", "namespace": "shop"},
    "data": {
        "token": base64.b64encode(f"{TOKEN}\n".encode()).decode(), "bad": base64.b64encode(b"a\r\nHost: b").decode(),
        "quoted": base64.b64encode('sésame", "admin": "yes'.encode()).decode(), "binary": base64.b64encode(b"\xff\xfe").decode(),
    },
}  # fmt: skip
PLACE = "https://shop.example.com"
BEARER = {"name": "Authorization", "prefix": "Bearer ", "secretRef": {"name": "api", "key": "token"}}


def inside(**said: Any) -> HttpParams:
    return HttpParams.model_validate({"service": "limits", "port": 80, "path": "/limits/u1", "method": "DELETE", **said})


def outside(**said: Any) -> HttpParams:
    return HttpParams.model_validate({"url": PLACE, "path": "/limits", "method": "POST", **said})


@pytest.fixture
def server() -> MemoryServer:
    return rollouts.server_with(SERVICE, SECRET)


async def planned(stage: Stage, said: HttpParams, token: str = "inc/1/clear/limit") -> Change:
    return HTTP.plan(await HTTP.read(stage, None, said), said, token)


async def sent(stage: Stage, said: HttpParams) -> Effected:
    return await HTTP.apply(stage, await planned(stage, said), "")


def to_place(answer: HttpReply | Retryable) -> MemoryWeb:
    return MemoryWeb({f"{PLACE}/limits": answer})


@pytest.mark.requirement("E-22")
async def test_one_call_arrives_with_its_key(server: MemoryServer) -> None:
    heard: list[HttpCall] = []

    def hear(call: HttpCall) -> HttpReply:
        heard.append(call)
        return HttpReply(204, b"", 0.01)

    server.backends["shop", "limits", "80"] = hear
    stage = on(MemoryCluster(server))
    done = await sent(stage, inside(query={"why": "a&b"}, headers={"X-Reason": "incident"}))
    (call,) = heard
    assert (call.method, call.path, call.query) == ("DELETE", "/limits/u1", {"why": "a&b"})
    assert call.headers["X-Reason"] == "incident" and len(call.headers["Idempotency-Key"]) == 64
    assert not (done.failed or done.unknown) and "answered 204" in done.summary


async def test_the_key_is_the_steps_and_no_other_steps(server: MemoryServer) -> None:
    stage = on(MemoryCluster(server))
    keys = [(await planned(stage, inside(), token)).patch["idempotencyKey"] for token in ("a", "a", "b")]
    assert keys[0] == keys[1] != keys[2]


async def test_json_is_sent_as_json(server: MemoryServer) -> None:
    web = to_place(HttpReply(200, b"", 0.0))
    await sent(on(MemoryCluster(server), web), outside(json={"user": 'u1", "admin": "'}))
    (call,) = web.calls
    assert json.loads(call.body) == {"user": 'u1", "admin": "'}
    assert call.headers["Content-Type"] == "application/json"


async def test_a_secret_reaches_its_header_and_nothing_else(server: MemoryServer) -> None:
    web, packs = to_place(HttpReply(200, f"you said {TOKEN}".encode(), 0.0)), MemoryPacks()
    stage = on(MemoryCluster(server), web, packs=packs)
    said = outside(secretHeaders=[BEARER], output={"fact": "answer"})
    change = await planned(stage, said)
    done = await HTTP.apply(stage, change, "")
    assert web.calls[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in repr((change, done, web.calls[0]))
    assert done.output == "you said (secret)"
    assert len(packs.objects) == 1 and all(TOKEN.encode() not in data for data in packs.objects.values())


@pytest.mark.parametrize(("key", "reason"), [("absent", "SecretMissing"), ("bad", "SecretUnfit")])
async def test_a_secret_that_is_missing_or_unfit_sends_nothing(server: MemoryServer, key: str, reason: str) -> None:
    web = to_place(HttpReply(200, b"", 0.0))
    said = outside(secretHeaders=[{"name": "X-Token", "secretRef": {"name": "api", "key": key}}])
    with pytest.raises(Refused, match=reason) as caught:
        await sent(on(MemoryCluster(server), web), said)
    assert web.calls == [] and "Host: b" not in str(caught.value)


def field(key: str, name: str = "routing_key") -> dict[str, Any]:
    return {"name": name, "secretRef": {"name": "api", "key": key}}


@pytest.mark.requirement("B-02")
async def test_a_secret_reaches_its_field_and_nothing_else(server: MemoryServer) -> None:
    web, packs = to_place(HttpReply(202, f'{{"heard": "{TOKEN}"}}'.encode(), 0.0)), MemoryPacks()
    stage = on(MemoryCluster(server), web, packs=packs)
    said = outside(json={"event_action": "trigger"}, secretFields=[field("token")], output={"fact": "answer"})
    change = await planned(stage, said)
    done = await HTTP.apply(stage, change, "")
    assert json.loads(web.calls[0].body) == {"event_action": "trigger", "routing_key": TOKEN}
    assert TOKEN not in repr((change, done, web.calls[0]))
    assert done.output == '{"heard": "(secret)"}'
    assert len(packs.objects) == 1 and all(TOKEN.encode() not in data for data in packs.objects.values())


@pytest.mark.parametrize("spelled", [True, False], ids=["in ASCII", "in UTF-8"])
async def test_a_secret_stays_one_text_of_the_body_and_is_masked_as_json_spells_it(server: MemoryServer, spelled: bool) -> None:
    secret = 'sésame", "admin": "yes'
    echo = json.dumps({"heard": secret}, ensure_ascii=spelled).encode()
    web = to_place(HttpReply(200, echo, 0.0))
    done = await sent(on(MemoryCluster(server), web), outside(json={}, secretFields=[field("quoted")], output={"fact": "answer"}))
    assert json.loads(web.calls[0].body) == {"routing_key": secret}
    assert done.output == '{"heard": "(secret)"}'


async def test_a_secret_that_is_no_text_sends_nothing(server: MemoryServer) -> None:
    web = to_place(HttpReply(200, b"", 0.0))
    with pytest.raises(Refused, match="SecretUnfit"):
        await sent(on(MemoryCluster(server), web), outside(json={}, secretFields=[field("binary")]))
    assert web.calls == []


async def test_another_status_is_a_failure_without_the_body(server: MemoryServer) -> None:
    done = await sent(on(MemoryCluster(server), to_place(HttpReply(500, b"stack trace", 0.0))), outside())
    assert "answered 500" in done.failed and "expected 200" in done.failed
    assert "stack trace" not in done.failed and done.files


async def test_no_answer_leaves_it_unknown(server: MemoryServer) -> None:
    failure = Retryable("Timeout", f"POST {PLACE}/limits: no answer in time")
    done = await sent(on(MemoryCluster(server), to_place(failure)), outside())
    assert done.unknown == f"POST {PLACE}/limits: no answer in time", "told once where"


async def test_an_answer_that_does_not_come_in_time_leaves_it_unknown(server: MemoryServer) -> None:
    class Hanging(MemoryCluster):
        async def proxy(self, *_: Any, **__: Any) -> HttpReply:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

    done = await sent(on(Hanging(server)), inside(timeout="20ms"))
    assert "no answer in 0.02 s" in done.unknown


@pytest.mark.parametrize("web", [MemoryWeb(), to_place(NotSent("Unreachable", "connection refused"))])
async def test_what_was_not_sent_is_prepared_again_or_refused(server: MemoryServer, web: MemoryWeb) -> None:
    with pytest.raises((Conflict, Refused)) as caught:
        await sent(on(MemoryCluster(server), web), outside())
    assert caught.value.reason in ("Unreachable", "NotAllowed")


async def test_a_service_without_endpoint_was_sent_nothing(server: MemoryServer) -> None:
    with pytest.raises(Conflict, match="nothing was sent"):
        await sent(on(MemoryCluster(server)), inside())


@pytest.mark.parametrize(
    ("body", "output", "value", "failed"),
    [
        (b'{"limit": {"left": 10}}', {"type": "Integer", "pointer": "/limit/left"}, 10, ""),
        (b'{"a/b": [true]}', {"type": "Boolean", "pointer": "/a~1b/0"}, True, ""),
        (b'{"limit": {}}', {"pointer": "/limit/left"}, None, "no JSON with"),
        (b'{"limit": {}}', {"pointer": "/limit"}, None, "no text, number"),
        (b"left: 7", {"type": "Integer", "pattern": "left: ([0-9]+)"}, 7, ""),
        (b"[" * 50_000, {"pointer": "/0"}, None, "no JSON with"),
    ],
)
async def test_the_answer_becomes_a_fact(server: MemoryServer, body: bytes, output: dict, value: Any, failed: str) -> None:
    stage = on(MemoryCluster(server), to_place(HttpReply(200, body, 0.0)))
    done = await sent(stage, outside(output={"fact": "left", **output}))
    assert done.output == value and failed in done.failed and bool(failed) == bool(done.failed)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_it_needs_no_more_than_the_declared_rules(server: MemoryServer, method: str) -> None:
    secret = {"name": "X-Token", "secretRef": {"name": "api", "key": "token"}}
    routing_key = {"name": "routing_key", "secretRef": {"name": "pagerduty", "key": "token"}}
    said = inside(method=method, secretHeaders=[secret], json={}, secretFields=[routing_key])
    rules = HTTP.rules(said, "shop", None)
    # As the API server names it; the memory authorizes the Service's name alone.
    assert rules[0].names == ("http:limits:80",)
    server.add({**SECRET, "metadata": {"name": "pagerduty", "namespace": "shop"}})
    server.grant("shop", "fixer", *rules, type(rules[0])(rules[0].verbs, "", "services/proxy", ("limits",)))
    account = server.add({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "fixer", "namespace": "shop"}})
    server.backends["shop", "limits", "80"] = lambda _: HttpReply(200, b"", 0.0)
    stage = on(MemoryCluster(server, "shop", Pin(account.name, account.uid)))
    # A create is authorized without a name.
    if method != "POST":
        assert not (await sent(stage, said)).failed


@pytest.mark.parametrize(
    "said",
    [
        {"method": "TRACE"},
        {"headers": {"Host": "evil"}},
        {"headers": {"X-A": "a\r\nB: c"}},
        {"headers": {"a b": "c"}},
        {"headers": {"X-A": "1", "x-a": "2"}},
        {"headers": {"Content-Length": "0"}},
        {"headers": {"idempotency-key": "mine"}},
        {"body": "a", "json": {}},
        {"json": {"a": "x" * 70_000}},
        {"expect": []},
        {"expect": [99]},
        {"path": "/limits/../admin"},
        {"secretHeaders": [{"name": "X-A"}]},
        {"secretFields": [field("token")]},
        {"secretFields": [field("token")], "body": "a"},
        {"secretFields": [field("token")], "json": {"routing_key": "mine"}},
        {"secretFields": [field("token"), field("bad")], "json": {}},
        {"output": {"fact": "a", "pointer": "left"}},
    ],
)
def test_what_cannot_be_sent_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        outside(**said)


def test_a_header_that_would_not_arrive_is_refused() -> None:
    with pytest.raises(ValidationError, match="does not reach a Service"):
        inside(secretHeaders=[BEARER])
    assert outside(secretHeaders=[BEARER])


def test_a_call_has_no_inverse_and_says_so() -> None:
    assert HTTP.inverse is None and HTTP.irreversible

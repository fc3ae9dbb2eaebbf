"""What the adapter makes of an API server that fails: the right class of error, and never a second write."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from kubernetes.aio.client.configuration import Configuration

from stanch.api.needs import user_of
from stanch.domain.plan import Ref
from stanch.engine.errors import Failure, NotFound, Refused, Retryable
from stanch.engine.ports import Cluster, HttpCall, Object
from stanch.kube.client import ApiServer
from stanch.kube.cluster import ApiCluster
from stanch.kube.discovery import Discovery
from tests.contract.faults import Answer, Cut, Fault, FaultProxy, Hang, Stream, faulty
from tests.contract.suite_cluster import EVERYTHING, THING, read_log, ref, service_account, thing, unpinned
from tests.contract.world import KubeWorld

Write = Callable[[Cluster, KubeWorld, Ref], Awaitable[object]]
Faulty = tuple[FaultProxy, ApiServer]


@pytest.fixture
async def between(api: ApiServer) -> AsyncIterator[Faulty]:
    async with faulty(api) as both:
        yield both


@pytest.fixture
def proxy(between: Faulty) -> FaultProxy:
    return between[0]


@pytest.fixture
async def user(world: KubeWorld) -> str:
    """A ServiceAccount that may do everything in this namespace. Its UID is not asked for before a write: requests are counted."""
    return user_of(world.namespace, (await service_account(world, EVERYTHING)).name)


@pytest.fixture
def cluster_through(between: Faulty, user: str) -> ApiCluster:
    return ApiCluster(between[1], Discovery(between[1]), user=user, page=2)


@pytest.fixture
async def made(world: KubeWorld, cluster_through: ApiCluster) -> Ref:
    """An object; its kind is known to the adapter by then."""
    found = ref(await world.admin.create(thing(world, "a", n=1)))
    await cluster_through.get(found)
    return found


WRITES: dict[str, tuple[str, Write]] = {
    "patch": ("PATCH", lambda cluster, _, made: cluster.patch(made, {"spec": {"n": 2}})),
    "create": ("POST", lambda cluster, world, _: cluster.create(thing(world, "b"))),
    "delete": ("DELETE", lambda cluster, _, made: cluster.delete(made)),
}
STATUS = json.dumps({"kind": "Status", "status": "Failure", "reason": "InternalError", "message": "etcd is away"})
FAULTS: dict[str, tuple[Fault, str]] = {
    "429": (Answer(429, {"Retry-After": "7"}), "TooManyRequests"),
    "500": (Answer(500, {"Content-Type": "application/json"}, STATUS.encode()), "InternalError"),
    "503": (Answer(503, {"Retry-After": "7"}), "ServerError"),
    "401": (Answer(401), "Unauthorized"),
    "not JSON": (Answer(200, {}, b"<html>login</html>"), "UnreadableAnswer"),
    "cut before": (Cut(), "ConnectionLost"),
    "cut after": (Cut(after=True), "ConnectionLost"),
    "hang before": (Hang(), "Timeout"),
    "hang after": (Hang(after=True), "Timeout"),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_write_that_fails_is_retryable_and_was_sent_once(
    proxy: FaultProxy, cluster_through: ApiCluster, world: KubeWorld, made: Ref, write: str, fault: str
) -> None:
    method, send = WRITES[write]
    what, reason = FAULTS[fault]
    proxy.plan(method, what)
    with pytest.raises(Retryable) as caught:
        await send(cluster_through, world, made)
    assert caught.value.reason == reason
    assert caught.value.after == (7 if isinstance(what, Answer) and "Retry-After" in what.headers else 2)
    assert proxy.count(method) == 1
    assert await took_effect(world, made, write) == (what in (Cut(after=True), Hang(after=True)))


@pytest.mark.parametrize("write", WRITES)
async def test_what_a_busy_api_server_did_not_take_is_sent_again_after_as_long_as_it_says(
    proxy: FaultProxy, cluster_through: ApiCluster, world: KubeWorld, made: Ref, write: str
) -> None:
    """One request in ten answered so would otherwise let no incident through, whose turns are dozens of them."""
    method, send = WRITES[write]
    busy = Answer(429, {"Retry-After": "1"})
    proxy.plan(method, busy, busy, busy)
    began = time.monotonic()
    await send(cluster_through, world, made)
    assert proxy.count(method) == 4 and time.monotonic() - began >= 3
    assert await took_effect(world, made, write)


async def test_a_server_that_stays_busy_is_asked_four_times(proxy: FaultProxy, cluster_through: ApiCluster, made: Ref) -> None:
    before = proxy.count("GET")
    proxy.plan("GET", *[Answer(429, {"Retry-After": "0"})] * 4)
    with pytest.raises(Retryable, match="TooManyRequests"):
        await cluster_through.get(made)
    assert proxy.count("GET") - before == 4


async def test_a_service_that_says_it_is_busy_is_answered_for_by_whoever_asked(
    proxy: FaultProxy, cluster_through: ApiCluster, world: KubeWorld
) -> None:
    """It is not the API server: whether something was done, 429 or not, is the service's own affair."""
    proxy.plan("POST", Answer(429, {"Retry-After": "0"}))
    reply = await cluster_through.proxy(Ref("v1", "Service", world.namespace, "web"), "80", HttpCall("/", "POST"))
    assert reply.status == 429 and proxy.count("POST") == 1


async def took_effect(world: KubeWorld, made: Ref, write: str) -> bool:
    admin = world.admin
    match write:
        case "patch":
            return (await admin.get(made))["spec"] == {"n": 2}
        case "create":
            return await exists(admin, Ref(THING, "Thing", world.namespace, "b"))
    return not await exists(admin, made)


async def exists(cluster: Cluster, which: Ref) -> bool:
    try:
        await cluster.get(which)
    except NotFound:
        return False
    return True


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_read_that_fails_is_retryable(proxy: FaultProxy, cluster_through: ApiCluster, made: Ref, fault: str) -> None:
    what, reason = FAULTS[fault]
    proxy.plan("GET", what, what)  # aiohttp reads again over a new connection where one broke
    with pytest.raises(Retryable, match=reason):
        await cluster_through.get(made)


async def test_a_redirect_is_not_followed(proxy: FaultProxy, cluster_through: ApiCluster, made: Ref) -> None:
    """It would carry token and impersonation to wherever it points."""
    proxy.plan("GET", Answer(302, {"Location": "/elsewhere"}))
    with pytest.raises(Refused, match="UnexpectedAnswer"):
        await cluster_through.get(made)
    assert not any("elsewhere" in path for _, path in proxy.seen)


async def test_nobody_listens() -> None:
    api = ApiServer(Configuration(host="http://127.0.0.1:1"))
    with pytest.raises(Retryable, match="Unreachable"):
        await ApiCluster(api, Discovery(api)).get(Ref("v1", "Namespace", "", "default"))
    await api.close()


async def names(cluster: ApiCluster, namespace: str) -> list[str]:
    return [item["metadata"]["name"] async for item in cluster.list(THING, "Thing", namespace)]


async def test_a_list_goes_page_by_page(proxy: FaultProxy, cluster_through: ApiCluster, world: KubeWorld) -> None:
    for name in "abcde":
        await world.admin.create(thing(world, name))
    assert await names(cluster_through, world.namespace) == list("abcde")
    assert sum("limit=2" in path for _, path in proxy.seen) == 3


async def test_a_list_begins_again_when_the_position_is_forgotten(
    proxy: FaultProxy, cluster_through: ApiCluster, world: KubeWorld
) -> None:
    for name in "abcde":
        await world.admin.create(thing(world, name))
    proxy.plan("GET", None, Answer(410), path="limit=2")
    assert await names(cluster_through, world.namespace) == list("abcde")


@pytest.mark.parametrize("fault", [Answer(500), Cut(), Answer(429, {"Retry-After": "9"})], ids=["500", "cut", "429"])
async def test_a_list_goes_on_where_a_page_of_it_failed(
    proxy: FaultProxy, cluster_through: ApiCluster, world: KubeWorld, fault: Fault
) -> None:
    """Nobody who has read the pages before could ask for it again."""
    for name in "abcde":
        await world.admin.create(thing(world, name))
    proxy.plan("GET", fault, fault, path="continue=")
    assert await names(cluster_through, world.namespace) == list("abcde")


async def test_a_list_that_never_gets_through_gives_up(proxy: FaultProxy, cluster_through: ApiCluster, world: KubeWorld) -> None:
    for name in "abc":
        await world.admin.create(thing(world, name))
    proxy.plan("GET", *(Answer(410),) * 20, path="continue=")
    with pytest.raises(Retryable, match="Expired"):
        await names(cluster_through, world.namespace)


async def test_a_pod_metric_has_no_uid(proxy: FaultProxy, cluster_through: ApiCluster, made: Ref) -> None:
    items: list[Object] = [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]
    proxy.plan("GET", Answer(200, {}, json.dumps({"items": items}).encode()), path="limit=2")
    assert await names(cluster_through, made.namespace) == ["a", "b"]


POD = Ref("v1", "Pod", "any", "p")


@pytest.mark.parametrize(("end", "reason"), [("cut", "ConnectionLost"), ("hang", "Timeout")])
async def test_a_log_that_breaks_off_says_so_after_what_it_gave(
    proxy: FaultProxy, cluster_through: ApiCluster, end: str, reason: str
) -> None:
    proxy.plan("GET", Stream((b"2026-01-01T00:00:00Z one\n",), end), path="/log")
    got: list[bytes] = []
    with pytest.raises(Retryable, match=reason):
        async for chunk in cluster_through.log(POD, "app", limit_bytes=1000):
            got.append(chunk)
    assert b"".join(got) == b"2026-01-01T00:00:00Z one\n"


async def test_the_kubelets_excuse_is_no_log(proxy: FaultProxy, cluster_through: ApiCluster) -> None:
    """The container is gone from the runtime: the kubelet says so in the body of a 200."""
    proxy.plan("GET", Stream((b"unable to retrieve container logs for containerd://0123",)), path="/log")
    with pytest.raises(NotFound, match="NoLog"):
        await read_log(cluster_through, POD, "app")


async def test_a_log_is_read_in_constant_memory(proxy: FaultProxy, cluster_through: ApiCluster) -> None:
    part = b"2026-01-01T00:00:00Z " + b"x" * 65515
    proxy.plan("GET", Stream((part,) * 1000), path="/log")
    tracemalloc.start()
    read = 0
    async for chunk in cluster_through.log(POD, "app", limit_bytes=1 << 30):
        read += len(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read == len(part) * 1000
    assert peak < 16 << 20


async def test_a_backends_date_does_not_set_the_clock(
    proxy: FaultProxy, cluster_through: ApiCluster, between: Faulty, made: Ref
) -> None:
    before = between[1].clock.now()
    proxy.plan("GET", Answer(200, {"Date": "Mon, 01 Jan 2001 00:00:00 GMT"}), path="/proxy/")
    await cluster_through.proxy(Ref("v1", "Service", made.namespace, "web"), "http", HttpCall("/"))
    assert between[1].clock.now() - before < timedelta(seconds=5)


async def test_the_clock_is_the_servers(proxy: FaultProxy, cluster_through: ApiCluster, between: Faulty, made: Ref) -> None:
    date = {"Date": "Mon, 01 Jan 2001 00:00:00 GMT"}
    proxy.plan("GET", Answer(200, date, json.dumps({"metadata": {"uid": made.uid}}).encode()))
    await cluster_through.get(made)
    assert abs(between[1].clock.now() - datetime(2001, 1, 1, tzinfo=UTC)) < timedelta(seconds=3)


async def test_a_kind_that_appears_later_is_found(proxy: FaultProxy, between: Faulty, user: str, made: Ref) -> None:
    """A miss is looked up again, but not on every call."""
    now = 0.0
    cluster = ApiCluster(between[1], Discovery(between[1], lambda: now), user=user)
    nothing = json.dumps({"kind": "APIResourceList", "resources": []}).encode()
    proxy.plan("GET", Answer(200, {}, nothing), path="/apis/contract.stanch.dev/v1")
    for _ in range(3):
        with pytest.raises(Refused, match="UnknownKind"):
            await cluster.get(made)
    now = 6.0
    await cluster.get(unpinned(made))


async def test_the_write_stands_when_its_failure_cannot_be_explained(
    proxy: FaultProxy, cluster_through: ApiCluster, made: Ref
) -> None:
    """A Conflict on a pinned object is looked into; when that fails, it stays a Conflict."""
    proxy.plan("GET", Answer(500))
    with pytest.raises(Failure) as caught:
        await cluster_through.patch(made, {"spec": {"n": 3}}, resource_version="1")
    assert caught.value.reason == "Conflict"

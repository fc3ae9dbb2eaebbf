"""Logs of all containers of all pods, current and previous; bounded; what is missing or cut is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanch.domain.plan import Ref
from stanch.engine.errors import NotFound, Refused, Retryable
from stanch.evidence.logs import Allowance, LogsParams, Share
from tests.unit.evidence_world import LABELS, NAMESPACE, STAMP, Shop, collected, meta, pod, pod_spec
from tests.unit.memory import MemoryCluster

FIRST = "logs/before-1/web-h2-0_app"


@pytest.mark.requirement("E-08", "E-02")
async def test_every_container_of_every_pod_current_and_previous_with_time_stamps() -> None:
    shop = Shop()
    spec = {**pod_spec(), "ephemeralContainers": [{"name": "debug", "image": "tools"}]}
    shop.add_pod(pod(shop.new, "web-h2-9", spec=spec))
    shop.log("web-h2-9", "debug", b"debugged\n")
    shop.log("web-h2-9", "app", b"died\n", previous=True)
    pack, ledger = await collected(shop, "logs")
    assert {path.removeprefix("logs/before-1/") for path in pack.files} == {
        f"{name}-{STAMP}.log"
        for name in (
            *(f"web-h2-{number}_{container}" for number in (0, 1, 9) for container in ("app", "migrate")),
            "web-h2-9_debug",
            "web-h2-9_app_previous",
        )
    }
    assert pack.text(f"{FIRST}-") == "app of web-h2-0\n"
    assert ledger.missing == ledger.cut == []
    assert len(ledger.files) == len(pack.files)


@pytest.mark.requirement("E-08")
@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "Job", "ReplicaSet"])
async def test_pods_of_each_kind_by_controlling_owner_not_by_label(kind: str) -> None:
    shop = Shop(pods=0)
    version = "batch/v1" if kind == "Job" else "apps/v1"
    spec = {"selector": {"matchLabels": LABELS}, "template": {"metadata": {}, "spec": pod_spec()}}
    owner = {"apiVersion": version, "kind": kind, "metadata": meta("own"), "spec": spec}
    shop.add(owner)
    shop.add_pod(pod(owner, "mine"))
    shop.add_pod(pod(None, "nobodys"))
    shop.add_pod(pod(shop.new, "anothers"))
    pack, ledger = await collected(shop, "logs", owner)
    assert {path.split("/")[2].split("_")[0] for path in pack.files} == {"mine"}
    assert ledger.missing == []


async def test_a_pod_itself_and_pods_by_selector_each_once() -> None:
    shop = Shop()
    shop.add_pod(pod(None, "lonely"))
    pack, ledger = await collected(shop, "logs", shop.pods[0], selector="app=web")
    assert {path.split("/")[2].split("_")[0] for path in pack.files} == {"web-h2-0", "web-h2-1", "lonely"}
    assert len(pack.files) == len(ledger.files) == 6


async def test_no_previous_instance_is_neither_missing_nor_noted() -> None:
    shop = Shop(pods=0)
    fresh = pod(shop.new, "fresh")
    fresh["status"]["containerStatuses"][0] |= {"lastState": {}, "restartCount": 0}
    shop.add_pod(fresh)
    _, ledger = await collected(shop, "logs")
    assert ledger.missing == ledger.notes == []


async def test_a_previous_log_that_the_status_promises_but_the_kubelet_dropped_is_noted() -> None:
    _, ledger = await collected(Shop(pods=1), "logs")
    assert ledger.missing == []
    (note,) = ledger.notes
    assert note.startswith("logs of pod web-h2-0 container app (previous instance): not there when it was read")


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"phase": "Pending"}, "pod is Pending"),
        ({"containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}, "ImagePullBackOff"),
    ],
)
async def test_a_container_that_never_started_is_noted_not_missing(status: dict, why: str) -> None:
    shop = Shop(pods=0)
    shop.add(pod(shop.new, "stuck", status=status, spec={"containers": [{"name": "app"}]}))
    pack, ledger = await collected(shop, "logs")
    assert pack.files == {}
    assert ledger.missing == []
    assert ledger.notes == [f"logs of pod stuck container app: never started ({why})"]


async def test_a_container_waiting_between_two_crashes_has_logs() -> None:
    shop = Shop(pods=0)
    crashed = {"terminated": {"exitCode": 1, "startedAt": None, "finishedAt": None}}
    status = {"name": "app", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": crashed, "restartCount": 7}
    shop.add(pod(shop.new, "loops", status={"containerStatuses": [status]}, spec={"containers": [{"name": "app"}]}))
    shop.log("loops", "app", b"now\n")
    shop.log("loops", "app", b"then\n", previous=True)
    pack, _ = await collected(shop, "logs")
    assert sorted(pack.files.values()) == [b"now\n", b"then\n"]


async def test_bytes_stay_as_they_are() -> None:
    shop = Shop(pods=1)
    raw = bytes(range(256)) * 5 + b"\xff\xfe\x1b[2J no newline"
    shop.log("web-h2-0", "app", raw)
    pack, _ = await collected(shop, "logs")
    assert pack.files[f"{FIRST}-{STAMP}.log"] == raw


async def test_an_empty_log_is_an_empty_file_and_not_nothing() -> None:
    shop = Shop(pods=1)
    shop.log("web-h2-0", "app")
    pack, ledger = await collected(shop, "logs")
    assert pack.files[f"{FIRST}-{STAMP}.log"] == b""
    assert ledger.missing == []


@pytest.mark.requirement("E-08")
@pytest.mark.parametrize(("length", "cut"), [(2048, False), (2049, True), (500_000, True)])
async def test_a_log_longer_than_its_bound_is_cut_and_that_is_said(length: int, cut: bool) -> None:
    shop = Shop(pods=1)
    shop.log("web-h2-0", "app", b"x" * length)
    pack, ledger = await collected(shop, "logs", limit_bytes=2048)
    assert len(pack.files[f"{FIRST}-{STAMP}.log"]) == 2048
    said = [f"{FIRST}-{STAMP}.log: cut at 2048 bytes (limitBytes); the oldest lines were kept, newer ones are not in the pack"]
    assert ledger.cut == (said if cut else [])


async def test_all_logs_together_are_bounded_and_each_has_its_fair_part() -> None:
    shop = Shop(pods=10)
    for number in range(10):
        shop.log(f"web-h2-{number}", "app", b"y" * 100_000)
    pack, ledger = await collected(shop, "logs", total_bytes=100_000)
    sizes = {path: len(data) for path, data in pack.files.items()}
    assert sum(sizes.values()) <= 100_000
    # 40 logs may be there (two containers, current and previous): a fortieth of the whole is certain to each.
    assert min(size for path, size in sizes.items() if "_app-" in path) >= 100_000 // 40
    assert len([line for line in ledger.cut if "totalBytes" in line]) == 10


@given(
    st.integers(0, 10_000),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 2000)), min_size=1, max_size=20),
)
def test_shares_never_exceed_the_total_nor_their_limit(total: int, wishes: list[tuple[int, int]]) -> None:
    allowance = Allowance(total, len(wishes))
    shares = [Share(allowance, limit) for _, limit in wishes]
    for share, (wanted, limit) in zip(shares, wishes, strict=True):
        share.take(wanted // 2)
        share.take(wanted - wanted // 2)
        assert share.size <= limit
        assert share.size >= min(wanted, limit, allowance.fair)
        share.give_back()
    assert sum(share.size for share in shares) <= total


async def test_a_pod_that_vanishes_is_noted_and_the_others_are_captured() -> None:
    shop = Shop()

    def vanish(verb: str, about: Ref) -> None:
        if verb == "get" and about.name == "web-h2-0":
            raise NotFound("NotFound", 'pods "web-h2-0" not found')

    shop.server.before_read.append(vanish)
    pack, ledger = await collected(shop, "logs")
    assert {path.split("_")[0] for path in pack.files} == {"logs/before-1/web-h2-1"}
    assert ledger.missing == []
    assert any("pod web-h2-0 container app: not there when it was read" in note for note in ledger.notes)


@pytest.mark.requirement("E-04")
async def test_forbidden_logs_are_missing_and_the_permission_that_lacks_is_named() -> None:
    shop = Shop(pods=1)

    def forbid(verb: str, about: Ref) -> None:
        if verb == "get" and about.kind == "Pod":
            raise Refused("Forbidden", 'pods "web-h2-0" is forbidden')

    shop.server.before_read.append(forbid)
    pack, ledger = await collected(shop, "logs")
    assert pack.files == {}
    assert any(
        line.startswith("logs of pod web-h2-0 container app: Forbidden") and "lacks get on pods/log" in line
        for line in ledger.missing
    )


async def test_a_log_that_breaks_off_keeps_what_came_and_says_so() -> None:
    shop = Shop(pods=1)
    shop.log("web-h2-0", "app", b"one\n", Retryable("ConnectionLost", "the node went away", after=0))
    pack, ledger = await collected(shop, "logs")
    assert pack.files[f"{FIRST}-{STAMP}.log"] == b"one\n"
    assert ledger.missing == ["logs of pod web-h2-0 container app: broke off after 4 bytes: ConnectionLost: the node went away"]


async def test_what_is_worth_another_try_is_tried_again() -> None:
    shop = Shop(pods=1)
    refusals = [Retryable("TooManyRequests", "slow down", after=0)] * 2

    def busy(verb: str, about: Ref) -> None:
        if verb == "get" and about.kind == "Pod" and refusals:
            raise refusals.pop()

    shop.server.before_read.append(busy)
    pack, ledger = await collected(shop, "logs")
    assert f"{FIRST}-{STAMP}.log" in pack.files
    assert ledger.missing == []


class Hanging(MemoryCluster):
    """The kubelet of every pod sends one line and then nothing more."""

    def __init__(self, shop: Shop) -> None:
        super().__init__(shop.server)
        self.closed = 0

    async def log(self, pod: Ref, container: str, *, previous: bool = False, limit_bytes: int) -> AsyncIterator[bytes]:
        if previous:
            raise NotFound("NoLog", "no previous instance")
        try:
            yield b"first line\n"
            await asyncio.Event().wait()
        finally:
            self.closed += 1


@pytest.mark.timeout(20)
async def test_a_log_that_hangs_is_given_up_and_its_connection_closed() -> None:
    shop = Shop(pods=1)
    cluster = Hanging(shop)
    pack, ledger = await collected(shop, "logs", cluster=cluster, idle_seconds=1)
    assert pack.files[f"{FIRST}-{STAMP}.log"] == b"first line\n"
    assert any("LogStalled: nothing came for 1 s" in line for line in ledger.missing)
    assert cluster.closed == 2


class Counting(MemoryCluster):
    """How many logs are open at once."""

    def __init__(self, shop: Shop) -> None:
        super().__init__(shop.server)
        self.now = self.most = 0

    async def log(self, pod: Ref, container: str, *, previous: bool = False, limit_bytes: int) -> AsyncIterator[bytes]:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            for _ in range(3):
                await asyncio.sleep(0)
                yield b"line\n"
        finally:
            self.now -= 1


async def test_logs_are_read_in_parallel_but_no_more_than_32_at_once() -> None:
    shop = Shop(pods=100)
    cluster = Counting(shop)
    pack, _ = await collected(shop, "logs", cluster=cluster)
    assert len(pack.files) == 400
    assert cluster.most == 32


async def test_hostile_names_become_harmless_file_names() -> None:
    shop = Shop(pods=0)
    nasty = ["../../etc/passwd", "a/b\x00c", ".hidden", "x" * 253, "x" * 252 + "y"]
    for name in nasty:
        shop.add(pod(shop.new, name, spec={"containers": [{"name": "../app"}]}, status={"phase": "Running"}))
        shop.log(name, "../app", b"log\n")
    pack, ledger = await collected(shop, "logs")
    assert len(pack.files) == len(nasty)
    assert all(len(path.split("/")[-1]) < 250 and ".." not in path.split("/") for path in pack.files)
    assert ledger.missing == []


async def test_a_kind_whose_pods_are_unknown_is_missing_and_one_without_pods_is_noted() -> None:
    shop = Shop()
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("settings"), "data": {}}
    foreign = {
        "apiVersion": "stanch.dev/v1alpha1",
        "kind": "Incident",
        "metadata": meta("foreign"),
        "spec": {"selector": {"matchLabels": LABELS}},
    }
    shop.add(config, foreign)
    _, ledger = await collected(shop, "logs", config, foreign)
    assert ledger.notes == ["logs: pods of configmap/settings: a ConfigMap has no pods of its own"]
    assert ledger.missing == ["logs: pods of incident/foreign: how Incident owns its pods is unknown; name them with `selector`"]


async def test_a_target_that_is_gone_is_missing() -> None:
    shop = Shop()
    shop.server.remove(Ref("apps/v1", "Deployment", NAMESPACE, "web"))
    _, ledger = await collected(shop, "logs")
    assert [line.split(":")[:2] for line in ledger.missing] == [["logs", " deployment/web"]]


@pytest.mark.parametrize("wrong", [{"limitBytes": 0}, {"limit": 5}, {"idleSeconds": 1000}, {"selector": "x" * 2000}])
def test_parameters_are_bounded_and_unknown_ones_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="validation error"):
        LogsParams.model_validate(wrong)


async def test_what_small_logs_leave_over_goes_to_the_big_ones() -> None:
    shop = Shop(pods=40)
    shop.log("web-h2-39", "app", b"z" * 50_000)
    pack, ledger = await collected(shop, "logs", total_bytes=100_000)
    # Its fair part would be 625 bytes; the others hold some fifteen bytes each and are done before it.
    assert len(pack.files[f"logs/before-1/web-h2-39_app-{STAMP}.log"]) == 50_000
    assert ledger.cut == []

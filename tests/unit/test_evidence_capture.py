"""The capture as a whole: parallel, under a budget, complete or saying what is missing; a pack that fails is raised."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from hashlib import sha256
from weakref import finalize

import pytest
import rfc8785

from stanch.domain.access import Rule
from stanch.domain.plan import Ref, Source, Target
from stanch.engine.errors import Failure, NotFound, Refused, Retryable
from stanch.evidence.capture import planned
from stanch.evidence.logs import SOURCE as LOGS
from stanch.evidence.registry import SOURCES, by_name
from tests.unit.evidence_world import NAMESPACE, MemoryPack, Shop, captured, event, pod, ref
from tests.unit.memory import MemoryCluster

FULL = Retryable("StoreFull", "no space left", after=15)


@pytest.mark.requirement("E-02", "E-04", "E-08", "C-05")
async def test_one_capture_takes_it_all_and_lists_every_file_with_its_hash() -> None:
    shop, pack = Shop(), MemoryPack()
    shop.add(event("crash", shop.pods[0], 1, "back-off"))
    result = await captured(shop, pack=pack)
    assert result.missing == result.cut == ()
    assert {path.split("/")[0] for path in pack.files} == {
        "logs", "events", "describe", "objects", "history", "config", "captures",
    }  # fmt: skip
    assert list(pack.files)[-1] == result.listing.path == "captures/before-1.json"
    listed = {file["path"]: (file["sha256"], file["bytes"]) for file in pack.listing()["files"]}
    written = {path: (sha256(data).hexdigest(), len(data)) for path, data in pack.files.items()}
    del written["captures/before-1.json"]
    assert listed == written
    assert (result.files, result.bytes) == (len(written), sum(size for _, size in written.values()))
    assert result.listing.sha256 == sha256(pack.files["captures/before-1.json"]).hexdigest()


async def test_the_listing_is_canonical_and_says_when_and_what() -> None:
    shop, pack = Shop(), MemoryPack()
    await captured(shop, Source("logs", {"limitBytes": 1024}), pack=pack)
    listing = pack.listing()
    assert pack.files["captures/before-1.json"] == rfc8785.dumps(listing)
    assert listing["began"] == listing["ended"] == "2026-11-21T08:00:00Z"
    assert listing["sources"] == ["logs of deployment/web"]
    assert (listing["missing"], listing["missingCount"], listing["cut"], listing["notesCount"]) == ([], 0, [], 2)


class Slow(MemoryCluster):
    """One container's log comes, the other's sends a line and never ends."""

    async def log(self, pod: Ref, container: str, *, previous: bool = False, limit_bytes: int) -> AsyncIterator[bytes]:
        if previous:
            raise NotFound("NoLog", "no previous instance")
        yield f"{container}\n".encode()
        if container == "app":
            await asyncio.Event().wait()


@pytest.mark.requirement("E-04")
async def test_when_the_budget_ends_what_there_is_is_kept_and_what_is_missing_is_named() -> None:
    shop, pack = Shop(), MemoryPack()
    result = await captured(shop, cluster=Slow(shop.server), pack=pack, budget=0.2)
    assert result.missing == (
        "budget of 0.2 s ended: logs of pod web-h2-0 container app not captured in full",
        "budget of 0.2 s ended: logs of pod web-h2-1 container app not captured in full",
        "budget of 0.2 s ended: source 1, logs of deployment/web not captured in full",
    )
    assert pack.text("logs/before-1/web-h2-0_app") == "app\n"
    assert pack.text("logs/before-1/web-h2-0_migrate") == "migrate\n"
    assert len(result.cut) == 2
    assert all(line.endswith("cut at 4 bytes, the budget ended") for line in result.cut)
    assert {file["path"] for file in pack.listing()["files"]} == set(pack.files) - {"captures/before-1.json"}
    assert pack.text("describe/before-1/pod_web-h2-0")


class Stuck(MemoryCluster):
    """Lists nothing, and never says so."""

    async def list(self, *args: object, **selectors: str) -> AsyncIterator[dict]:
        await asyncio.Event().wait()
        yield {}


async def test_a_budget_that_ends_before_anything_was_found_names_every_source() -> None:
    shop = Shop()
    result = await captured(shop, cluster=Stuck(shop.server), budget=0.1)
    assert all(any(f", {name} of deployment/web" in line for line in result.missing) for name in SOURCES if name != "configChanges")
    assert any("logs: pods of deployment/web" in line for line in result.missing)


@pytest.mark.requirement("E-04")
@pytest.mark.parametrize("where", ["logs/", "events/", "describe/", "objects/", "history/", "config/", "captures/"])
async def test_a_pack_that_takes_no_file_fails_the_capture(where: str) -> None:
    with pytest.raises(Retryable) as caught:
        await captured(Shop(), pack=MemoryPack({where: FULL}))
    assert caught.value is FULL


async def test_a_pack_that_refuses_is_raised_as_refused() -> None:
    with pytest.raises(Refused, match="BadPath"):
        await captured(Shop(), pack=MemoryPack({"objects/": Refused("BadPath", "not like this")}))


async def test_a_defect_of_a_source_is_not_mistaken_for_a_failure_of_the_pack() -> None:
    shop = Shop()
    del shop.pods[0]["spec"]["containers"][0]["name"]
    shop.server.add(shop.pods[0])
    with pytest.raises(ExceptionGroup) as caught:
        await captured(shop)
    assert caught.group_contains(KeyError, depth=None)


class Broken(MemoryCluster):
    """Nothing can be read."""

    def __init__(self, shop: Shop, failure: Failure) -> None:
        super().__init__(shop.server)
        self._failure = failure

    async def get(self, ref: Ref) -> dict:
        raise self._failure

    async def list(self, *args: object, **selectors: str) -> AsyncIterator[dict]:
        raise self._failure
        yield {}


@pytest.mark.requirement("E-04")
@pytest.mark.parametrize("failure", [Refused("Forbidden", "no"), Retryable("Timeout", "no answer", after=0)])
async def test_a_cluster_that_cannot_be_read_is_missing_evidence_never_empty_evidence(failure: Failure) -> None:
    pack = MemoryPack()
    result = await captured(Shop(), cluster=Broken(Shop(), failure), pack=pack)
    assert list(pack.files) == ["captures/before-1.json"]
    names = {"logs", "events", "describe", "objects", "rolloutHistory", "configChanges"}
    assert {line.split(":")[0] for line in result.missing} == names
    assert all(failure.reason in line for line in result.missing)


def rules_of(shop: Shop) -> list[Rule]:
    sources = [Source(name, {"secrets": True} if name == "objects" else {}) for name in SOURCES]
    collects = planned(sources, [Target("app", ref(shop.deployment))])
    return [rule for one in collects for rule in one.kind.rules(one.params, NAMESPACE, one.targets)]


def granted(shop: Shop, rules: list[Rule]) -> MemoryCluster:
    shop.server.grant(NAMESPACE, "remediator", *rules)
    return shop.as_service_account("remediator")


async def test_the_rules_that_the_sources_declare_are_enough() -> None:
    shop, pack = Shop(), MemoryPack()
    shop.add({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web-secret", "namespace": NAMESPACE}})
    sources = [Source(name, {"secrets": True} if name == "objects" else {}) for name in SOURCES]
    result = await captured(shop, *sources, cluster=granted(shop, rules_of(shop)), pack=pack)
    assert result.missing == ()
    assert pack.text("objects/before-1/secret_web-secret")


@pytest.mark.parametrize(
    "resource", ["pods/log", "pods", "replicasets", "deployments", "events", "services", "configmaps", "secrets"]
)
async def test_none_of_the_rules_is_too_many(resource: str) -> None:
    shop = Shop()
    left = [rule for rule in rules_of(shop) if rule.resource != resource]
    sources = [Source(name, {"secrets": True} if name == "objects" else {}) for name in SOURCES]
    result = await captured(shop, *sources, cluster=granted(shop, left))
    assert any("Forbidden" in line and "stanch rbac" in line for line in result.missing)


def test_rules_that_names_cannot_narrow_say_why() -> None:
    assert all(rule.names or rule.why for rule in rules_of(Shop()))


def test_a_plan_becomes_sources_with_parameters_and_targets() -> None:
    shop = Shop()
    targets = [Target("app", ref(shop.deployment)), Target("one", ref(shop.pods[0]))]
    whole, single = planned([Source("events"), Source("logs", {"limitBytes": 2048}, "one")], targets)
    assert whole.targets == (ref(shop.deployment), ref(shop.pods[0]))
    assert single.targets == (ref(shop.pods[0]),)
    assert single.params.limit_bytes == 2048


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (Source("log"), "UnknownSource"),
        (Source("logs", {}, "db"), "UnknownTarget"),
        (Source("logs", {"limitBytes": -1}), "InvalidParameters"),
        (Source("logs", {"tail": 5}), "InvalidParameters"),
    ],
)
def test_a_plan_that_cannot_be_collected_is_refused(source: Source, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        planned([source], [Target("app", ref(Shop().deployment))])
    assert caught.value.reason == reason


def test_two_sources_of_one_name_stop_the_start() -> None:
    with pytest.raises(ValueError, match="two sources of evidence are named logs"):
        by_name([LOGS, LOGS])


def bounded(schema: dict) -> bool:
    kind = schema.get("type")
    ends = {"string": "maxLength", "array": "maxItems", "integer": "maximum"}
    return "description" in schema and (kind == "boolean" or "$ref" in json.dumps(schema) or ends[kind] in schema)


@pytest.mark.parametrize("name", SOURCES)
def test_every_parameter_is_described_and_bounded(name: str) -> None:
    schema = SOURCES[name].params.model_json_schema()
    assert schema["additionalProperties"] is False
    assert all(bounded(part) for part in schema["properties"].values())


@pytest.mark.long
async def test_a_thousand_pods_are_captured_one_page_at_a_time() -> None:
    shop = Shop(pods=0)
    cluster = Many(shop, 1000)
    result = await captured(shop, Source("describe"), Source("logs"), Source("objects"), cluster=cluster)
    assert result.missing == ()
    assert result.files > 3000
    # Pods are made when they are listed: how many are alive at once shows that nobody collects them.
    assert cluster.most < 250


class Pod(dict):
    """Weakly counted."""


class Many(MemoryCluster):
    """The Deployment has `pods` pods, which are made only while they are listed."""

    def __init__(self, shop: Shop, pods: int) -> None:
        super().__init__(shop.server)
        self._shop, self._pods = shop, pods
        self.alive = self.most = 0

    async def list(self, api_version: str, kind: str, namespace: str, **selectors: str) -> AsyncIterator[dict]:
        if kind != "Pod":
            async for item in super().list(api_version, kind, namespace, **selectors):
                yield item
            return
        for number in range(self._pods):
            yield self._made(number)

    async def log(self, pod: Ref, container: str, *, previous: bool = False, limit_bytes: int) -> AsyncIterator[bytes]:
        if previous:
            raise NotFound("NoLog", "no previous instance")
        yield b"a line\n"

    def _made(self, number: int) -> dict:
        made = Pod(pod(self._shop.new, f"web-h2-{number}"))
        self.alive += 1
        self.most = max(self.most, self.alive)
        finalize(made, self._gone)
        return made

    def _gone(self) -> None:
        self.alive -= 1

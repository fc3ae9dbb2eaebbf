"""What every implementation of `engine.ports.Cluster` and `Clusters` promises.

Run by `tests/unit/test_memory_cluster.py` on the cluster in memory, and by `tests/contract/test_kube_cluster.py` on a
real API server, so that what the unit tests lean on is what a cluster does.

The operator speaks under the rights that are shipped. What it does to a cluster, it does as a ServiceAccount that a playbook names:
`able` is one that may do everything in its namespace. Whoever sets the scene (`admin`) may everything everywhere.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import pytest

from stanch.domain.access import Question, Rule
from stanch.domain.plan import Pin, Ref
from stanch.engine.errors import Conflict, NotFound, NotSent, Refused
from stanch.engine.ports import Clock, Cluster, Clusters, HttpCall, HttpReply, Object

THING = "contract.stanch.dev/v1"
EVERYTHING = Rule(("*",), "*", "*")


class World(Protocol):
    """A namespace of a cluster, and what the suite needs done to it from outside the ports."""

    clusters: Clusters
    admin: Cluster
    clock: Clock
    namespace: str

    async def permit(self, service_account: str, *rules: Rule) -> None:
        """Grants in this namespace, which lets the operator act as it."""

    async def home(self) -> str:
        """This namespace as the operator's own: it has the rights there that it has in no other."""

    async def serve(self, service: str, answer: Callable[[HttpCall], HttpReply]) -> Ref:
        """A Service, port name `http`, whose backend answers a path so."""

    async def refuse(self, service: str) -> Ref:
        """A Service with a backend that refuses connections."""

    async def pod(self, name: str, current: bytes, previous: bytes | None) -> Ref:
        """A pod whose container `app` has these logs, and whose container `new` has not started."""


class ClusterContract:
    """Inherit, and provide the fixture `world`. The custom kind `Thing` (THING) has a status subresource."""

    @pytest.fixture
    async def able(self, world: World) -> Cluster:
        return await everything(world)

    # get

    async def test_get_gives_the_object(self, world: World, able: Cluster) -> None:
        made = await able.create(config_map(world, "a", key="1"))
        assert (await able.get(ref(made)))["data"] == {"key": "1"}

    async def test_get_of_nothing_is_not_found(self, world: World, able: Cluster) -> None:
        with pytest.raises(NotFound):
            await able.get(Ref("v1", "ConfigMap", world.namespace, "absent"))

    async def test_get_of_another_object_of_the_same_name_is_not_found(self, world: World, able: Cluster) -> None:
        first = await recreated(able, config_map(world, "a"))
        with pytest.raises(NotFound, match="UID"):
            await able.get(first)

    async def test_an_unknown_kind_is_refused_and_not_called_absent(self, world: World, able: Cluster) -> None:
        for api_version, kind in (("v1", "Nonsense"), ("nonsense.dev/v1", "Thing")):
            with pytest.raises(Refused, match="UnknownKind") as caught:
                await able.get(Ref(api_version, kind, world.namespace, "a"))
            assert not isinstance(caught.value, NotFound)

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b"])
    async def test_a_name_that_would_reach_elsewhere_is_refused(self, world: World, able: Cluster, name: str) -> None:
        with pytest.raises(Refused):
            await able.get(Ref("v1", "ConfigMap", world.namespace, name))
        with pytest.raises(Refused):
            await able.delete(Ref("v1", "ConfigMap", world.namespace, name))

    async def test_a_namespaced_object_without_namespace_is_refused(self, world: World) -> None:
        with pytest.raises(Refused, match="namespace"):
            await world.admin.get(Ref("v1", "ConfigMap", "", "a"))
        with pytest.raises(Refused, match="cluster-scoped"):
            await world.admin.get(Ref("v1", "Namespace", "default", "default"))

    # list

    async def test_list_sets_kind_and_api_version(self, world: World, able: Cluster) -> None:
        await able.create(deployment(world, "a"))
        (found,) = [item async for item in able.list("apps/v1", "Deployment", world.namespace)]
        assert (found["kind"], found["apiVersion"], found["metadata"]["name"]) == ("Deployment", "apps/v1", "a")

    @pytest.mark.parametrize(
        ("selector", "expected"),
        [
            ("app=web", ["a", "b"]),
            ("app=web,tier!=back", ["a"]),
            ("app in (web, db)", ["a", "b", "c"]),
            ("app notin (web)", ["c", "d"]),
            ("!app", ["d"]),
            ("tier", ["a", "b"]),
        ],
    )
    async def test_list_by_labels(self, world: World, able: Cluster, selector: str, expected: list[str]) -> None:
        labels = {
            "a": {"app": "web", "tier": "front"},
            "b": {"app": "web", "tier": "back"},
            "c": {"app": "db"},
            "d": {},
        }
        for name, values in labels.items():
            await able.create(with_metadata(thing(world, name), labels=values))
        found = able.list(THING, "Thing", world.namespace, labels=selector)
        assert [item["metadata"]["name"] async for item in found] == expected

    async def test_list_by_fields(self, world: World, able: Cluster) -> None:
        for name in ("a", "b"):
            await able.create(event(world, name, about=name))
        found = able.list("v1", "Event", world.namespace, fields="involvedObject.kind=Pod,involvedObject.name=b")
        assert [item["metadata"]["name"] async for item in found] == ["b"]

    async def test_list_of_metadata_alone(self, world: World, able: Cluster) -> None:
        """Whole, but for `managedFields`, which are most of it."""
        made = await able.create(with_metadata(thing(world, "a", keep={"x": 1}), labels={"of": "a"}, annotations={"a": "b"}))
        (found,) = [item async for item in able.list(THING, "Thing", world.namespace, metadata_only=True)]
        assert found.keys() == {"apiVersion", "kind", "metadata"} and (found["apiVersion"], found["kind"]) == (THING, "Thing")
        assert found["metadata"] == {name: value for name, value in made["metadata"].items() if name != "managedFields"}

    async def test_list_by_an_unknown_field_is_refused(self, world: World, able: Cluster) -> None:
        await able.create(thing(world, "a"))
        with pytest.raises(Refused, match="field label"):
            _ = [item async for item in able.list(THING, "Thing", world.namespace, fields="spec.a=1")]

    async def test_list_without_a_namespace_is_of_all(self, world: World, able: Cluster) -> None:
        made = await able.create(with_metadata(thing(world, "a"), labels={"of": world.namespace}))
        found = world.admin.list(THING, "Thing", "", labels=f"of={world.namespace}")
        assert [ref(item) async for item in found] == [ref(made)]

    async def test_list_of_nothing_is_empty(self, world: World, able: Cluster) -> None:
        assert [item async for item in able.list(THING, "Thing", world.namespace)] == []

    # patch

    async def test_patch_merges_and_null_deletes(self, world: World, able: Cluster) -> None:
        made = await able.create(thing(world, "a", keep={"x": 1, "y": 2}, items=[1, 2], gone=True))
        spec = (await able.patch(ref(made), {"spec": {"keep": {"y": None, "z": 3}, "items": [9], "gone": None}}))["spec"]
        assert spec == {"keep": {"x": 1, "z": 3}, "items": [9]}

    async def test_patch_compares_the_version(self, world: World, able: Cluster) -> None:
        made = await able.create(thing(world, "a", n=1))
        await able.patch(ref(made), {"spec": {"n": 2}}, resource_version=version(made))
        with pytest.raises(Conflict):
            await able.patch(ref(made), {"spec": {"n": 3}}, resource_version=version(made))
        assert (await able.get(ref(made)))["spec"] == {"n": 2}

    async def test_a_patch_that_changes_nothing_keeps_the_version(self, world: World, able: Cluster) -> None:
        made = await able.create(thing(world, "a", n=1))
        assert version(await able.patch(ref(made), {"spec": {"n": 1}})) == version(made)

    @pytest.mark.parametrize("subresource", ["", "status"])
    @pytest.mark.parametrize("stale", [True, False])
    async def test_patch_never_touches_another_object_of_the_same_name(
        self, world: World, able: Cluster, subresource: str, stale: bool
    ) -> None:
        first = await able.create(thing(world, "a", n=1))
        await recreated(able, thing(world, "a", n=1), first)
        resource_version = version(first) if stale else ""
        with pytest.raises(NotFound):
            await able.patch(ref(first), {"status": {"n": 2}}, resource_version=resource_version, subresource=subresource)
        assert "status" not in await able.get(unpinned(ref(first)))

    async def test_patch_of_nothing_is_not_found(self, world: World, able: Cluster) -> None:
        with pytest.raises(NotFound):
            await able.patch(Ref(THING, "Thing", world.namespace, "absent"), {"spec": {}})

    async def test_status_and_the_rest_are_written_apart(self, world: World, able: Cluster) -> None:
        made = ref(await able.create({**thing(world, "a", n=1), "status": {"n": 1}}))
        assert "status" not in await able.get(made)
        await able.patch(made, {"status": {"n": 2}}, subresource="status")
        await able.patch(made, {"spec": {"n": 3}, "status": {"n": 4}})
        found = await able.get(made)
        assert (found["spec"], found["status"]) == ({"n": 3}, {"n": 2})

    async def test_status_writes_compare_the_version_too(self, world: World, able: Cluster) -> None:
        made = await able.create(thing(world, "a"))
        await able.patch(ref(made), {"status": {"n": 1}}, subresource="status", resource_version=version(made))
        with pytest.raises(Conflict):
            await able.patch(ref(made), {"status": {"n": 2}}, subresource="status", resource_version=version(made))

    async def test_generation_counts_changes_of_the_spec(self, world: World, able: Cluster) -> None:
        for body in (thing(world, "a", replicas=1), deployment(world, "a")):
            made = ref(await able.create(body))
            await able.patch(made, {"metadata": {"labels": {"a": "b"}}})
            if made.kind == "Thing":  # a Deployment's controller writes its status at the same time
                await able.patch(made, {"status": {"observedGeneration": 1}}, subresource="status")
            assert (await able.get(made))["metadata"]["generation"] == 1
            await able.patch(made, {"spec": {"replicas": 2}})
            assert (await able.get(made))["metadata"]["generation"] == 2

    async def test_generation_of_a_deployment_counts_annotations_too(self, world: World, able: Cluster) -> None:
        for body, expected in ((thing(world, "a"), 1), (deployment(world, "a"), 2)):
            made = ref(await able.create(body))
            patched = await able.patch(made, {"metadata": {"annotations": {"a": "b"}}})
            assert patched["metadata"]["generation"] == expected

    async def test_a_dry_run_tells_and_does_nothing(self, world: World, able: Cluster) -> None:
        made = await able.create(thing(world, "a", n=1))
        assert (await able.patch(ref(made), {"spec": {"n": 2}}, dry_run=True))["spec"] == {"n": 2}
        assert version(await able.get(ref(made))) == version(made)
        await able.create(thing(world, "b"), dry_run=True)
        with pytest.raises(NotFound):
            await able.get(Ref(THING, "Thing", world.namespace, "b"))

    async def test_an_immutable_secret_keeps_its_content(self, world: World, able: Cluster) -> None:
        body = {**config_map(world, "a"), "kind": "Secret", "immutable": True, "data": {"k": "djE="}}
        made = ref(await able.create(body))
        with pytest.raises(Refused, match="immutable"):
            await able.patch(made, {"data": {"k": "djI="}})
        await able.patch(made, {"metadata": {"labels": {"a": "b"}}})

    # create

    async def test_create_of_a_taken_name_is_a_conflict(self, world: World, able: Cluster) -> None:
        await able.create(thing(world, "a"))
        with pytest.raises(Conflict) as caught:
            await able.create(thing(world, "a"))
        assert caught.value.reason == "AlreadyExists"

    async def test_create_of_a_bad_name_is_refused(self, world: World, able: Cluster) -> None:
        with pytest.raises(Refused, match="Invalid"):
            await able.create(config_map(world, "Not_A_Name"))

    async def test_a_name_can_be_left_to_the_server(self, world: World, able: Cluster) -> None:
        body = config_map(world, "-")
        body["metadata"] |= {"name": "", "generateName": "told-"}
        names = {(await able.create(body))["metadata"]["name"] for _ in range(2)}
        assert len(names) == 2 and all(name.startswith("told-") and len(name) > len("told-") for name in names)

    async def test_create_in_a_namespace_that_is_not_there(self, world: World) -> None:
        """An Event is all that the operator makes in its own name outside its own namespace."""
        body = with_metadata(event(world, "a", about="p"), namespace=f"{world.namespace}-absent")
        with pytest.raises(NotFound):
            await world.clusters.own.create(body)

    async def test_create_stamps_by_the_servers_clock(self, world: World, able: Cluster) -> None:
        before = world.clock.now()
        made = await able.create(thing(world, "a"))
        after = world.clock.now()
        created = made["metadata"]["creationTimestamp"]
        # Time stamps are whole seconds, and the clock may be behind by about one.
        assert before.timestamp() - 1 <= seconds(created) <= after.timestamp() + 1.5

    # delete

    async def test_delete_and_delete_again(self, world: World, able: Cluster) -> None:
        made = ref(await able.create(thing(world, "a")))
        await able.delete(made)
        with pytest.raises(NotFound):
            await able.delete(made)

    async def test_delete_never_touches_another_object_of_the_same_name(self, world: World, able: Cluster) -> None:
        first = await recreated(able, thing(world, "a"))
        with pytest.raises(NotFound):
            await able.delete(first)
        await able.get(unpinned(first))

    async def test_delete_compares_the_version(self, world: World, able: Cluster) -> None:
        made = await able.create(thing(world, "a", n=1))
        await able.patch(ref(made), {"spec": {"n": 2}})
        with pytest.raises(Conflict):
            await able.delete(ref(made), resource_version=version(made))
        await able.delete(ref(made), resource_version=version(await able.get(ref(made))))

    async def test_a_finalizer_holds_a_deleted_object(self, world: World, able: Cluster) -> None:
        made = ref(await able.create(with_metadata(thing(world, "a"), finalizers=["stanch.dev/contract"])))
        await able.delete(made)
        assert (await able.get(made))["metadata"]["deletionTimestamp"]
        with pytest.raises(Refused):
            await able.patch(made, {"metadata": {"finalizers": ["stanch.dev/contract", "stanch.dev/other"]}})
        await able.patch(made, {"metadata": {"finalizers": None}})
        with pytest.raises(NotFound):
            await able.get(made)

    # log

    async def test_log_of_this_and_the_previous_instance(self, world: World, able: Cluster) -> None:
        pod = await world.pod("p", b"2026-01-01T00:00:00Z now\n", b"2026-01-01T00:00:00Z before\n")
        assert b"now" in await read_log(able, pod, "app")
        assert b"before" in await read_log(able, pod, "app", previous=True)

    async def test_no_log_is_not_found(self, world: World, able: Cluster) -> None:
        pod = await world.pod("p", b"2026-01-01T00:00:00Z now\n", None)
        with pytest.raises(NotFound, match="NoLog"):
            await read_log(able, pod, "app", previous=True)
        with pytest.raises(NotFound, match="NoLog"):
            await read_log(able, pod, "new")

    async def test_log_of_a_container_that_the_pod_has_not_is_refused(self, world: World, able: Cluster) -> None:
        pod = await world.pod("p", b"", None)
        with pytest.raises(Refused, match="Invalid"):
            await read_log(able, pod, "nonsense")

    async def test_log_of_another_pod_of_the_same_name_is_not_found(self, world: World, able: Cluster) -> None:
        pod = await world.pod("p", b"2026-01-01T00:00:00Z now\n", None)
        with pytest.raises(NotFound):
            await read_log(able, Ref(pod.api_version, pod.kind, pod.namespace, pod.name, "another"), "app")

    async def test_a_log_is_cut_at_its_limit(self, world: World, able: Cluster) -> None:
        pod = await world.pod("p", b"2026-01-01T00:00:00Z line\n" * 20_000, None)
        chunks = [chunk async for chunk in able.log(pod, "app", limit_bytes=200_000)]
        assert sum(map(len, chunks)) == 200_000
        assert max(map(len, chunks)) <= 65536

    # proxy

    @pytest.mark.parametrize("status", [200, 302, 404, 500, 502, 503])
    async def test_every_answer_of_a_backend_is_a_reply(self, world: World, able: Cluster, status: int) -> None:
        service = await world.serve("web", lambda call: HttpReply(status, f"{call.path} {dict(call.query)}".encode(), 0.0))
        reply = await able.proxy(service, "http", HttpCall("/health", query={"deep": "1"}))
        assert (reply.status, reply.body) == (status, b"/health {'deep': '1'}")

    async def test_a_reply_is_cut_at_its_limit(self, world: World, able: Cluster) -> None:
        service = await world.serve("web", lambda _: HttpReply(200, b"x" * 100_000, 0.0))
        assert (await able.proxy(service, "http", HttpCall("/"), limit_bytes=10)).body == b"x" * 10

    async def test_a_call_arrives_as_it_was_said(self, world: World, able: Cluster) -> None:
        heard: list[HttpCall] = []

        def hear(call: HttpCall) -> HttpReply:
            heard.append(call)
            return HttpReply(201, b"", 0.0)

        service = await world.serve("web", hear)
        headers = {"X-Token": "a b", "Idempotency-Key": "k", "Content-Type": "application/json"}
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            body = b"" if method == "GET" else b'{"a": "\xc3\xa4"}'
            said = HttpCall("/limits/u%2F1", method, {"q": "a&b c", "e": ""}, headers, body)
            assert (await able.proxy(service, "http", said)).status == 201
            came = heard.pop()
            assert (came.method, dict(came.query), came.body) == (method, {"q": "a&b c", "e": ""}, body)
            kept = {name.lower(): value for name, value in came.headers.items()}
            assert kept.items() >= {name.lower(): value for name, value in headers.items()}.items()
        assert heard == []

    @pytest.mark.parametrize("header", ["Authorization", "proxy-authorization", "Host", "X-Remote-User", "Impersonate-User"])
    async def test_who_asks_is_not_for_a_call_to_say(self, world: World, able: Cluster, header: str) -> None:
        with pytest.raises(Refused, match="header"):
            await able.proxy(Ref("v1", "Service", world.namespace, "web"), "http", HttpCall("/", headers={header: "x"}))

    async def test_a_call_with_another_method_needs_another_verb(self, world: World) -> None:
        pin = await service_account(world, Rule(("get",), "", "services/proxy"))
        service = await world.serve("web", lambda _: HttpReply(200, b"", 0.0))
        acting = world.clusters.acting_as(world.namespace, pin)
        assert (await acting.proxy(service, "http", HttpCall("/"))).status == 200
        with pytest.raises(Refused, match="Forbidden"):
            await acting.proxy(service, "http", HttpCall("/", "POST"))

    async def test_a_backend_that_is_not_reached_was_sent_nothing(self, world: World, able: Cluster) -> None:
        with pytest.raises(NotSent):
            await able.proxy(await world.refuse("dead"), "http", HttpCall("/health"), limit_bytes=10)

    async def test_a_service_that_is_not_there_is_not_found(self, world: World, able: Cluster) -> None:
        with pytest.raises(NotFound):
            await able.proxy(Ref("v1", "Service", world.namespace, "absent"), "http", HttpCall("/"))

    @pytest.mark.parametrize("path", ["health", "/../../../secrets", "/a/%2e%2e/b", "/.."])
    async def test_a_path_cannot_leave_the_proxy(self, world: World, able: Cluster, path: str) -> None:
        with pytest.raises(Refused, match="path"):
            await able.proxy(Ref("v1", "Service", world.namespace, "web"), "http", HttpCall(path))

    # identities

    async def test_a_service_account_may_what_it_was_granted(self, world: World, able: Cluster) -> None:
        pin = await service_account(world, Rule(("get", "patch"), THING.partition("/")[0], "things", ("a",)))
        acting = world.clusters.acting_as(world.namespace, pin)
        for name in ("a", "b"):
            await able.create(thing(world, name))
        assert (await acting.patch(Ref(THING, "Thing", world.namespace, "a"), {"spec": {"n": 2}}))["spec"] == {"n": 2}
        for forbidden in (
            acting.get(Ref(THING, "Thing", world.namespace, "b")),
            acting.patch(Ref(THING, "Thing", world.namespace, "b"), {"spec": {}}),
            acting.delete(Ref(THING, "Thing", world.namespace, "a")),
            acting.create(thing(world, "c")),
        ):
            with pytest.raises(Refused, match=r"runner.*cannot.*things.*stanch rbac") as caught:
                await forbidden
            assert caught.value.reason == "Forbidden"

    async def test_list_and_log_and_proxy_need_permission_too(self, world: World) -> None:
        acting = world.clusters.acting_as(world.namespace, await service_account(world))
        pod = await world.pod("p", b"", None)
        with pytest.raises(Refused, match="Forbidden"):
            _ = [item async for item in acting.list(THING, "Thing", world.namespace)]
        with pytest.raises(Refused, match="Forbidden"):
            await read_log(acting, unpinned(pod), "app")
        with pytest.raises(Refused, match="Forbidden"):
            await acting.proxy(Ref("v1", "Service", world.namespace, "web"), "http", HttpCall("/"))

    async def test_allowed(self, world: World, able: Cluster) -> None:
        group = THING.partition("/")[0]
        pin = await service_account(world, Rule(("get",), group, "things", ("a",)), Rule(("get",), "", "pods/log"))
        acting = world.clusters.acting_as(world.namespace, pin)
        assert await acting.allowed("get", group, "things", world.namespace, "a")
        assert not await acting.allowed("get", group, "things", world.namespace, "b")
        assert not await acting.allowed("get", group, "things", world.namespace)
        assert await acting.allowed("get", "", "pods/log", world.namespace, "p")
        assert not await acting.allowed("get", "", "pods", world.namespace, "p")
        assert await able.allowed("get", "", "pods", world.namespace)

    @pytest.mark.parametrize("resource", ["apps/deployments", "/pods", "/pods/exec", "/configmaps", "/secrets", "batch/jobs"])
    async def test_the_operator_itself_touches_nothing(self, world: World, resource: str) -> None:
        own, (group, _, plural) = world.clusters.own, resource.partition("/")
        assert await own.allowed("create", "", "events", world.namespace)
        for verb in ("get", "list", "create", "patch", "delete"):
            assert not await own.allowed(verb, group, plural, world.namespace)
        with pytest.raises(Refused, match=r"cannot create.*configmaps") as caught:
            await own.create(config_map(world, "a"))
        assert caught.value.reason == "Forbidden"

    async def test_the_operator_acts_as_no_account_that_it_was_not_let(self, world: World) -> None:
        made = await world.admin.create(account_body(world, "stronger"))
        stronger = world.clusters.acting_as(world.namespace, Pin("stronger", made["metadata"]["uid"]))
        with pytest.raises(Refused, match="cannot impersonate") as caught:
            await stronger.get(Ref("v1", "ConfigMap", world.namespace, "a"))
        assert caught.value.reason == "Forbidden" and "stronger" in caught.value.message

    async def test_allowed_of_somebody_else_must_be_permitted(self, world: World) -> None:
        """`stanch lint --cluster` asks so, as the person who runs it; the operator never does."""
        pin = await service_account(world, Rule(("get",), "", "configmaps", ("a",)))
        user = f"system:serviceaccount:{world.namespace}:{pin.name}"
        assert await world.admin.allowed("get", "", "configmaps", world.namespace, "a", user=user)
        assert not await world.admin.allowed("get", "", "configmaps", world.namespace, "b", user=user)
        with pytest.raises(Refused, match="subjectaccessreviews") as caught:
            await world.clusters.acting_as(world.namespace, pin).allowed("get", "", "pods", world.namespace, user="alice")
        assert caught.value.reason == "Forbidden"

    async def test_rights_are_all_that_was_granted_there_and_no_more(self, world: World, able: Cluster) -> None:
        group = THING.partition("/")[0]
        granted = (Rule(("get",), group, "things", ("a", "b")), Rule(("get", "list"), "", "pods"), Rule(("get",), "", "pods/log"))
        rights = await world.clusters.acting_as(world.namespace, await service_account(world, *granted)).rights(world.namespace)
        assert rights.complete
        asked = {
            Question("get", group, "things", "b"): True,
            Question("get", group, "things", "c"): False,
            Question("get", group, "things"): False,
            Question("patch", group, "things", "b"): False,
            Question("list", "", "pods"): True,
            Question("get", "", "pods/log", "p"): True,
            Question("get", "", "pods/exec", "p"): False,
            Question("get", "apps", "pods"): False,
        }
        assert {question: rights.allow(question) for question in asked} == asked
        assert rights.allow_some(Question("get", group, "things"))
        assert not rights.allow_some(Question("patch", group, "things"))
        assert (await able.rights(world.namespace)).allow(Question("delete", "apps", "deployments"))

    async def test_a_write_as_a_service_account_that_is_another_one_now_is_refused(self, world: World) -> None:
        pin = await service_account(world, EVERYTHING)
        acting = world.clusters.acting_as(world.namespace, pin)
        made = ref(await acting.create(thing(world, "a")))
        account = Ref("v1", "ServiceAccount", world.namespace, pin.name)
        await world.admin.delete(account)
        await refused_writes(acting, world, made, "ServiceAccountGone")
        await world.admin.create(account_body(world, pin.name))
        await refused_writes(acting, world, made, "ServiceAccountReplaced")

    async def test_a_call_as_a_service_account_that_is_another_one_now_is_not_sent(self, world: World) -> None:
        heard: list[str] = []

        def hear(call: HttpCall) -> HttpReply:
            heard.append(call.method)
            return HttpReply(200, b"", 0.0)

        pin = await service_account(world, Rule(("*",), "", "services/proxy"))
        acting = world.clusters.acting_as(world.namespace, pin)
        service = await world.serve("web", hear)
        assert (await acting.proxy(service, "http", HttpCall("/", "POST"))).status == 200
        await world.admin.delete(Ref("v1", "ServiceAccount", world.namespace, pin.name))
        await refused_calls(acting, service, "ServiceAccountGone")
        await world.admin.create(account_body(world, pin.name))
        await refused_calls(acting, service, "ServiceAccountReplaced")
        assert heard == ["POST"]

    async def test_a_write_as_a_service_account_without_pin_is_refused(self, world: World) -> None:
        pin = await service_account(world, EVERYTHING)
        with pytest.raises(Refused, match="ServiceAccountNotPinned"):
            await world.clusters.acting_as(world.namespace, Pin(pin.name)).create(thing(world, "a"))


async def refused_writes(acting: Cluster, world: World, made: Ref, reason: str) -> None:
    for write in (acting.patch(made, {"spec": {"n": 9}}), acting.create(thing(world, "z")), acting.delete(made)):
        with pytest.raises(Refused) as caught:
            await write
        assert caught.value.reason == reason


async def refused_calls(acting: Cluster, service: Ref, reason: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        with pytest.raises(Refused) as caught:
            await acting.proxy(service, "http", HttpCall("/", method))
        assert caught.value.reason == reason


async def everything(world: World) -> Cluster:
    """As a ServiceAccount that may do everything in this namespace."""
    return world.clusters.acting_as(world.namespace, await service_account(world, EVERYTHING, name="able"))


async def service_account(world: World, *rules: Rule, name: str = "runner") -> Pin:
    made = await world.admin.create(account_body(world, name))
    await world.permit(name, *rules)
    return Pin(name, made["metadata"]["uid"])


async def recreated(cluster: Cluster, body: Object, first: Object | None = None) -> Ref:
    """Deletes and creates again; the Ref of the first one, pinned."""
    made = ref(first or await cluster.create(copy.deepcopy(body)))
    await cluster.delete(made)
    await cluster.create(copy.deepcopy(body))
    return made


async def read_log(cluster: Cluster, pod: Ref, container: str, *, previous: bool = False) -> bytes:
    return b"".join([chunk async for chunk in cluster.log(pod, container, previous=previous, limit_bytes=1 << 20)])


def account_body(world: World, name: str) -> Object:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": world.namespace}}


def thing(world: World, name: str, **spec: object) -> Object:
    metadata = {"name": name, "namespace": world.namespace}
    return {"apiVersion": THING, "kind": "Thing", "metadata": metadata, "spec": spec}


def config_map(world: World, name: str, **data: str) -> Object:
    metadata = {"name": name, "namespace": world.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def deployment(world: World, name: str) -> Object:
    """No replicas: nothing has to run it."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "none"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template, "paused": True}
    metadata = {"name": name, "namespace": world.namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def event(world: World, name: str, about: str) -> Object:
    involved = {"kind": "Pod", "name": about, "namespace": world.namespace}
    metadata = {"name": name, "namespace": world.namespace}
    return {"apiVersion": "v1", "kind": "Event", "metadata": metadata, "involvedObject": involved, "reason": "Test"}


def with_metadata(body: Object, **metadata: object) -> Object:
    return {**body, "metadata": {**body["metadata"], **metadata}}


def ref(made: Object) -> Ref:
    metadata = made["metadata"]
    return Ref(made["apiVersion"], made["kind"], metadata.get("namespace", ""), metadata["name"], metadata["uid"])


def unpinned(pinned: Ref) -> Ref:
    return Ref(pinned.api_version, pinned.kind, pinned.namespace, pinned.name)


def version(made: Object) -> str:
    return made["metadata"]["resourceVersion"]


def seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()

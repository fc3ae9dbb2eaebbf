"""The cluster in memory keeps the contract, and says so where it cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.engine.errors import NotFound, Refused, Retryable
from stanch.engine.ports import ExecReply, HttpCall, HttpReply, Object
from tests.contract.suite_bindings import BindingContract
from tests.contract.suite_cluster import THING, ClusterContract, deployment, ref, thing
from tests.contract.suite_exec import FILL, IGNORE, SPEAK, ZEROES, ExecContract, ExecRefusals
from tests.unit.memory import Crash, MemoryCluster, MemoryClusters, MemoryServer, NotModelled, custom


class MemoryWorld:
    """The operator has the rights that are shipped, as far as the suite asks for them."""

    def __init__(self) -> None:
        self.server = MemoryServer()
        self.server.register(custom("Thing", "things", THING))
        self.server.restrict("")
        self.server.permit_inside("*", "", Rule(("create",), "", "events"))
        self.server.permit_all("admin")
        self.clusters = MemoryClusters(self.server)
        self.admin = MemoryCluster(self.server, by="admin")
        self.clock = self.server.time
        self.namespace = "contract"
        self.server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})

    async def permit(self, service_account: str, *rules: Rule) -> None:
        self.server.grant(self.namespace, service_account, *rules)
        self.server.permit_inside(self.namespace, "", Rule(("get", "impersonate"), "", "serviceaccounts", (service_account,)))

    async def home(self) -> str:
        leases = Rule(("get", "create", "patch", "delete"), "coordination.k8s.io", "leases")
        kept = Rule(("get", "list", "create", "delete"), "", "configmaps"), Rule(("get", "list", "create", "delete"), "", "secrets")
        self.server.permit_inside(self.namespace, "", leases, *kept)
        return self.namespace

    async def serve(self, service: str, answer: Callable[[HttpCall], HttpReply]) -> Ref:
        self.server.backends[self.namespace, service, "http"] = answer
        return await self.refuse(service)

    async def refuse(self, service: str) -> Ref:
        return self.server.add(self._body("Service", service, {}))

    async def pod(self, name: str, current: bytes, previous: bytes | None) -> Ref:
        pod = self.server.add(self._body("Pod", name, {"containers": [{"name": "app"}, {"name": "new"}]}))
        self.server.logs[self.namespace, name, "app", False] = [current]
        if previous is not None:
            self.server.logs[self.namespace, name, "app", True] = [previous]
        return pod

    async def shell(self) -> Ref:
        pod = await self.pod("shell", b"", None)
        self.server.commands[self.namespace, "shell", "app"] = busybox
        return pod

    def _body(self, kind: str, name: str, spec: dict[str, object]) -> dict[str, object]:
        metadata = {"name": name, "namespace": self.namespace}
        return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec}


def busybox(argv: Sequence[str], stdin: bytes) -> ExecReply:
    """What the suite's commands do."""
    match [*argv]:
        case ["true"]:
            return ExecReply(0, b"", b"")
        case ["cat"]:
            return ExecReply(0, stdin, b"")
        case ["echo", *words]:
            return ExecReply(0, " ".join(words).encode() + b"\n", b"")
        case ["sleep", _]:
            return ExecReply(None, b"", b"", broken="it was not over within 1 s and may go on")
    if argv == IGNORE:
        return ExecReply(0, b"", b"")
    if argv == SPEAK:
        return ExecReply(3, b"out\n", b"err\n")
    if argv == FILL:
        return ExecReply(0, b"\0" * ZEROES, b"")
    raise Refused("NotStarted", f"{argv[0]}: executable file not found in $PATH")


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


class TestMemoryCluster(ClusterContract, ExecRefusals, BindingContract):
    pass


class TestMemoryExec(ExecContract):
    pass


async def test_a_write_fails_before_it_takes_effect(world: MemoryWorld) -> None:
    world.server.fail(1, Retryable("Timeout", "cut"))
    with pytest.raises(Retryable):
        await world.admin.create(thing(world, "a"))
    with pytest.raises(NotFound):
        await world.admin.get(Ref(THING, "Thing", world.namespace, "a"))


async def test_a_write_fails_after_it_took_effect(world: MemoryWorld) -> None:
    world.server.fail(2, Crash(), after=True)
    made = ref(await world.admin.create(thing(world, "a")))
    with pytest.raises(Crash):
        await world.admin.patch(made, {"spec": {"n": 1}})
    assert (await world.admin.get(made))["spec"] == {"n": 1}
    assert [(write.number, write.verb) for write in world.server.writes] == [(1, "create"), (2, "patch")]


async def test_a_dry_run_is_no_write(world: MemoryWorld) -> None:
    await world.admin.create(thing(world, "a"), dry_run=True)
    assert world.server.writes == []


async def test_a_test_plays_the_controller(world: MemoryWorld) -> None:
    world.server.after_write.append(lambda write: world.server.set_status(write.ref, {"readyReplicas": 1}))
    made = ref(await world.admin.create(deployment(world, "a")))
    assert (await world.admin.get(made))["status"] == {"readyReplicas": 1}


async def test_the_operator_itself_can_be_restricted(world: MemoryWorld) -> None:
    world.server.permit_all("")
    await world.clusters.own.create(thing(world, "a"))
    world.server.restrict("")
    with pytest.raises(Refused, match="Forbidden"):
        await world.clusters.own.create(thing(world, "b"))


def with_metadata(world: MemoryWorld, name: str, **metadata: object) -> Object:
    body = thing(world, name)
    return {**body, "metadata": {**body["metadata"], **metadata}}


async def test_what_is_not_modelled_is_loud(world: MemoryWorld) -> None:
    admin = world.admin
    made = ref(await admin.create(with_metadata(world, "a", finalizers=["example.com/kept"])))
    await admin.create(with_metadata(world, "b", ownerReferences=[{"uid": made.uid}]))
    for unknown in (
        admin.patch(made, {"spec": {}}, subresource="scale"),
        admin.patch(made, {"metadata": {"uid": "x"}}),
        admin.patch(made, {"status": {}, "spec": {}}, subresource="status"),
        admin.delete(made),
    ):
        with pytest.raises(NotModelled):
            await unknown


async def test_what_is_owned_goes_with_its_owner(world: MemoryWorld) -> None:
    admin = world.admin
    made = ref(await admin.create(thing(world, "a")))
    child = ref(await admin.create(with_metadata(world, "b", ownerReferences=[{"uid": made.uid}])))
    await admin.delete(made)
    with pytest.raises(NotFound):
        await admin.get(child)


async def test_time_moves_only_when_told(world: MemoryWorld) -> None:
    start = world.server.time.now()
    assert world.server.time.now() == start
    await world.server.time.advance(5)
    assert (world.server.time.now() - start).total_seconds() == 5

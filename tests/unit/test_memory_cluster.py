"""The cluster in memory keeps the contract, and says so where it cannot."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.engine.errors import NotFound, Refused, Retryable
from stanch.engine.ports import HttpReply
from tests.contract.suite_cluster import THING, ClusterContract, deployment, ref, thing
from tests.unit.memory import Crash, MemoryClusters, MemoryServer, NotModelled, custom


class MemoryWorld:
    def __init__(self) -> None:
        self.server = MemoryServer()
        self.server.register(custom("Thing", "things", THING))
        self.clusters = MemoryClusters(self.server)
        self.clock = self.server.time
        self.namespace = "contract"
        self.server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})

    async def permit(self, service_account: str, *rules: Rule) -> None:
        self.server.grant(self.namespace, service_account, *rules)

    async def serve(self, service: str, answer: Callable[[str], HttpReply]) -> Ref:
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

    def _body(self, kind: str, name: str, spec: dict[str, object]) -> dict[str, object]:
        metadata = {"name": name, "namespace": self.namespace}
        return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec}


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


class TestMemoryCluster(ClusterContract):
    pass


async def test_a_write_fails_before_it_takes_effect(world: MemoryWorld) -> None:
    world.server.fail(1, Retryable("Timeout", "cut"))
    with pytest.raises(Retryable):
        await world.clusters.own.create(thing(world, "a"))
    with pytest.raises(NotFound):
        await world.clusters.own.get(Ref(THING, "Thing", world.namespace, "a"))


async def test_a_write_fails_after_it_took_effect(world: MemoryWorld) -> None:
    world.server.fail(2, Crash(), after=True)
    made = ref(await world.clusters.own.create(thing(world, "a")))
    with pytest.raises(Crash):
        await world.clusters.own.patch(made, {"spec": {"n": 1}})
    assert (await world.clusters.own.get(made))["spec"] == {"n": 1}
    assert [(write.number, write.verb) for write in world.server.writes] == [(1, "create"), (2, "patch")]


async def test_a_dry_run_is_no_write(world: MemoryWorld) -> None:
    await world.clusters.own.create(thing(world, "a"), dry_run=True)
    assert world.server.writes == []


async def test_a_test_plays_the_controller(world: MemoryWorld) -> None:
    world.server.after_write.append(lambda write: world.server.set_status(write.ref, {"readyReplicas": 1}))
    made = ref(await world.clusters.own.create(deployment(world, "a")))
    assert (await world.clusters.own.get(made))["status"] == {"readyReplicas": 1}


async def test_the_operator_itself_can_be_restricted(world: MemoryWorld) -> None:
    world.server.restrict("")
    with pytest.raises(Refused, match="Forbidden"):
        await world.clusters.own.create(thing(world, "a"))


async def test_what_is_not_modelled_is_loud(world: MemoryWorld) -> None:
    own = world.clusters.own
    made = ref(await own.create(thing(world, "a")))
    child = thing(world, "b")
    child["metadata"]["ownerReferences"] = [{"uid": made.uid}]
    await own.create(child)
    for unknown in (
        own.patch(made, {"spec": {}}, subresource="scale"),
        own.patch(made, {"metadata": {"uid": "x"}}),
        own.patch(made, {"status": {}, "spec": {}}, subresource="status"),
        own.delete(made),
    ):
        with pytest.raises(NotModelled):
            await unknown


async def test_time_moves_only_when_told(world: MemoryWorld) -> None:
    start = world.server.time.now()
    assert world.server.time.now() == start
    await world.server.time.advance(5)
    assert (world.server.time.now() - start).total_seconds() == 5

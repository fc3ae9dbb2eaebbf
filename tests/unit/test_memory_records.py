"""Leases, locks, plans and before-images on the cluster in memory."""

import pytest

from stanch.engine.errors import Conflict
from stanch.kube.records import before_images
from tests.contract.suite_records import RecordsContract
from tests.unit.memory import MemoryClusters, MemoryServer
from tests.unit.test_memory_cluster import MemoryWorld


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


class TestRecords(RecordsContract):
    pass


async def test_a_conflict_about_something_else_is_no_secret_that_is_there() -> None:
    """As a quota is answered that two requests change at once: nothing was stored, and it is tried again."""
    server = MemoryServer()
    server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "stanch-system"}})
    store = before_images(MemoryClusters(server).own, "stanch-system")
    server.fail(1, Conflict("Conflict", "Operation cannot be fulfilled on resourcequotas: the object has been modified"))
    with pytest.raises(Conflict, match="resourcequotas"):
        await store.put("plan-1", b"{}")
    assert await store.get("plan-1", await store.put("plan-1", b"{}")) == b"{}"

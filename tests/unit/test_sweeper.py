"""The sweeper looks at every Incident, whatever one of them holds."""

from __future__ import annotations

from stanch.runtime.metrics import Metrics
from stanch.runtime.queue import KeyQueue
from stanch.runtime.sweeper import Sweeper
from tests.unit.memory import MemoryClusters, MemoryServer

SPEC = {"openedBy": "alice", "title": "502", "type": "availability", "severity": "P0"}


async def swept(**statuses: dict) -> tuple[Sweeper, set[str]]:
    server = MemoryServer()
    for name, status in statuses.items():
        metadata = {"name": name, "namespace": "aureus"}
        ref = server.add({"apiVersion": "stanch.dev/v1alpha1", "kind": "Incident", "metadata": metadata, "spec": SPEC})
        server.set_status(ref, status)
    sweeper = Sweeper(MemoryClusters(server).own, server.time, KeyQueue(), Metrics(), ("aureus",), lambda decision: None)
    await sweeper.sweep()
    queued = {(await sweeper.queue.get())[1] for _ in range(len(sweeper.queue))}
    return sweeper, queued


async def test_an_incident_of_a_later_version_does_not_hide_the_others() -> None:
    _, queued = await swept(a={"formatVersion": 99, "phase": "Opened"}, b={"formatVersion": 1, "phase": "Opened"})
    assert queued == {"a", "b"}


async def test_what_has_ended_is_left_alone() -> None:
    _, queued = await swept(a={"formatVersion": 2, "phase": "Closed", "rests": True}, b={"formatVersion": 1, "phase": "Holding"})
    assert queued == {"b"}


async def test_what_two_lists_show_and_the_watch_never_told_proves_it_silent() -> None:
    sweeper, _ = await swept(a={"formatVersion": 1, "phase": "Opened"})
    assert not sweeper.silent, "it may just be new"
    await sweeper.sweep()
    assert sweeper.silent

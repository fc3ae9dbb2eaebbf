"""Judging what was declared, through failures: each object is judged in the end, in its latest state, and none stops the rest."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from stanch.controller.declared import Declared, Pace
from stanch.domain.plan import Ref
from stanch.engine.errors import Failure, Refused, Retryable
from stanch.engine.ports import Object
from tests.stage.kubectl import ROOT
from tests.unit.memory import MemoryClusters, MemoryServer, Write
from tests.unit.permitted import permit
from tests.unit.test_runtime_queue import passes, run
from tests.unit.world_frontend import read


def playbook(server: MemoryServer, name: str) -> Ref:
    """With all that it needs, but for its ServiceAccount where that is there already."""
    document = copy.deepcopy(read(ROOT / "playbooks" / "aureus" / "frontend-down.yaml")[0])
    document["metadata"]["name"] = name
    ref = server.add(document)
    permit(server, document)
    return ref


@asynccontextmanager
async def judging(server: MemoryServer, pace: Pace | None = None) -> AsyncIterator[Declared]:
    declared = Declared(MemoryClusters(server), server.time, pace)
    running = asyncio.ensure_future(declared.run())
    yield declared
    assert not running.done(), "one object must not end it for the others"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def ready(server: MemoryServer, ref: Ref) -> str:
    conditions = server.read(ref).get("status", {}).get("conditions", [])
    return next((item["status"] for item in conditions if item["type"] == "Ready"), "")


@pytest.mark.parametrize(
    ("failure", "judged"), [(Retryable("Timeout", "no answer", 5.0), "True"), (Refused("Forbidden", "no"), "")]
)
def test_what_could_not_be_written_is_written_when_it_can_be(failure: Failure, judged: str) -> None:
    async def work() -> None:
        server = MemoryServer()
        server.fail(1, failure)
        first, second = playbook(server, "first"), playbook(server, "second")
        async with judging(server) as declared:
            for ref in (first, second):
                declared.told(server.read(ref), gone=False)
            await passes(1)
            assert (ready(server, first), ready(server, second)) == ("", "True")
            await passes(10)
            assert ready(server, first) == judged

    run(work())


def test_latest_state_is_judged_and_an_older_one_does_not_come_back() -> None:
    async def work() -> None:
        server = MemoryServer()
        ref = playbook(server, "first")
        older = server.read(ref)
        server.fail(1, Retryable("Timeout", "no answer", 5.0))
        async with judging(server) as declared:
            declared.told(older, gone=False)
            await passes(1)
            broken: Object = {"spec": {"options": [{**older["spec"]["options"][0], "when": "facts."}]}}
            declared.told(server.patch(ref, broken, "", "", dry_run=False), gone=False)
            await passes(30)
        assert ready(server, ref) == "False" and server.read(ref)["status"]["observedGeneration"] == 2

    run(work())


def test_what_was_judged_and_what_is_gone_is_left_alone() -> None:
    async def work() -> None:
        server = MemoryServer()
        writes: list[Write] = server.writes
        ref = playbook(server, "first")
        async with judging(server) as declared:
            declared.told(server.read(ref), gone=False)
            await passes(1)
            declared.told(server.read(ref), gone=False)
            declared.told(server.read(playbook(server, "second")), gone=False)
            declared.told(server.read(ref), gone=True)
            await passes(1)
        assert len(writes) == 2

    run(work())

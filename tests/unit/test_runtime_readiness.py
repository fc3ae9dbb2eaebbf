"""A Playbook's Ready follows the permissions, which tell nobody when they change; how often, does not grow with the playbooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from stanch.api import codec
from stanch.api.needs import user_of
from stanch.controller.declared import Declared, Pace
from stanch.domain.conditions import Condition
from stanch.domain.plan import Ref
from stanch.engine.errors import Retryable
from stanch.engine.ports import Object
from tests.unit.memory import MemoryServer
from tests.unit.permitted import less, needs_of, rules
from tests.unit.test_runtime_declared import judging, playbook
from tests.unit.test_runtime_queue import now, passes, run

ACCOUNT = "frontend-remediator"
USER = user_of("aureus", ACCOUNT)
PACE = Pace()
ROUND = PACE.ready * 1.2 + 1
SOON = PACE.unready * 1.2 + 10


def ready(server: MemoryServer, ref: Ref) -> Condition:
    (condition,) = codec.declared_status_of(server.read(ref)).conditions
    return condition


@asynccontextmanager
async def judged(server: MemoryServer, ref: Ref) -> AsyncIterator[Declared]:
    """The watch told of the playbook, and it was looked at once."""
    async with judging(server) as declared:
        declared.told(server.read(ref), gone=False)
        await passes(1)
        yield declared


def deprive(server: MemoryServer, ref: Ref) -> None:
    server.restrict(USER)
    server.grant("aureus", ACCOUNT, *less(needs_of(server.read(ref)).granted, "patch", "deployments"))


def restore(server: MemoryServer, ref: Ref) -> None:
    server.grant("aureus", ACCOUNT, *rules(needs_of(server.read(ref)).granted))


def test_what_is_missing_is_named_and_what_is_granted_later_is_seen_without_a_change_of_the_playbook() -> None:
    async def work() -> None:
        server = MemoryServer()
        ref = playbook(server, "first")
        deprive(server, ref)
        async with judged(server, ref):
            found = ready(server, ref)
            assert (found.status, found.reason) == ("False", "PermissionMissing")
            said = f'ServiceAccount {ACCOUNT} may not patch deployments.apps "frontend": stanch rbac first prints the Role'
            assert found.message == said
            restore(server, ref)
            await passes(SOON)
            assert (ready(server, ref).status, ready(server, ref).reason) == ("True", "Valid")

    run(work())


def test_what_is_taken_away_later_is_seen_within_a_round() -> None:
    async def work() -> None:
        server = MemoryServer()
        ref = playbook(server, "first")
        async with judged(server, ref):
            assert ready(server, ref).status == "True"
            deprive(server, ref)
            await passes(ROUND)
            assert ready(server, ref).reason == "PermissionMissing"

    run(work())


def test_what_does_not_change_is_not_written_and_keeps_its_time() -> None:
    async def work() -> None:
        server = MemoryServer()
        ref = playbook(server, "first")
        async with judged(server, ref) as declared:
            before = ready(server, ref)
            server.time.move(3600)
            await passes(3 * ROUND)
            assert len(server.writes) == 1 and ready(server, ref) == before
            server.patch(ref, {"spec": {"summary": "Another one"}}, "", "", dry_run=False)
            declared.told(server.read(ref), gone=False)
            await passes(1)
            after = ready(server, ref)
            assert (after.observed_generation, after.last_transition_time) == (2, before.last_transition_time)

    run(work())


def test_a_new_leader_asks_again_about_what_an_earlier_one_said() -> None:
    async def work() -> None:
        server = MemoryServer()
        ref = playbook(server, "first")
        async with judged(server, ref):
            assert ready(server, ref).status == "True"
        deprive(server, ref)
        async with judging(server) as declared:
            declared.told(server.read(ref), gone=False)
            await passes(ROUND)
            assert ready(server, ref).reason == "PermissionMissing"

    run(work())


def test_what_cannot_be_asked_any_more_is_not_ready_any_more() -> None:
    async def work() -> None:
        server = MemoryServer()
        ref = playbook(server, "first")

        def fail(verb: str, about: Ref) -> None:
            if verb == "review":
                raise Retryable("Timeout", "no answer")

        async with judged(server, ref):
            server.before_read.append(fail)
            await passes(ROUND)
            assert (ready(server, ref).status, ready(server, ref).reason) == ("Unknown", "PermissionUnknown")
            server.before_read.clear()
            await passes(SOON)
            assert ready(server, ref).status == "True"

    run(work())


def test_what_is_gone_is_not_asked_about_any_more() -> None:
    async def work() -> None:
        server, asked = MemoryServer(), Counter[str]()
        ref = playbook(server, "first")
        server.before_read.append(lambda verb, about: asked.update([verb]))
        async with judged(server, ref) as declared:
            server.remove(ref)  # the watch is late
            await passes(2 * ROUND)
            missed = asked.copy()
            declared.told({**playbook_of(ref)}, gone=True)
            await passes(2 * ROUND)
        assert asked == missed and asked == {"review": 2, "get": 2}, "once more, and not found"

    run(work())


def playbook_of(ref: Ref) -> Object:
    return {"kind": ref.kind, "metadata": {"name": ref.name, "namespace": ref.namespace}}


@pytest.mark.parametrize("number", [1, 40])
@pytest.mark.parametrize("permitted", [True, False])
def test_the_rate_does_not_grow_with_the_playbooks_and_each_has_its_turn(number: int, permitted: bool) -> None:
    async def work() -> None:
        server = MemoryServer()
        refs = [playbook(server, f"p{count}") for count in range(number)]
        if not permitted:
            server.restrict(USER)
        minutes, about = Counter[int](), Counter[str]()

        def count(verb: str, ref: Ref) -> None:
            minutes[int(now() // 60)] += 1
            about.update([ref.name] if ref.kind == "Playbook" else [])

        slow = replace(PACE, request=5.0)
        async with judging(server, slow) as declared:
            for ref in refs:
                declared.told(server.read(ref), gone=False)
            await passes(60)
            server.before_read.append(count)
            await passes(3600)
        most = max(minutes.values())
        assert most <= 60 / slow.request + 5 and len(about) == number
        assert max(about.values()) - min(about.values()) <= 2, "none is asked about again and again while others wait"

    run(work())

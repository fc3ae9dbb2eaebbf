"""What the author of a Playbook or ResponsePolicy reads in its Ready condition."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable

import pytest

from stanch.controller.declared import Declared, permitted
from stanch.domain.plan import Ref
from stanch.engine.ports import Object
from stanch.runtime.permissions import Lack, Verdict
from tests.stage.kubectl import ROOT
from tests.unit.memory import MemoryClusters, MemoryServer
from tests.unit.permitted import permit
from tests.unit.world_frontend import read

AUREUS = ROOT / "playbooks" / "aureus"


async def ready(file: str, edit: Callable[[Object], object] = lambda spec: None) -> tuple[str, str, str]:
    """Status, reason and message of the shipped object, edited."""
    server = MemoryServer()
    (document,) = copy.deepcopy(read(AUREUS / file))
    edit(document["spec"])
    if document["kind"] == "Playbook":
        permit(server, document)
    ref = server.add(document)
    declared = Declared(MemoryClusters(server), server.time)
    declared.told(server.read(ref), gone=False)
    await judged(declared, server, ref)
    (condition,) = server.read(ref)["status"]["conditions"]
    return condition["status"], condition["reason"], condition["message"]


async def judged(declared: Declared, server: MemoryServer, ref: Ref) -> None:
    told = asyncio.Event()
    server.after_write.append(lambda _: told.set())
    running = asyncio.ensure_future(declared.run())
    waiting = asyncio.ensure_future(told.wait())
    done, _ = await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    running.cancel()
    waiting.cancel()
    for task in done:
        task.result()  # what stops the judge stops the operator


@pytest.mark.parametrize("file", ["frontend-down.yaml", "policy.yaml"])
async def test_what_is_shipped_can_be_used(file: str) -> None:
    assert await ready(file) == ("True", "Valid", "Can be used")


async def test_what_lint_only_warns_of_can_be_used() -> None:
    assert await ready("frontend-down.yaml", lambda spec: spec.pop("match")) == ("True", "Valid", "Can be used")


async def test_an_error_is_told_with_its_place_and_what_to_do() -> None:
    status, reason, message = await ready("frontend-down.yaml", lambda spec: spec["options"][0].update(when="facts."))
    assert (status, reason) == ("False", "Invalid")
    assert message.startswith("spec.options[0].when: ")


async def test_what_this_version_cannot_read_is_said() -> None:
    status, reason, message = await ready("policy.yaml", lambda spec: spec.update(levels=[]))
    assert (status, reason) == ("False", "Invalid") and "spec.levels" in message


def lack(verdict: Verdict, number: int = 0) -> Lack:
    return Lack(verdict, f"{verdict} {number}", "what to do")


@pytest.mark.parametrize("verdict", Verdict)
def test_what_is_not_known_to_be_permitted_is_not_ready(verdict: Verdict) -> None:
    expected = {
        Verdict.Missing: ("False", "PermissionMissing"),
        Verdict.Unknown: ("Unknown", "PermissionUnknown"),
        Verdict.Depends: ("Unknown", "DependsOnIncident"),
    }
    assert permitted([lack(verdict)]) == (*expected[verdict], f"{verdict} 0: what to do")


def test_each_of_the_gravest_is_named() -> None:
    lacks = [*(lack(Verdict.Missing, number) for number in range(30)), lack(Verdict.Unknown)]
    assert permitted(lacks)[2] == "; ".join(f"Missing {number}" for number in range(30)) + ": what to do"


def test_a_message_is_bounded_and_says_where_all_of_it_is() -> None:
    huge = Lack(Verdict.Missing, "a" * 500, "what to do")
    said = permitted([huge] * 100)[2]
    assert 3000 < len(said) < 3100 and said.endswith("a… (100 in all: stanch lint --cluster): what to do")

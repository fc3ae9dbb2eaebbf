"""The matrix of bad input against what reads files and what plans Incidents; the same on a real API server: tests/contract."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, cast

import pytest

from stanch.actions.registry import ACTIONS
from stanch.api import codec, names
from stanch.api.lint import Severity, lint_document
from stanch.api.parameters import bind_parameters
from stanch.checks.registry import CHECKS
from stanch.domain.plan import Pin, Plan
from stanch.engine.errors import Refused
from stanch.runtime.matching import find_playbook, find_policy
from stanch.runtime.rendering import Brief, filled, scope_of
from stanch.runtime.resolve import find_account
from stanch.runtime.targets import resolve_targets
from stanch.runtime.world import World
from tests.unit import api_examples as examples
from tests.unit.bad_cases import BAD, CLASSES, LOOKS_LIKE_CODE, TAKEN, taken
from tests.unit.bad_input import Bad, Object, Pair, good, objects
from tests.unit.memory import MemoryClusters, MemoryServer

NAMESPACE = "aureus"


class Parts:
    """Of a world, what rendering looks at."""

    actions, checks = MappingProxyType(ACTIONS), MappingProxyType(CHECKS)


def server_with(pair: Pair) -> MemoryServer:
    server = MemoryServer()
    server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    server.add(examples.policy())
    for item in (*objects(), pair.playbook, pair.incident):
        server.add({**item, "metadata": {"namespace": NAMESPACE, **item["metadata"]}})
    return server


async def planned(pair: Pair) -> Plan:
    """As `runtime.resolve` plans, without a pack."""
    server = server_with(pair)
    own = MemoryClusters(server).own
    obj = server.read(server.ref({**pair.incident, "metadata": {"namespace": NAMESPACE, **pair.incident["metadata"]}}))
    facts, spec = codec.facts_of(obj), cast(Object, obj["spec"])
    await find_policy(own, facts, spec)
    pin, playbook = await find_playbook(own, facts, spec)
    parameters = bind_parameters(playbook.parameters, spec.get("parameters") or {})
    scope = scope_of(facts, names.for_templates(playbook), parameters)
    account = await find_account(own, NAMESPACE, playbook.service_account_name)
    found = await resolve_targets(own, facts, playbook.targets, scope)
    bare = Plan(facts.uid, 1, pin, account or Pin("none"), NAMESPACE, tuple(item for group in found.values() for item in group))
    return filled(bare, Brief(cast(World, Parts()), found, scope), playbook)


def errors(pair: Pair) -> list[Any]:
    found = (problem for obj in (pair.playbook, pair.incident) for problem in lint_document(obj))
    return [problem for problem in found if problem.severity is Severity.error]


def test_every_attack_has_several_cases_and_a_neighbour_that_is_taken() -> None:
    assert CLASSES.keys() == TAKEN.keys()
    assert all(len(cases) >= 6 for cases in CLASSES.values())
    assert all(bool(bad.api) != bool(bad.reason) for bad in BAD)
    assert len({str(bad) for bad in BAD}) == len(BAD)


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad.where and not bad.server_only], ids=str)
def test_a_file_with_it_is_refused_at_its_place(bad: Bad) -> None:
    found = errors(bad.pair())
    assert any(problem.path.startswith(bad.where) for problem in found), [str(problem)[:300] for problem in found]
    assert all(len(problem.message) < 4096 for problem in found), "what is wrong is told, not all of it repeated"


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad.reason], ids=str)
async def test_an_incident_with_it_is_refused_when_it_is_planned(bad: Bad) -> None:
    with pytest.raises(Refused) as refused:
        await planned(bad.pair())
    assert (refused.value.reason, bad.says in refused.value.message) == (bad.reason, True), refused.value.message[:500]
    assert bad.where in refused.value.message


@pytest.mark.parametrize("attack", TAKEN)
async def test_its_neighbour_is_taken(attack: str) -> None:
    pair = taken(attack)
    assert errors(pair) == []
    assert (await planned(pair)).options[0].steps


async def test_what_looks_like_code_arrives_as_it_was_given() -> None:
    plan = await planned(taken("alert labels that look like code"))
    assert plan.options[0].steps[0].params["data"]["note"] == LOOKS_LIKE_CODE
    assert (await planned(good())).options[0].steps[0].params["data"] == {"mode": "normal", "note": "none"}

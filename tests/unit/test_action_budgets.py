"""PodDisruptionBudgets: which of them select a target's pods, and what they say."""

from __future__ import annotations

from typing import Any

import pytest

from stanch.actions.budgets import RULE, fits, read_budgets, selects
from stanch.domain.plan import Pin
from stanch.engine.availability import Unknown
from stanch.engine.figures import Budget
from tests.unit.memory import MemoryClusters, MemoryServer

LABELS = {"app": "db", "tier": "data"}
TARGET = {"metadata": {"namespace": "aureus"}, "spec": {"template": {"metadata": {"labels": LABELS}}}}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "db"}}, True),
        ({"matchLabels": {"app": "db", "tier": "web"}}, False),
        ({"matchLabels": {"zone": "a"}}, False),
        (expression("app", "In", "web", "db"), True),
        (expression("app", "In", "web"), False),
        (expression("zone", "In", "a"), False),
        (expression("app", "NotIn", "db"), False),
        (expression("zone", "NotIn", "a"), True),
        (expression("app", "Exists"), True),
        (expression("zone", "Exists"), False),
        (expression("app", "DoesNotExist"), False),
        (expression("zone", "DoesNotExist"), True),
        ({"matchLabels": {"app": "db"}, **expression("tier", "In", "web")}, False),
    ],
)
def test_selectors(selector: Any, selected: bool) -> None:
    assert selects(selector, LABELS) is selected


def test_an_operator_of_a_later_version_counts_as_fitting() -> None:
    assert fits({"key": "app", "operator": "Like", "values": ["x"]}, LABELS)


def served(name: str, status: dict[str, Any], app: str = "db") -> dict[str, Any]:
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name, "namespace": "aureus"},
            "spec": {"selector": {"matchLabels": {"app": app}}}, "status": status}  # fmt: skip


async def test_what_its_controller_has_not_seen_is_not_known() -> None:
    server = MemoryServer()
    server.add(served("fresh", {"observedGeneration": 1, "disruptionsAllowed": 2}))
    server.add(served("other", {"observedGeneration": 1, "disruptionsAllowed": 0}, app="web"))
    server.add(served("stale", {"observedGeneration": 0, "disruptionsAllowed": 2}))
    server.add(served("unseen", {}))
    fresh, stale, unseen = await read_budgets(MemoryClusters(server).own, TARGET)
    assert fresh == Budget("fresh", 2, {"matchLabels": {"app": "db"}})
    assert isinstance(stale.allowed, Unknown) and isinstance(unseen.allowed, Unknown)


async def test_who_may_not_read_them_is_told_so() -> None:
    server = MemoryServer()
    account = server.add({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "sa", "namespace": "aureus"}})
    server.restrict("system:serviceaccount:aureus:sa")
    found = await read_budgets(MemoryClusters(server).acting_as("aureus", Pin("sa", account.uid)), TARGET)
    assert isinstance(found, Unknown) and "cannot list resource" in found.why
    assert (RULE.group, RULE.resource, RULE.verbs) == ("policy", "poddisruptionbudgets", ("list",))

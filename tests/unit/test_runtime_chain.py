"""Everything is against a change at once, and is lifted one by one: which guard is named, before a write and when it is planned."""

from __future__ import annotations

import json
import re

import pytest

from stanch.domain.incident import Phase
from stanch.engine.guards import CHAIN
from stanch.engine.ports import Object
from tests.stage.kubectl import ROOT
from tests.unit.test_action_budgets import served
from tests.unit.test_guard_words import WORDS
from tests.unit.test_runtime_guards import WINDOW, several, under
from tests.unit.test_runtime_pace import beside
from tests.unit.world import NAMESPACE, Life, Site, quick

ORDER = ("LastResort", "FreezeWindow", "Storm", "ConsecutiveFailures", "ChangeBudget", "Cooldown", "ConcurrentIncidents",
         "MinAvailable", "DisruptionBudget")  # fmt: skip
BEFORE_A_WRITE = re.compile(r"held up by (\w+): ")
WHEN_PLANNED = re.compile(r"a change would be held up now by (\w+): ")


def blocked(*lifted: str) -> Site:
    """By every guard but these."""

    def most(guard: str, few: int) -> int:
        return 1000 if guard in lifted else few

    def edit(playbook: Object) -> None:
        quick(playbook)
        spec = playbook["spec"]
        spec["options"][0]["lastResort"] = "LastResort" not in lifted
        budgets = "Ignore" if "DisruptionBudget" in lifted else "Respect"
        spec["guards"] = {"minAvailable": 0 if "MinAvailable" in lifted else 8, "podDisruptionBudgets": budgets}

    limits = {
        "storm": {"incidents": most("Storm", 1)}, "consecutiveFailures": most("ConsecutiveFailures", 1),
        "changesPerHour": most("ChangeBudget", 1), "cooldown": "0s" if "Cooldown" in lifted else "5m",
        "concurrentIncidents": most("ConcurrentIncidents", 1),
    }  # fmt: skip
    site = under({"freezeWindows": [] if "FreezeWindow" in lifted else [WINDOW], "limits": limits}, edit=edit)
    several(8)(site)
    labels = site.frontend.deployment["spec"]["template"]["metadata"]["labels"]
    budget = served("frontend", {"observedGeneration": 1, "disruptionsAllowed": 0})
    site.server.add({**budget, "spec": {"selector": {"matchLabels": labels}}})
    for number in range(2):
        beside(site, number)
    return site


async def named(by: re.Pattern[str], *lifted: str) -> str:
    """The first guard of which the timeline tells; empty: it was let pass, and the frontend restarted."""
    site = blocked(*lifted)
    life = Life(site)
    life.world.underway.begin((NAMESPACE, "mitigated"), "aureus")
    await life.live(until=Phase.Mitigating)
    await life.tick()
    assert bool(site.frontend.mitigations) is (set(lifted) == {*ORDER})
    return next((found[1] for line in site.lines if (found := by.search(line.result))), "")


def test_the_chain_has_that_order_and_the_readme_tells_it_so() -> None:
    names = {guard: words.partition(":")[0] for guard, _, words in WORDS}
    assert tuple(names[guard] for guard in CHAIN) == ORDER
    assert tuple(re.findall(r"^\| `([A-Z]\w+)`(?: \*)? \|", (ROOT / "README.md").read_text(), re.M)) == ORDER


async def test_before_a_write_they_are_asked_in_the_order_of_the_chain() -> None:
    assert [await named(BEFORE_A_WRITE, *ORDER[:lifted]) for lifted in range(len(ORDER) + 1)] == [*ORDER, ""]


async def test_and_in_the_same_order_when_it_is_planned() -> None:
    """Of a last resort's turn nobody knows by then."""
    planned = ORDER[1:]
    assert [await named(WHEN_PLANNED, "LastResort", *planned[:lifted]) for lifted in range(len(ORDER))] == [*planned, ""]


OF_TARGET = {
    "MinAvailable": "MinAvailable: the step may leave 6 of 8 available pods of deployment/frontend; at least 8 of 8 must stay; "
    "lifted by more available pods, or another guards.minAvailable in the playbook, for incidents that are planned from then on",
    "DisruptionBudget": "DisruptionBudget: the step may take 2 of 8 available pods of deployment/frontend at once; "
    "PodDisruptionBudget frontend lets 0 go; lifted by more available pods, another budget, or guards.podDisruptionBudgets: Ignore "
    "for incidents planned from then on",
}


def previews(site: Site) -> list[str]:
    """Of the steps in the plan, as it lies in the pack."""
    (plan,) = [json.loads(data) for key, data in site.memory.objects.items() if "/plans/" in key]
    return [step["preview"] for option in plan["options"] for step in option["steps"]]


@pytest.mark.parametrize("guard", OF_TARGET)
async def test_the_plan_says_which_guard_of_the_target_would_hold_its_steps_up(guard: str) -> None:
    site = blocked(*ORDER[: ORDER.index(guard)])
    await Life(site).tick()
    for preview in previews(site):
        first, _, difference = preview.partition("\n")
        assert first == f"would be held up now by {OF_TARGET[guard]}" and "--- before" in difference
    planned = next(line for line in site.lines if line.key == "1/planned")
    assert f"a change would be held up now by {OF_TARGET[guard]}" in planned.result


async def test_and_says_nothing_of_guards_that_let_them_pass() -> None:
    site = blocked(*ORDER)
    await Life(site).tick()
    assert not any("held up" in preview for preview in previews(site))

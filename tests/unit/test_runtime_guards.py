"""Guards over the whole tick: what policy, playbook and cluster say holds the write up, and lifts it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stanch.api import codec
from stanch.api.base import API_VERSION
from stanch.api.kinds import PlaybookSpec
from stanch.api.policy import Level, ResponsePolicy
from stanch.domain.guards import Guards
from stanch.domain.incident import Phase
from stanch.domain.plan import Ref
from stanch.engine.availability import Pods
from stanch.engine.errors import Refused
from stanch.engine.figures import Budget, Input, Underway
from stanch.engine.guards import CHAIN, NAMES
from stanch.engine.ports import Object
from stanch.runtime.guarding import limits_of
from stanch.runtime.past import PastIndex
from stanch.runtime.prime import prime
from stanch.runtime.underway import UnderwayIndex, mitigated
from tests.unit.memory import Write
from tests.unit.play import T0, facts
from tests.unit.test_action_budgets import served
from tests.unit.test_guards import PACED
from tests.unit.world import KEY, NAMESPACE, Life, Site, quick

# What each guard holds up at its limit, as it stands where policy and playbook say nothing.
SILENT = {
    **{guard.__name__: {"past": past} for guard, past in PACED.items()},
    "concurrent_incidents": {"underway": Underway(10)},
    "min_available": {"pods": Pods(3, 3, 0)},
    "disruption_budgets": {"pods": Pods(3, 3, 2), "budgets": (Budget("db", 0),)},
    "last_resort": {"untried": ("undo",)},
}
WINDOW = {"name": "always", "timeZone": "Europe/Berlin", "weekly": {"days": ["Monday", "Tuesday"], "startTime": "00:00",
          "duration": "48h"}}  # fmt: skip


def under(spec: Object, **site: Any) -> Site:
    """The memory's time is a Monday."""
    made = Site(**site)
    made.server.patch(Ref(API_VERSION, "ResponsePolicy", "", "aureus"), {"spec": spec}, "", "", dry_run=False)
    return made


def several(pods: int, **strategy: Any) -> Any:
    def scale(site: Site) -> None:
        site.frontend.edit({"spec": {"replicas": pods, "strategy": strategy}})
        site.passes(1)

    return scale


def limits() -> Guards:
    """Of a policy and a playbook that say nothing of guards."""
    policy = ResponsePolicy(levels=[Level(name="P0", description="Complete outage")])
    (document,) = [body for body in Site().server.select(API_VERSION, "Playbook", NAMESPACE, "", "")]
    document["spec"].pop("guards", None)
    return limits_of(("aureus", policy), ("frontend-down", codec.spec_of(PlaybookSpec, document)), facts())


@pytest.mark.parametrize("guard", SILENT)
def test_without_a_word_every_guard_is_on(guard: str) -> None:
    known = next(one for one in CHAIN if one.__name__ == guard)
    block = known(Input(limits(), T0, "deployment/app", **SILENT[guard]))
    assert block and block.guard in NAMES


def test_all_but_the_windows_that_nobody_has_said() -> None:
    assert {guard.__name__ for guard in CHAIN} == {*SILENT, "freeze_window"} and limits() == Guards("aureus")


async def test_a_freeze_window_calls_people_and_says_so_when_it_is_planned() -> None:
    site = under({"freezeWindows": [WINDOW]})
    await Life(site).live(until=Phase.Escalated)
    assert site.frontend.mitigations == [] and site.status.waits_for == "Resume, Close or Abort"
    assert "window always is open until Wed 2026-01-07 00:00" in site.status.message
    planned = next(line for line in site.lines if line.key == "1/planned")
    assert "a change would be held up now by FreezeWindow" in planned.result


@pytest.mark.parametrize("override", [{"severities": ["P0"]}, {"playbooks": [f"{NAMESPACE}/frontend-down"]}])
async def test_the_policy_says_whom_a_window_does_not_hold(override: Object) -> None:
    site = under({"freezeWindows": [{**WINDOW, "override": override}]})
    await Life(site).live(until=Phase.Mitigated)
    assert len(site.frontend.mitigations) == 2


@pytest.mark.parametrize("override", [{"severities": ["P1"]}, {"playbooks": ["other/frontend-down"]}, {}])
async def test_and_others_are_held(override: Object) -> None:
    site = under({"freezeWindows": [{**WINDOW, "override": override}]})
    await Life(site).live(until=Phase.Escalated)
    assert site.frontend.mitigations == []


async def test_what_would_take_the_last_available_pods_waits_until_none_is_available() -> None:
    site, life = Site(), None
    several(3, type="Recreate")(site)
    life = Life(site)
    await life.live(until=Phase.Mitigating)
    await life.tick()
    assert site.status.reason == "MinAvailable" and "leave 0 of 3 available pods" in site.status.message
    assert site.frontend.mitigations == []
    # The outage is whole: a restart takes nothing away from anybody.
    site.server.set_status(site.frontend.ref, {**site.frontend.deployment["status"], "availableReplicas": 0})
    site.server.time.move(6)
    await life.tick()
    assert len(site.frontend.mitigations) == 1


async def test_the_playbook_says_how_many_are_enough() -> None:
    def none(playbook: Object) -> None:
        quick(playbook)
        playbook["spec"]["guards"] = {"minAvailable": 0, "podDisruptionBudgets": "Ignore"}

    site = Site(none)
    several(3, type="Recreate")(site)
    await Life(site).live(until=Phase.Verifying)
    assert len(site.frontend.mitigations) == 1


def budgeted(allowed: int) -> tuple[Site, Ref]:
    site = Site()
    several(8)(site)
    labels = site.frontend.deployment["spec"]["template"]["metadata"]["labels"]
    pdb = served("frontend", {"observedGeneration": 1, "disruptionsAllowed": allowed})
    return site, site.server.add({**pdb, "spec": {"selector": {"matchLabels": labels}}})


async def test_a_budget_that_lets_no_pod_go_holds_it_and_lets_it_go_on_later() -> None:
    site, pdb = budgeted(0)
    life = Life(site)
    await life.live(until=Phase.Mitigating)
    await life.tick()
    assert site.status.reason == "DisruptionBudget" and "PodDisruptionBudget frontend lets 0 go" in site.status.message
    site.server.set_status(pdb, {"observedGeneration": 1, "disruptionsAllowed": 2})
    site.server.time.move(6)
    await life.tick()
    assert len(site.frontend.mitigations) == 1


@pytest.mark.parametrize(("pods", "held"), [(8, True), (1, False)])
async def test_budgets_that_may_not_be_read_hold_it_only_where_pods_are_taken(pods: int, held: bool) -> None:
    site, asked = Site(), []
    several(pods)(site)

    def forbid(verb: str, ref: Ref) -> None:
        if ref.kind == "PodDisruptionBudget":
            asked.append(verb)
            raise Refused("Forbidden", "poddisruptionbudgets may not be listed")

    site.server.before_read.append(forbid)
    life = Life(site)
    await life.live(until=Phase.Mitigating if held else Phase.Verifying)
    assert bool(asked) is held, "no request is made where nothing is taken"
    assert len(site.frontend.mitigations) == (0 if held else 1)
    if held:
        assert site.status.reason == "DisruptionBudget"
        assert "of deployment/frontend is unknown: poddisruptionbudgets may not be listed" in site.status.message
        assert "lifted by the Role that `stanch rbac` prints" in site.status.message
        site.server.before_read.remove(forbid)
        await life.live(until=Phase.Verifying)
        assert len(site.frontend.mitigations) == 1


async def test_of_a_policy_that_is_gone_nobody_knows_whether_it_is_suspended() -> None:
    site = Site()
    life, policy = Life(site), Ref(API_VERSION, "ResponsePolicy", "", "aureus")
    stored = site.server.read(policy)

    def delete(write: Write) -> None:
        if write.ref.name.startswith("stanch-plan-"):
            site.server.remove(policy)

    site.server.after_write.append(delete)
    await life.live(until=Phase.Mitigating)
    assert site.status.reason == "Frozen" and site.frontend.mitigations == []
    assert "ResponsePolicy aureus is gone" in site.status.message and "stanch abort" in site.status.message
    site.server.add({**stored, "metadata": {"name": "aureus"}})
    await life.live(until=Phase.Verifying)
    assert len(site.frontend.mitigations) == 1


async def test_only_so_many_at_a_time_and_who_began_goes_on() -> None:
    site = under({"limits": {"concurrentIncidents": 1}})
    life = Life(site)
    life.world.underway.begin((NAMESPACE, "other"), "aureus")
    await life.live(until=Phase.Mitigating)
    await life.tick()
    assert site.status.reason == "ConcurrentIncidents" and "mitigated: 1;" in site.status.message
    assert site.locks() == [], "what waits for its turn keeps nobody from the target"
    life.world.underway.forget((NAMESPACE, "other"))
    site.server.time.move(11)
    await life.tick()
    assert len(site.frontend.mitigations) == 1
    life.world.underway.begin((NAMESPACE, "other"), "aureus")
    await life.live(until=Phase.Mitigated)
    assert life.world.underway.beside((NAMESPACE, "third"), "aureus") == Underway(1), "it is over"


async def test_after_a_crash_who_is_being_mitigated_is_known_from_the_cluster() -> None:
    site = Site()
    await Life(site).live(until=Phase.Verifying)
    world = Life(site).world
    world = replace(world, underway=UnderwayIndex(), past=PastIndex())
    index = world.underway
    await prime(world, ())
    assert index.beside((NAMESPACE, "x"), "aureus") == Underway(1)
    assert index.beside(KEY, "aureus") == Underway(0, mine=True) and index.beside(KEY, "other") == Underway(0)
    assert mitigated(codec.status_of(site.incident))


async def test_who_waits_for_its_turn_asks_nobody_but_for_itself() -> None:
    """A storm of those that wait must not be one of requests."""
    site = under({"limits": {"concurrentIncidents": 1}})
    life, asked = Life(site), []
    life.world.underway.begin((NAMESPACE, "other"), "aureus")
    await life.live(until=Phase.Mitigating)
    await life.tick()
    before = site.incident["metadata"]["resourceVersion"]
    site.server.before_read.append(lambda verb, ref: asked.append((verb, ref.kind)))
    for _ in range(10):
        site.server.time.move(10)
        assert await life.tick() == 10
    assert set(asked) == {("get", "Incident")} and len(asked) == 10
    assert site.incident["metadata"]["resourceVersion"] == before


async def test_a_place_is_taken_before_the_intent_is_stored() -> None:
    """Or two that ask in the same moment would both take the last one."""
    site = Site()
    life, seen = Life(site), []

    def look(write: Write) -> None:
        if write.ref.name.startswith("stanch-before-"):
            seen.append(life.world.underway.beside((NAMESPACE, "third"), "aureus"))
            assert not any(step.intended_at for step in site.status.steps)

    site.server.after_write.append(look)
    await life.tick()
    assert seen == [Underway(1)]

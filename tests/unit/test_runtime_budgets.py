"""Two workloads under one PodDisruptionBudget over the whole tick: the second is changed when the first is rolled out."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from stanch.domain.incident import ChangeRecord, OptionRecord, OptionState, Phase, StepRecord, StepState
from stanch.domain.plan import Pin, Ref
from stanch.engine.errors import Refused
from stanch.engine.ports import Object
from tests.unit.memory import Write
from tests.unit.play import facts
from tests.unit.test_action_budgets import served
from tests.unit.test_runtime_chain import previews
from tests.unit.test_runtime_guards import several
from tests.unit.test_runtime_pace import beside
from tests.unit.world import ACCOUNT, NAMESPACE, Life, Site, quick

ALL = {"matchLabels": {"app": "aureus"}}
BESIDE = f"deployment/backend, which incident {NAMESPACE}/frontend-502 changes"


def both(playbook: Object) -> None:
    """One option, which restarts the backend and then the frontend."""
    quick(playbook)
    spec = playbook["spec"]
    spec["targets"].append({"name": "back", "kind": "Deployment", "objectName": "backend"})
    restart = spec["options"][0]["steps"][0]
    first = {**restart, "name": "first", "rolloutRestart": {"target": "back"}}
    spec["options"][0]["steps"] = [first, {**restart, "name": "second"}]
    del spec["options"][1:]


class Pair:
    """A frontend of 8 pods, of which a restart takes two, and a backend of 4 that no controller looks at but the test."""

    def __init__(self, edit: Any = both, allowed: int = 2, selector: Object | None = ALL) -> None:
        self.site = site = Site(edit)
        several(8)(site)
        document = copy.deepcopy(site.frontend.deployment)
        document["metadata"] = {"name": "backend", "namespace": NAMESPACE}
        document["spec"]["replicas"] = 4
        document["spec"]["template"]["metadata"]["labels"] = {"app": "aureus", "component": "backend"}
        self.backend = site.server.add(document)
        self.pods()
        budget = served("aureus", {"observedGeneration": 1, "disruptionsAllowed": allowed})
        site.server.add({**budget, "spec": {"selector": selector}})

    def pods(self, **counts: int) -> None:
        """The backend's controller has seen the latest spec, and has come so far."""
        every = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 4)
        seen = self.site.server.read(self.backend)["metadata"]["generation"]
        self.site.server.set_status(self.backend, {"observedGeneration": seen, **every, **counts})

    @property
    def restarts(self) -> list[str]:
        """Of the frontend."""
        return self.site.frontend.mitigations

    async def held(self, life: Life | None = None) -> str:
        """What holds the second step up, now."""
        life = life or Life(self.site)
        await life.live(until=Phase.Mitigating)
        for _ in range(3):
            self.site.server.time.move(6)
            await life.tick()
        return self.site.status.message if self.site.status.reason == "DisruptionBudget" else self.site.status.reason


async def test_the_next_step_waits_for_the_rollout_of_the_one_before() -> None:
    pair = Pair()
    life = Life(pair.site)
    assert await pair.held(life) == (
        f"Step second held up by DisruptionBudget: {BESIDE}, is not rolled out, pods to go: 4 of 4; PodDisruptionBudget aureus is "
        "over pods of both, and one is changed at a time; lifted by the end of that rollout, an hour after its change, or "
        "guards.podDisruptionBudgets: Ignore for incidents planned from then on"
    )
    # It has all its pods for an instant between two of them.
    pair.pods(updatedReplicas=2)
    assert "pods to go: 2 of 4" in await pair.held(life) and pair.restarts == []
    pair.pods()
    await life.live(until=Phase.Verifying)
    assert len(pair.restarts) == 1


async def test_an_operator_that_was_started_anew_knows_of_it() -> None:
    pair = Pair()
    assert BESIDE in await pair.held()
    assert BESIDE in await pair.held(Life(pair.site, epoch=2)) and pair.restarts == []
    pair.pods()
    await Life(pair.site, epoch=3).live(until=Phase.Verifying)
    assert len(pair.restarts) == 1


def second_alone(playbook: Object) -> None:
    both(playbook)
    del playbook["spec"]["options"][0]["steps"][0]


def other(pair: Pair, **changes: Any) -> None:
    """Another Incident changed the backend a moment ago, and nobody sees it rolled out yet."""
    pair.pods(updatedReplicas=1)
    record = ChangeRecord("t", pair.backend.uid, pair.site.server.time.now(), "Deployment", "backend")
    account = pair.site.server.read(Ref("v1", "ServiceAccount", NAMESPACE, ACCOUNT))["metadata"]["uid"]
    beside(pair.site, **{"changes": (record,), "service_account": Pin(ACCOUNT, account), **changes})


async def test_what_another_incident_changed_is_waited_for_too() -> None:
    pair = Pair(second_alone)
    other(pair)
    life = Life(pair.site)
    waits = (
        f"DisruptionBudget: deployment/backend, which incident {NAMESPACE}/other-0 changes, is not rolled out, pods to go: 3 of 4"
    )
    assert waits in await pair.held(life)
    assert previews(pair.site)[0].startswith(f"would be held up now by {waits}"), "it is known when it is planned"
    pair.pods()
    await life.live(until=Phase.Verifying)
    assert len(pair.restarts) == 1


async def test_also_when_that_one_is_deleted_but_not_for_longer_than_an_hour() -> None:
    pair = Pair(second_alone)
    other(pair)
    life = Life(pair.site)
    life.world.forget((NAMESPACE, "other-0"))
    pair.site.server.time.move(3560)
    assert "pods to go: 3 of 4" in await pair.held(life)
    pair.site.server.time.move(40)
    await life.live(until=Phase.Verifying)
    assert len(pair.restarts) == 1


async def test_what_is_intended_counts_whole_for_it_may_be_written_at_any_moment() -> None:
    pair = Pair(second_alone)
    other(pair, steps=(StepRecord("undo", "undo", StepState.Intended, "t"),), phase=Phase.Mitigating,
          options=(OptionRecord("undo", OptionState.Running),))  # fmt: skip
    pair.pods()
    assert "pods to go: 4 of 4" in await pair.held()


@pytest.mark.parametrize("selector", [{"matchLabels": {"component": "frontend"}}, None])
async def test_who_is_not_under_the_same_budget_is_not_waited_for(selector: Object | None) -> None:
    pair = Pair(selector=selector)
    await Life(pair.site).live(until=Phase.Verifying)
    assert len(pair.restarts) == 1


async def reads(selector: Object | None) -> int:
    """How often the backend is read, which another incident changed and which is rolled out."""
    pair, asked = Pair(second_alone, selector=selector), []
    other(pair)
    pair.pods()
    pair.site.server.before_read.append(lambda _, ref: asked.append(ref.name))
    await Life(pair.site).live(until=Phase.Verifying)
    assert len(pair.restarts) == 1
    return asked.count("backend")


async def test_without_a_budget_over_the_target_nothing_more_is_read() -> None:
    assert await reads({"matchLabels": {"component": "backend"}}) == await reads(None) == await reads(ALL) - 2, "plan and step"


async def test_it_is_known_before_the_intent_is_stored() -> None:
    """Or two that ask in the same moment would both take what is left."""
    pair = Pair()
    life, seen = Life(pair.site), []

    def look(write: Write) -> None:
        if write.ref.name.startswith("stanch-before-"):
            assert not any(step.intended_at for step in pair.site.status.steps)
            seen.extend(life.world.lately.beside(pair.site.frontend.ref, pair.site.server.time.now()))

    pair.site.server.after_write.append(look)
    await life.tick()
    assert [(one.ref, one.open) for one in seen] == [(pair.backend, True)]


async def test_who_begins_while_the_others_are_read_is_found_too() -> None:
    pair = Pair(second_alone)
    other(pair)
    pair.pods()
    life, third = Life(pair.site), facts(name="third", uid="uid-third")
    account = pair.site.server.read(Ref("v1", "ServiceAccount", NAMESPACE, ACCOUNT))["metadata"]["uid"]
    document = pair.site.server.read(pair.backend)
    ref = pair.site.server.add({**document, "metadata": {"name": "cache", "namespace": NAMESPACE}})

    def begins(verb: str, read: Ref) -> None:
        if (verb, read.name) == ("get", "backend") and pair.site.locks():
            life.world.lately.begin(third, ref, Pin(ACCOUNT, account), pair.site.server.time.now())

    pair.site.server.before_read.append(begins)
    assert f"deployment/cache, which incident {NAMESPACE}/third changes, is not rolled out, pods to go: 4 of 4" in (
        await pair.held(life)
    )  # fmt: skip
    assert pair.restarts == []


async def test_what_cannot_be_read_holds_it_up_and_what_is_gone_does_not() -> None:
    pair = Pair(second_alone)
    other(pair)

    def forbid(_: str, ref: Ref) -> None:
        if ref.name == "backend":
            raise Refused("Forbidden", "deployments may not be read")

    life = Life(pair.site)
    await life.live(until=Phase.Mitigating)
    pair.site.server.before_read.append(forbid)
    message = await pair.held(life)
    unknown = f"whether deployment/backend, which incident {NAMESPACE}/other-0 changes, is rolled out: deployments may not be read"
    assert (
        f"how many pods it lets go is unknown: {unknown}" in message
        and "lifted by that it can be read" in message
        and pair.restarts == []
    )
    pair.site.server.before_read.remove(forbid)
    pair.site.server.remove(pair.backend)
    await life.live(until=Phase.Verifying)
    assert len(pair.restarts) == 1


async def test_nor_is_anything_taken_while_what_others_did_is_not_known() -> None:
    pair = Pair()
    life = Life(pair.site)

    def dark(write: Write) -> None:
        if write.ref == pair.backend:
            pair.pods()
            life.world.sight.illegible[NAMESPACE, "later"] = "it is of a later version"

    pair.site.server.after_write.append(dark)
    message = await pair.held(life)
    assert "how many pods it lets go is unknown: it is of a later version" in message and pair.restarts == []
    assert "lifted by a version of stanch that can read it" in message

"""Taking back in a whole operator: one effect for each token, and people where nobody knows what was there."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest

from stanch.api.base import API_VERSION
from stanch.domain.incident import Phase, RevertState
from stanch.domain.plan import Ref
from stanch.engine.errors import Conflict, Retryable
from stanch.engine.ports import Object
from tests.unit.memory import MemoryClusters, Write
from tests.unit.world import OPERATOR, Edit, Life, Site, lean
from tests.unit.world_gates import Gate, Op

BROKEN = {"name": "env", "expect": "the flag is off", "setEnv": {"target": "app", "set": {"RELEASE_BROKEN": "false"}}}
MORE = {"name": "more", "expect": "two more", "scale": {"target": "app", "by": 2}, "revert": {"after": "2h", "onRecovery": True}}
SHORT = {"revert": {"after": "8s", "onRecovery": False}}
SETTLE = {"name": "settle", "expect": "it has settled", "wait": {"for": "2s"}}


def steps(*said: Object) -> Edit:
    """A playbook with one option of these steps, which helps as soon as it is rolled out."""

    def edit(playbook: Object) -> None:
        lean(playbook)
        verify = [{"name": "rolled-out", "rollout": {"target": "app"}, "within": "2m"}]
        playbook["spec"]["options"] = [{"name": "both", "steps": copy.deepcopy([*said]), "verify": verify}]

    return edit


class LosesAnswer(Gate):
    """The answer of the write that makes three replicas is lost, once."""

    def __init__(self) -> None:
        self.site: Site | None = None
        self.lost = False

    async def after(self, op: Op) -> None:
        if op.kind == "write" and not self.lost and self.site and replicas(self.site) == 3:
            self.lost = True
            raise Retryable("Timeout", "no answer in time; whether it took effect is unknown", 10)


def replicas(site: Site) -> int:
    return site.frontend.deployment["spec"]["replicas"]


def made(edit: Edit) -> Site:
    """Without the world's own audit, which knows of steps only."""
    site = Site(edit)
    site.server.after_write[:] = [site.frontend._written]
    return site


async def test_a_due_revert_does_not_hide_a_step_whose_answer_was_lost() -> None:
    """A relative step that is done twice has made two too many."""
    gate = LosesAnswer()
    site = gate.site = made(steps(BROKEN | SHORT, MORE))
    life = Life(site, gate=gate)
    scaled: list[int] = []

    def note(write: Write) -> None:
        if write.ref.kind == "Deployment" and "replicas" in (write.body.get("spec") or {}):
            scaled.append(replicas(site))

    site.server.after_write.append(note)
    await life.live(Phase.Mitigated)
    assert gate.lost and scaled == [3] and replicas(site) == 3
    assert {record.step: record.state for record in site.status.reverts}["more"] is RevertState.Owed
    await life.live()
    assert site.status.phase is Phase.Resolved and scaled == [3, 1], "taken back once, to what there was"


class TakenBackUnheard(Gate):
    """The answer to what takes the flag back is lost, and the fence after it meets a conflict, once."""

    def __init__(self, site: Site) -> None:
        self.site, self.lost, self.met = site, False, False

    async def after(self, op: Op) -> None:
        broken = self.site.frontend.environment.get("RELEASE_BROKEN")
        if op.what == "patch deployment/frontend metadata spec" and broken == "true" and not self.lost:
            self.lost = True
            raise Retryable("Timeout", "no answer in time; whether it took effect is unknown", 1)

    async def before(self, op: Op) -> None:
        if op.what == "patch deployment/frontend metadata" and self.lost and not self.met:
            self.met = True
            raise Conflict("Conflict", "somebody else wrote first")


async def test_a_conflict_of_the_fence_does_not_say_that_nothing_was_taken_back() -> None:
    site = made(steps(BROKEN | SHORT))
    gate = TakenBackUnheard(site)
    await Life(site, gate=gate).live()
    (paid,) = site.status.reverts
    assert gate.met and paid.state is RevertState.Done and not paid.message.startswith("nothing of it"), paid
    assert site.frontend.environment["RELEASE_BROKEN"] == "true" and site.status.phase is Phase.Resolved


def suspend(site: Site, yes: bool) -> None:
    (policy,) = site.server.select(API_VERSION, "ResponsePolicy", "", "", "")
    site.server.patch(site.server.ref(policy), {"spec": {"suspended": yes}}, "", "", dry_run=False)


async def test_a_frozen_policy_stops_steps_and_not_what_is_owed() -> None:
    """A time box is a promise made before the freeze: whoever froze the policy counts on it."""
    site = made(steps(BROKEN | SHORT, SETTLE, MORE))
    life = Life(site)
    while site.frontend.environment.get("RELEASE_BROKEN") != "false":
        site.passes((await life.tick() or 0) + 0.001)
    (debt,) = site.status.reverts
    assert debt.state is RevertState.Owed and debt.due_at
    suspend(site, True)
    while site.status.reverts[0].state is not RevertState.Done:
        assert site.server.time.now() < debt.due_at + timedelta(seconds=5), f"not taken back in time: {site.status}"
        site.passes((await life.tick() or 0) + 0.001)
    (paid,) = site.status.reverts
    assert paid.done_at and paid.done_at >= debt.due_at, "not before its time"
    await life.tick()
    assert site.frontend.environment["RELEASE_BROKEN"] == "true", "taken back, to what was there"
    assert (site.status.phase, site.status.reason, replicas(site)) == (Phase.Mitigating, "Frozen", 1), "the step waits"
    suspend(site, False)
    await life.live(Phase.Mitigated)
    assert replicas(site) == 3, "it was held up by the freeze and by nothing else"


@pytest.mark.parametrize("how", ["gone", "changed"])
async def test_without_its_image_nobody_knows_what_was_there_and_people_are_called(how: str) -> None:
    site = made(steps(BROKEN | SHORT))
    life = Life(site)
    while not site.status.reverts or site.frontend.environment.get("RELEASE_BROKEN") != "false":
        site.passes((await life.tick() or 0) + 0.001)
    (debt,) = site.status.reverts
    image, own = Ref("v1", "Secret", OPERATOR, debt.image), MemoryClusters(site.server).own
    kept = await own.get(image)
    await own.delete(image)
    if how == "changed":
        await own.create(other_image(kept))
    delay: float | None = 0.0
    for _ in range(100):
        delay = await life.tick()
        (debt,) = site.status.reverts
        if debt.state is RevertState.Blocked and site.status.phase is Phase.Mitigated:
            break
        site.passes((delay or 0) + 0.001)
    site.passes(60)
    await life.tick()
    (debt,) = site.status.reverts
    assert debt.state is RevertState.Blocked and site.status.phase is Phase.Mitigated
    assert "both/env" in site.status.waits_for and "Confirm" in site.status.waits_for
    assert site.frontend.environment["RELEASE_BROKEN"] == "false", "nothing was written"
    assert sum("/revert/" in line.key for line in site.lines) == 1


def other_image(kept: Object) -> Object:
    """Of the same name, with other bytes: somebody restored it from elsewhere."""
    metadata = {key: value for key, value in kept["metadata"].items() if key in ("name", "namespace", "labels")}
    data: dict[str, Any] = {key: "e30=" for key in kept["data"]}
    return {**{key: kept[key] for key in ("apiVersion", "kind", "immutable") if key in kept}, "metadata": metadata, "data": data}

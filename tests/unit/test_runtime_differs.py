"""An approval is for the change that was shown: another one by the same step, on the same object, is asked about by itself."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from stanch.actions.effects import TOKEN
from stanch.actions.stable import STABLE_REVISION
from stanch.api import codec
from stanch.domain.decision import Verb
from stanch.domain.incident import OptionState, Phase, Status
from stanch.domain.plan import Plan
from stanch.engine.ports import Object
from stanch.engine.workload import revision_number
from stanch.runtime.case import plan_name
from tests.unit.world import NAMESPACE, Life, Site, body, quick

COMMANDER = "incident-commander"
ASKED = {"roles": {COMMANDER: 1}}
UNDO = {"name": "undo", "rolloutUndo": {"target": "app", "to": "Previous"}}
RESTART = {"name": "restart", "rolloutRestart": {"target": "app"}}
FLAG = {"name": "flag", "setConfig": {"target": "flags", "data": {"mode": "safe"}}}
MORE = {"name": "more", "scale": {"target": "app", "percent": 200}}
RUN = {"name": "run", "exec": {"target": "app", "argv": ["flush-cache"]}}


def option(name: str, *steps: Object, asked: bool = True) -> Object:
    verify = [{"name": "flags", "object": {"target": "flags", "expect": "true"}, "within": "2s"}]
    approval = {"approval": ASKED} if asked else {}
    return {"name": name, "steps": [{"expect": "it helps", **step} for step in copy.deepcopy(steps)], "verify": verify, **approval}


class Asked(Site):
    """The frontend, and a ConfigMap; an Incident whose options are these."""

    def __init__(self, *options: Object) -> None:
        def edit(playbook: Object) -> None:
            quick(playbook)
            playbook["spec"]["targets"].append({"name": "flags", "kind": "ConfigMap", "objectName": "flags"})
            playbook["spec"]["options"] = list(options)

        super().__init__(edit)
        self.flags = self.server.add({**body("v1", "ConfigMap", "flags"), "data": {"mode": "normal"}})
        self.server.after_write[:] = [self.frontend._written]

    def approve(self, life: Life, digest: str = "") -> None:
        status = self.status
        self.decide(Verb.Approve, life, option=status.option, role=COMMANDER, planDigest=digest or status.plan_digest)

    async def plan(self, life: Life) -> Plan:
        """As people read it."""
        digest = self.status.plan_digest
        return codec.plan_of(await life.world.plans.get(plan_name(self.incident_ref.uid, digest), digest))

    async def preview(self, life: Life, name: str) -> str:
        return (await self.plan(life)).step(name, name).preview

    def told(self) -> list[str]:
        return [line.result for line in self.lines if "/differs/" in line.key]


async def awaiting(*options: Object) -> tuple[Asked, Life]:
    site = Asked(*options)
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    await life.tick()
    return site, life


async def asked_anew(site: Asked, life: Life) -> Status:
    """What was said yes to is not done, and what would be done is shown."""
    before = site.status
    await life.live(Phase.AwaitingApproval)
    for _ in range(3):
        await life.tick()
    status = site.status
    assert (status.phase, status.attempt, status.approvals) == (Phase.AwaitingApproval, 1, ())
    assert status.plan_digest != before.plan_digest and status.waits_for == f"{COMMANDER} 0/1"
    return status


class TestPrevious:
    @pytest.mark.requirement("A-13")
    async def test_rolled_out_again_while_it_waits_the_old_yes_does_not_lead_back_to_the_broken_release(self) -> None:
        site, life = await awaiting(option("undo", UNDO))
        site.frontend.release("v3")
        site.approve(life)
        await asked_anew(site, life)
        assert site.frontend.environment == {"FRONTEND_VERSION": "v3"} and site.frontend.mitigations == []
        (told,) = site.told()
        assert "step undo would now do: revision 3 -> 2" in told and "what was shown: revision 2 -> 1" in told
        assert f"approvals that do not count any more: carol ({COMMANDER})" in told
        site.approve(life)
        await life.live(Phase.Resolved)
        assert site.frontend.environment["FRONTEND_VERSION"] == "v2", "that is what was shown then, and approved"
        assert site.verified().ok

    async def test_rolled_out_while_an_approved_option_is_held_up(self) -> None:
        site, life = await awaiting(option("undo", UNDO))
        freeze(site, True)
        site.approve(life)
        await life.live(Phase.Mitigating)
        await life.tick()
        assert site.status.reason == "Frozen"
        site.frontend.release("v3")
        freeze(site, False)
        await asked_anew(site, life)
        assert site.frontend.mitigations == []

    async def test_a_glass_is_broken_for_what_was_shown_only(self) -> None:
        site, life = await awaiting(option("undo", UNDO))
        site.frontend.release("v3")
        status = site.status
        site.decide(Verb.BreakGlass, life, option="undo", planDigest=status.plan_digest, ticket="OPS-1")
        await asked_anew(site, life)
        assert site.frontend.mitigations == [] and "carol (BreakGlass, ticket OPS-1)" in site.told()[0]

    async def test_without_approval_it_is_planned_on_what_is_there(self) -> None:
        site = Asked(option("flag", FLAG), option("undo", UNDO, asked=False))
        life = Life(site)
        await life.live(Phase.AwaitingApproval)
        site.frontend.release("v3")
        site.decide(Verb.Reject, life, option="flag", role=COMMANDER, planDigest=site.status.plan_digest)
        await life.live(Phase.Resolved)
        assert site.frontend.environment["FRONTEND_VERSION"] == "v2" and site.told() == []

    async def test_who_looks_sees_it_within_a_minute(self) -> None:
        site, life = await awaiting(option("undo", UNDO))
        site.frontend.release("v3")
        site.passes(60)
        await asked_anew(site, life)
        assert "revision 3 -> 2" in await site.preview(life, "undo")


def freeze(site: Site, yes: bool) -> None:
    (policy,) = site.server.select("stanch.dev/v1alpha1", "ResponsePolicy", "", "", "")
    site.server.patch(site.server.ref(policy), {"spec": {"suspended": yes}}, "", "", dry_run=False)


@pytest.mark.requirement("A-13")
async def test_what_is_marked_stable_after_the_yes_is_not_what_was_approved() -> None:
    step = {"name": "undo", "rolloutUndo": {"target": "app", "to": "LastStable"}}
    site = Asked(option("undo", step))
    site.frontend.release("v3")
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    assert (await site.preview(life, "undo")).startswith("would be refused now: nobody can tell")
    mark_stable(site, 1)
    await asked_anew(site, life)
    site.approve(life)
    mark_stable(site, 2)
    await asked_anew(site, life)
    assert site.frontend.mitigations == [] and site.told()[-1].startswith("step undo would now do: revision 3 -> 2")


def mark_stable(site: Asked, revision: int) -> None:
    site.frontend.edit({"metadata": {"annotations": {STABLE_REVISION: str(revision)}}})
    site.passes(60)


async def test_a_share_is_of_what_was_shown() -> None:
    site, life = await awaiting(option("more", MORE))
    site.frontend.edit({"spec": {"replicas": 3}})
    site.approve(life)
    await asked_anew(site, life)
    assert site.frontend.deployment["spec"]["replicas"] == 3
    assert "step more would now do: replicas 3 -> 6; what was shown: replicas 1 -> 2" in site.told()[0]
    site.approve(life)
    await life.live(Phase.Resolved)
    assert site.frontend.deployment["spec"]["replicas"] == 6


class TestRefusedWhenPlanned:
    async def test_what_was_never_shown_is_not_run_once_it_is_possible(self) -> None:
        """Nobody's yes is for a command in a pod that was not there."""
        site = Asked(option("run", RUN))
        ready(site, False)
        life = Life(site)
        await life.live(Phase.AwaitingApproval)
        assert (await site.preview(life, "run")).startswith("would be refused now: ")
        ready(site, True)
        site.approve(life)
        status = await asked_anew(site, life)
        assert "what was shown: would be refused now: " in status.message and "run flush-cache in" in status.message
        ready(site, False)
        site.passes(61)
        await life.tick()
        ready(site, True)
        site.passes(61)
        await life.tick()
        assert site.status.plan_digest == status.plan_digest, "shown once, however often it is possible and not"

    async def test_it_is_refused_as_long_as_it_is_not_possible(self) -> None:
        site = Asked(option("run", RUN))
        ready(site, False)
        life = Life(site)
        await life.live(Phase.AwaitingApproval)
        site.approve(life)
        await life.live(Phase.Escalated)
        assert site.options == {"run": "Failed"} and "NoReadyPod" in site.status.message


def ready(site: Site, yes: bool) -> None:
    for pod in site.server.select("v1", "Pod", NAMESPACE, "", ""):
        status = {**pod["status"], "conditions": [{"type": "Ready", "status": str(yes)}]}
        site.server.set_status(site.server.ref(pod), status)


class TestStaysApproved:
    async def test_what_the_step_does_not_write_may_change(self) -> None:
        variable = {"name": "set", "setEnv": {"target": "app", "set": {"BYPASS": "true"}}}
        site, life = await awaiting(option("set", variable, FLAG))
        digest = site.status.plan_digest
        site.frontend.edit({"metadata": {"annotations": {"team": "shop"}, "labels": {"a": "b"}}, "spec": {"replicas": 2}})
        site.frontend.release("v3", COLOUR="blue")
        site.server.patch(site.flags, {"data": {"other": "key"}}, "", "", dry_run=False)
        site.approve(life)
        await life.live(Phase.Resolved)
        assert site.status.plan_digest == digest and site.told() == []
        assert site.frontend.environment == {"FRONTEND_VERSION": "v3", "COLOUR": "blue", "BYPASS": "true"}

    async def test_an_option_before_it_that_restarted_the_same_release(self) -> None:
        site = Asked(option("restart", {**RESTART, "smoke": [NEVER]}, asked=False), option("undo", UNDO))
        life = Life(site)
        await life.live(Phase.AwaitingApproval)
        site.approve(life)
        await life.live(Phase.Resolved)
        assert site.told() == [] and site.frontend.environment["FRONTEND_VERSION"] == "v1"

    async def test_who_waits_under_a_plan_of_an_earlier_version_goes_on(self) -> None:
        """Its steps do not say what they would change."""
        site, life = await awaiting(option("more", MORE))
        old = await older(site, life)
        life = Life(site, 2)
        site.frontend.edit({"spec": {"replicas": 3}})
        site.approve(life)
        await life.live(Phase.Resolved)
        assert site.status.plan_digest == old and site.frontend.deployment["spec"]["replicas"] == 6


NEVER = {"name": "never", "object": {"target": "flags", "expect": "false"}, "within": "1s"}


async def older(site: Asked, life: Life) -> str:
    """The plan as the version before would have stored it; returns its digest."""
    plan = await site.plan(life)
    options = [replace(one, steps=tuple(replace(step, change="") for step in one.steps)) for one in plan.options]
    data = codec.plan_to_bytes(replace(plan, options=tuple(options))).replace(b'"change":"",', b"")
    digest = await life.world.plans.put(plan_name(site.incident_ref.uid, codec.digest(data)), data, {})
    site.server.set_status(site.incident_ref, site.incident["status"] | {"planDigest": digest})
    return digest


class TestAfterOtherSteps:
    async def test_an_option_is_shown_on_what_the_one_before_it_has_left(self) -> None:
        """Nobody is asked about what was so before it."""
        first = option("double", {**MORE, "smoke": [NEVER]}, asked=False)
        site = Asked(first, option("again", {**MORE, "name": "again"}))
        life = Life(site)
        await life.live(Phase.AwaitingApproval)
        await life.tick()
        assert "replicas 2 -> 4" in await site.preview(life, "again") and len(site.told()) == 1
        site.approve(life)
        await life.live(Phase.Resolved)
        assert site.status.attempt == 1 and site.frontend.deployment["spec"]["replicas"] == 4

    async def test_another_object_that_is_changed_in_between_is_left_alone(self) -> None:
        site, life = await awaiting(option("both", FLAG, MORE))
        site.server.after_write.append(lambda write: write.ref == site.flags and site.frontend.edit({"spec": {"replicas": 3}}))
        site.approve(life)
        await life.live(Phase.Escalated)
        (record,) = site.status.options
        assert record.state is OptionState.Failed and "ChangeDiffers: step more would now do: replicas 3 -> 6" in record.message
        assert site.frontend.deployment["spec"]["replicas"] == 3

    async def test_an_object_that_the_option_changed_itself_is_taken_as_it_has_made_it(self) -> None:
        site, life = await awaiting(option("twice", MORE, {**MORE, "name": "again"}))
        site.approve(life)
        await life.live(Phase.Resolved)
        assert site.frontend.deployment["spec"]["replicas"] == 4 and site.told() == []


async def test_what_an_option_before_has_tried_is_passed_over_where_it_is_shown_as_where_it_is_run() -> None:
    """That follows from the step's own token."""
    site = Asked(option("flag", {**FLAG, "smoke": [NEVER]}, asked=False), option("undo", UNDO))
    site.frontend.release("v3", RELEASE_BROKEN="true")
    (second,) = [one for one in site.server.select("apps/v1", "ReplicaSet", NAMESPACE, "", "") if revision_number(one) == 2]
    token = {"annotations": {TOKEN: f"{site.incident_ref.uid}/1/flag/flag"}}
    site.server.patch(site.server.ref(second), {"metadata": token}, "", "", dry_run=False)
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    assert "revision 3 -> 1" in await site.preview(life, "undo")
    site.approve(life)
    await life.live(Phase.Resolved)
    assert site.told() == [] and site.frontend.environment["FRONTEND_VERSION"] == "v1"

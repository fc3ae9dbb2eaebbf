"""How an incident ends that does not go straight through: deleted, aborted before it was planned, resumed, its plan lost."""

from __future__ import annotations

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import FORMAT_VERSION, Phase, StepState
from stanch.domain.plan import Ref
from stanch.engine.errors import Conflict, Refused, Retryable
from stanch.engine.ports import Object
from stanch.engine.recovering import rests
from stanch.packs.verify import verify
from tests.unit.memory import Write
from tests.unit.packs_shelf import shelf
from tests.unit.world import NAMESPACE, OPERATOR, Life, Site, needs_commander, quick
from tests.unit.world_gates import Gate, Op


async def awaiting() -> tuple[Site, Life]:
    """Restarted in vain; the next option waits for the commander, and the target is locked."""
    site = Site(needs_commander)
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    assert site.locks()
    return site, life


async def test_deleted_incident_gives_back_and_its_pack_is_sealed_before_it_goes() -> None:
    site, life = await awaiting()
    site.server.delete(site.incident_ref, "")
    await life.live()
    assert site.gone and site.locks() == []
    (pack,) = (shelf().lay(site.memory.objects) / NAMESPACE).iterdir()
    found = verify(pack)
    assert found.ok, found.problems
    assert site.lines[-1].action == "Abort"


async def test_deleted_incident_goes_though_its_pack_cannot_be_sealed_any_more() -> None:
    site, life = await awaiting()
    first = next(key for key in site.memory.objects if key.endswith("chain/000001.json"))
    site.memory.objects[first] = b"{}"
    site.server.delete(site.incident_ref, "")
    await life.live()
    assert site.gone and site.locks() == []


@pytest.mark.parametrize("verb", [Verb.Abort, Verb.Close])
async def test_incident_that_was_never_planned_says_where_its_pack_is_and_rests(verb: Verb) -> None:
    def suspended(playbook: Object) -> None:
        playbook["spec"]["suspend"] = True

    site = Site(suspended)
    life = Life(site)
    assert await life.tick() == 30.0, "looked at again by itself"
    assert site.status.phase is Phase.Waiting and site.status.waits_for == "alice"
    site.decide(verb, life)
    await life.live()
    assert site.status.phase in {Phase.Aborted, Phase.Closed} and rests(site.status)
    found = site.verified()
    assert found.ok and found.entries == len(site.lines) >= 2, found.problems


async def test_resumed_incident_does_not_keep_the_last_plan_s_targets_locked() -> None:
    def only_restart(playbook: Object) -> None:
        quick(playbook)
        del playbook["spec"]["options"][1]

    site = Site(only_restart)
    life = Life(site)
    await life.live()
    assert site.status.phase is Phase.Escalated and site.locks()
    playbook = Ref("stanch.dev/v1alpha1", "Playbook", NAMESPACE, "frontend-down")
    target = site.server.read(playbook)["spec"]["targets"][0]
    elsewhere = {"name": "app", "kind": "Deployment", "objectName": "backend"}
    site.server.patch(playbook, {"spec": {"targets": [elsewhere]}}, "", "", dry_run=False)
    site.decide(Verb.Resume, life)
    await life.tick()
    assert site.status.phase is Phase.Waiting and site.status.reason == "TargetNotFound"
    assert site.locks() == [] and not site.status.locked
    site.server.patch(playbook, {"spec": {"targets": [target]}}, "", "", dry_run=False)
    site.frontend.release("v3")
    await life.live()
    assert site.status.phase is Phase.Resolved
    uid = site.incident_ref.uid
    assert site.frontend.mitigations == [f"{uid}/1/restart/restart", f"{uid}/2/restart/restart"], "planned anew, done anew"


class AtIntent(Gate):
    """The answer to each mitigation's write is lost; whether it arrives is up to the test."""

    async def before(self, op: Op) -> None:
        if op.what == "patch deployment/frontend metadata spec":
            raise Retryable("Timeout", "no answer")


async def intended() -> tuple[Site, Life]:
    site = Site()
    life = Life(site, gate=AtIntent())
    await life.tick()
    assert site.status.steps[0].state is StepState.Intended
    return site, life


async def test_write_still_under_way_does_not_arrive_after_it_was_observed_not_to_be_there() -> None:
    """Twice in one epoch: the second fence moves the target's version on as well."""
    site, life = await intended()
    await life.tick()
    step = site.status.steps[0]
    assert (step.state, step.attempts) == (StepState.Intended, 2)
    site.decide(Verb.Abort, life)
    await life.live()
    assert site.status.phase is Phase.Aborted and site.status.steps[0].state is StepState.Failed
    late = {"metadata": {"annotations": {"stanch.dev/token": step.token}}}
    with pytest.raises(Conflict):
        site.server.patch(site.frontend.ref, late, step.resource_version, "", dry_run=False)


def lose_plan(site: Site) -> None:
    name = next(item["metadata"]["name"] for item in site.server.select("v1", "ConfigMap", OPERATOR, "", "")
                if item["metadata"]["name"].startswith("stanch-plan-"))  # fmt: skip
    site.server.remove(Ref("v1", "ConfigMap", OPERATOR, name))


def as_format_2(site: Site) -> None:
    """With its plan in a Secret, as the version before kept it."""
    (plan,) = site.server.select("v1", "ConfigMap", OPERATOR, "", "")
    metadata = {key: plan["metadata"][key] for key in ("name", "namespace", "labels")}
    site.server.add({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": plan["binaryData"], "immutable": True})
    lose_plan(site)
    site.server.set_status(site.incident_ref, {**site.incident["status"], "formatVersion": 2})


async def test_plan_that_the_version_before_kept_as_a_secret_is_gone_on_with() -> None:
    site, _ = await awaiting()
    as_format_2(site)
    life = Life(site, 2)
    site.decide(Verb.Approve, life, option="undo", role="incident-commander", planDigest=site.status.plan_digest)
    await life.live()
    assert site.status.phase is Phase.Resolved and site.status.attempt == 1
    assert site.incident["status"]["formatVersion"] == FORMAT_VERSION
    assert site.server.select("v1", "ConfigMap", OPERATOR, "", "") == []


async def test_plan_that_is_gone_ends_the_incident_with_a_reason_and_frees_what_it_held() -> None:
    site, _ = await awaiting()
    lose_plan(site)
    await Life(site, 2).live()
    assert site.status.phase is Phase.Failed and site.status.reason == "PlanLost"
    assert site.locks() == [] and rests(site.status)


@pytest.mark.parametrize("kind", ["configmap", "secret"])
async def test_plan_that_may_not_be_read_is_not_taken_for_gone(kind: str) -> None:
    class Forbidden(Gate):
        async def before(self, op: Op) -> None:
            if op.what.startswith(f"get {kind}/stanch-plan-"):
                raise Refused("Forbidden", "the operator's Role was changed")

    site, _ = await awaiting()
    if kind == "secret":
        as_format_2(site)
    assert await Life(site, 2, Forbidden()).tick() == 30.0
    assert site.status.phase is Phase.AwaitingApproval


async def test_abort_ends_though_the_plan_is_gone_and_says_what_is_not_known() -> None:
    site, life = await intended()
    site.decide(Verb.Abort, life)

    def no_answer(write: Write) -> None:
        if write.ref.kind == "Deployment":
            raise Retryable("Timeout", "no answer")

    site.server.before_write.append(no_answer)
    await life.tick()
    assert site.status.phase is Phase.Aborting
    lose_plan(site)
    await Life(site, 2).live()
    assert site.status.phase is Phase.Aborted and "not known" in site.status.steps[0].message

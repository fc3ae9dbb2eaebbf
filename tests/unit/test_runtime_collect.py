"""What is over leaves the cluster after its policy's retention; its pack stays."""

from __future__ import annotations

from datetime import timedelta

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from stanch.domain.plan import Ref
from stanch.engine.errors import Retryable
from stanch.engine.ports import Object
from stanch.packs.verify import verify
from stanch.runtime.sweeper import deleted_at, wants_tick
from tests.unit.packs_shelf import shelf
from tests.unit.world import NAMESPACE, OPERATOR, Edit, Life, Site, body, needs_commander
from tests.unit.world_gates import Gate, Op

WEEK = timedelta(days=7)
KINDS = ("ConfigMap", "Secret")


def keeping(retention: str = "168h", edit: Edit = needs_commander) -> Site:
    site = Site(edit)
    (policy,) = site.server.select("stanch.dev/v1alpha1", "ResponsePolicy", "", "", "")
    ref = Ref("stanch.dev/v1alpha1", "ResponsePolicy", "", policy["metadata"]["name"])
    patch = {"spec": {"retention": {"incidents": retention} if retention else None}}
    site.server.patch(ref, patch, "", "", dry_run=False)
    return site


def suspended(playbook: Object) -> None:
    playbook["spec"]["suspend"] = True


async def closed(site: Site, life: Life) -> None:
    await life.live(Phase.AwaitingApproval)
    site.decide(Verb.Abort, life)
    await life.live(Phase.Aborted)
    await life.tick()


def records(site: Site, kind: str) -> list[str]:
    return [record["metadata"]["name"] for record in site.server.select("v1", kind, OPERATOR, "", "")]


async def test_after_its_retention_it_goes_with_its_decisions_plans_and_before_images_and_its_pack_stays() -> None:
    site = keeping()
    for kind in KINDS:
        site.server.add({**body("v1", kind, "other"), "metadata": {"name": "other", "namespace": OPERATOR}})
    life = Life(site)
    await closed(site, life)
    manifest, since = site.status.pack.manifest, site.status.delete_at
    assert since == site.server.time.now() + WEEK and site.said() and all(len(records(site, kind)) > 1 for kind in KINDS)
    assert not wants_tick(site.incident) and deleted_at(site.incident) == since, "until then it costs nothing but a timer"
    site.passes(WEEK.total_seconds() - 1)
    await life.tick()
    assert not site.gone
    site.passes(2)
    await life.tick()
    assert site.gone and site.said() == [] and all(records(site, kind) == ["other"] for kind in KINDS)
    (pack,) = (shelf().lay(site.memory.objects) / NAMESPACE).iterdir()
    assert verify(pack, expected_manifest=manifest).ok if manifest else False


@pytest.mark.parametrize("resolved_before", [False, True], ids=["refused", "came back"])
async def test_what_was_never_planned_goes_too(resolved_before: bool) -> None:
    """By the policy's retention as it was when last looked at: no plan has pinned any."""
    site = keeping(edit=needs_commander if resolved_before else suspended)
    if resolved_before:
        await closed(site, Life(site))
        site.server.set_status(site.incident_ref, {})
    life = Life(site, 2)
    await life.live(Phase.Waiting)
    site.decide(Verb.Close, life)
    await life.live(Phase.Closed)
    await life.tick()
    assert site.status.delete_at == site.server.time.now() + WEEK
    site.passes(WEEK.total_seconds() + 1)
    await life.live()
    assert site.gone and site.said() == []


async def test_without_retention_it_stays_for_good() -> None:
    site = keeping("")
    life = Life(site)
    await closed(site, life)
    site.passes(100 * WEEK.total_seconds())
    assert await life.tick() is None and not site.gone and site.said()


async def test_decision_about_another_incident_of_the_name_stays() -> None:
    site = keeping()
    other = body("stanch.dev/v1alpha1", "Decision", "other")
    reference = {"name": site.incident_ref.name, "uid": "another"}
    other["spec"] = {"incidentRef": reference, "verb": "Note", "by": "carol", "reason": "because"}
    life = Life(site)
    await closed(site, life)
    site.server.add(other)
    site.passes(WEEK.total_seconds() + 1)
    await life.tick()
    assert site.gone and [said["metadata"]["name"] for said in site.said()] == ["other"]


class FailsOnce(Gate):
    def __init__(self, what: str) -> None:
        self.what, self.failed = what, False

    async def before(self, op: Op) -> None:
        if not self.failed and self.what in op.what:
            self.failed = True
            raise Retryable("ServerTimeout", "no answer")


async def test_it_goes_last_so_that_what_was_left_is_collected_again() -> None:
    for what in ("delete secret", "patch decision", "delete incident"):
        site = keeping()
        await closed(site, Life(site))
        site.passes(WEEK.total_seconds() + 1)
        gate = FailsOnce(what)
        life = Life(site, 2, gate)
        await life.live()
        assert gate.failed and site.gone and site.said() == [] and not any(records(site, kind) for kind in KINDS)

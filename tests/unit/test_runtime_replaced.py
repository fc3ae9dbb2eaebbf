"""A Deployment is deleted and applied anew while its approval is awaited: what was approved is not done to the new one."""

from __future__ import annotations

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from stanch.engine.ports import Object
from tests.unit.world import ACCOUNT, NAMESPACE, Life, Site, quick

COMMANDER = "incident-commander"


def approved_restart(playbook: Object) -> None:
    """One option, which needs the commander."""
    quick(playbook)
    options = playbook["spec"]["options"]
    options[0]["approval"] = {"roles": {COMMANDER: 1}}
    del options[1:]


async def awaiting() -> tuple[Site, Life]:
    site = Site(approved_restart)
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    return site, life


def approve(site: Site, life: Life) -> None:
    site.decide(Verb.Approve, life, option="restart", role=COMMANDER, planDigest=site.status.plan_digest)


@pytest.mark.requirement("A-15")
async def test_the_new_one_is_planned_and_approved_by_itself() -> None:
    site, life = await awaiting()
    digest, uid = site.status.plan_digest, site.frontend.ref.uid
    approve(site, life)
    site.frontend.recreate()
    await life.live(Phase.AwaitingApproval)
    await life.tick()
    status = site.status
    assert site.frontend.mitigations == [] and (status.phase, status.attempt) == (Phase.AwaitingApproval, 2)
    assert status.approvals == () and status.plan_digest != digest and status.waits_for == f"{COMMANDER} 0/1"
    assert [target.ref.uid for target in status.targets] == [site.frontend.ref.uid] != [uid]
    (told,) = [line for line in site.lines if line.key == "1/option/restart/replaced"]
    assert f"deployment/frontend was created anew (UID {site.frontend.ref.uid}, the plan is about {uid})" in told.result
    assert f"approvals that do not count any more: carol ({COMMANDER})" in told.result
    approve(site, life)
    await life.live(Phase.Resolved)
    assert site.frontend.mitigations == [f"{site.incident_ref.uid}/2/restart/restart"]
    assert site.verified().ok


async def test_one_that_stays_goes_on_with_what_was_approved() -> None:
    site, life = await awaiting()
    site.frontend.release("v3")
    approve(site, life)
    await life.live(Phase.Resolved)
    assert site.status.attempt == 1 and site.frontend.mitigations == [f"{site.incident_ref.uid}/1/restart/restart"]


async def test_nobody_looked_while_it_may_not_be_read() -> None:
    site, life = await awaiting()
    user = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
    site.server.restrict(user)
    approve(site, life)
    assert await life.tick() == 30.0 and site.frontend.mitigations == []
    assert site.status.phase is Phase.AwaitingApproval and "cannot be looked at" in site.status.message
    site.server.permit_all(user)
    await life.live(Phase.Resolved)
    assert site.frontend.mitigations == [f"{site.incident_ref.uid}/1/restart/restart"]


async def test_one_that_went_between_approval_and_write_is_asked_about_again() -> None:
    """A guard, or a lock, may hold the step up for long after people have said yes."""
    site, life = await awaiting()
    (policy,) = site.server.select("stanch.dev/v1alpha1", "ResponsePolicy", "", "", "")
    site.server.patch(site.server.ref(policy), {"spec": {"suspended": True}}, "", "", dry_run=False)
    approve(site, life)
    await life.live(Phase.Mitigating)
    await life.tick()
    assert site.status.reason == "Frozen"
    site.frontend.recreate()
    site.server.patch(site.server.ref(policy), {"spec": {"suspended": False}}, "", "", dry_run=False)
    await life.live(Phase.AwaitingApproval)
    assert site.status.attempt == 2 and site.status.approvals == () and site.frontend.mitigations == []

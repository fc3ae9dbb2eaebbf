"""Who keeps a target as Git says, in a whole operator: suspended before the change, given back after it, never fought."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from stanch.actions.owners import INSTANCE
from stanch.actions.suspend_owner import SUSPENDED_BY
from stanch.api.base import API_VERSION
from stanch.domain.decision import Verb
from stanch.domain.incident import Phase, RevertState
from stanch.domain.plan import Ref
from stanch.engine.ports import Object
from tests.unit.memory import Write, custom
from tests.unit.memory.objects import merged
from tests.unit.test_runtime_crash import CrashAt, lives
from tests.unit.test_runtime_reverts import replicas
from tests.unit.world import Edit, Life, Site, lean
from tests.unit.world_gates import Gate, Op

pytestmark = pytest.mark.requirement("D-06")

AUTOMATED = {"prune": True, "selfHeal": True}
ARGO = Ref("argoproj.io/v1alpha1", "Application", "argocd", "shop")
FLUX = Ref("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "flux-system", "shop")
MARKS = {
    "Application": {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:aureus/frontend"}},
    "Kustomization": {
        "labels": {"kustomize.toolkit.fluxcd.io/name": "shop", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
    },
}
# As Argo CD marks it where it tracks by label.
LABELLED = {"labels": {INSTANCE: "shop"}, "managedFields": [{"manager": "argocd-controller", "operation": "Update"}]}
MORE = {"name": "more", "expect": "two more", "onOwnerConflict": "SuspendOwner", "scale": {"target": "app", "by": 2}}
TEMPORARY = MORE | {"revert": {"onRecovery": True}}


def playbook(*steps: Object, fails: bool = False) -> Edit:
    def edit(document: Object) -> None:
        lean(document)
        spec = document["spec"]
        verify = [{"name": "rolled-out", "rollout": {"target": "app"}, "within": "2m"}]
        never = [{"name": "never", "http": {"service": "frontend", "port": "8080", "path": "/nowhere"}, "within": "2s"}]
        spec["options"] = [{"name": "only", "steps": copy.deepcopy([*steps]), "verify": never if fails else verify}]
        spec["recovery"] = {"verify": copy.deepcopy(verify)}

    return edit


def owned(
    *steps: Object, by: Ref = ARGO, mark: Object | None = None, listed: bool = True, gate: Gate | None = None, **how: Any
) -> tuple[Site, Life]:
    def edit(document: Object) -> None:
        playbook(*steps, **how)(document)
        document["spec"]["targets"][0]["owner"] = {"kind": by.kind, "name": by.name}

    site = Site(edit)
    site.server.after_write[:] = [site.frontend._written]
    site.server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": by.namespace}})
    site.server.register(custom(by.kind, f"{by.kind.lower()}s", by.api_version))
    spec = {"syncPolicy": {"automated": dict(AUTOMATED)}} if by is ARGO else {"path": "./shop"}
    site.server.add(
        {"apiVersion": by.api_version, "kind": by.kind, "metadata": {"name": by.name, "namespace": by.namespace}, "spec": spec}
    )
    site.server.add(merged(site.frontend.deployment, {"metadata": mark or MARKS[by.kind]}))
    if listed:
        (policy,) = site.server.select(API_VERSION, "ResponsePolicy", "", "", "")
        outside = [{"kind": by.kind, "namespace": by.namespace, "names": [by.name]}]
        edit_object(site, site.server.ref(policy), {"spec": {"outside": outside}})
    return site, Life(site, gate=gate)


def edit_object(site: Site, ref: Ref, patch: Object) -> None:
    site.server.patch(ref, patch, "", "", dry_run=False)


def suspended(site: Site, by: Ref = ARGO) -> bool:
    spec = site.server.read(by)["spec"]
    return "automated" not in spec["syncPolicy"] if by is ARGO else spec.get("suspend") is True


def order(site: Site, by: Ref = ARGO) -> list[str]:
    """What happens at the API server, as it happens."""
    seen: list[str] = []

    def note(write: Write) -> None:
        if write.ref.kind in (by.kind, "Deployment") and "spec" in write.body:
            seen.append(f"{write.ref.kind} {'suspended' if suspended(site, by) else 'active'} replicas {replicas(site)}")

    site.server.after_write.append(note)
    return seen


@pytest.mark.parametrize(("by", "mark"), [(ARGO, None), (ARGO, LABELLED), (FLUX, None)], ids=["argo", "argo by label", "flux"])
async def test_suspended_before_the_change_and_given_back_after_it_was_taken_back(by: Ref, mark: Object | None) -> None:
    site, life = owned(TEMPORARY, by=by, mark=mark)
    before, seen = site.server.read(by), order(site, by)
    await life.live(Phase.Resolved)
    kind = by.kind
    assert seen == [f"{kind} suspended replicas 1", "Deployment suspended replicas 3", "Deployment suspended replicas 1",
                    f"{kind} active replicas 1"]  # fmt: skip
    after = site.server.read(by)
    assert after["spec"] == before["spec"] and SUSPENDED_BY not in after["metadata"]["annotations"]
    assert {r.step: r.state for r in site.status.reverts} == {"more-owner": RevertState.Done, "more": RevertState.Done}
    assert site.locks() == []


async def test_while_suspended_it_says_by_whom() -> None:
    site, life = owned(TEMPORARY)
    while replicas(site) == 1:
        site.passes((await life.tick() or 0) + 0.001)
    marks = site.server.read(ARGO)["metadata"]["annotations"]
    assert marks[SUSPENDED_BY] == "aureus/frontend-502" and "recovered" in marks["stanch.dev/suspended-for"]


async def test_where_the_change_stays_a_person_says_when_it_is_given_back() -> None:
    """It would apply what Git says, and undo what helped."""
    site, life = owned(MORE)
    await life.live()
    assert suspended(site) and replicas(site) == 3, "nobody undoes what helped"
    assert site.status.phase is Phase.Mitigated and "more-owner" in site.status.waits_for
    (debt,) = site.status.reverts
    assert debt.state is RevertState.Conflict and "Git" in debt.message
    site.decide(Verb.Revert, life, option="only", step="more-owner")
    await life.live(Phase.Resolved)
    assert not suspended(site) and replicas(site) == 3


async def test_who_takes_it_over_keeps_it_suspended() -> None:
    site, life = owned(MORE)
    await life.live()
    site.decide(Verb.Confirm, life, option="only", step="more-owner")
    await life.live(Phase.Resolved)
    assert suspended(site) and site.status.reverts[0].state is RevertState.Released


async def test_suspended_by_a_person_it_stays_so() -> None:
    site, life = owned(TEMPORARY, by=FLUX)
    edit_object(site, FLUX, {"spec": {"suspend": True}})
    await life.live(Phase.Resolved)
    assert suspended(site, FLUX) and replicas(site) == 1
    assert SUSPENDED_BY not in (site.server.read(FLUX)["metadata"].get("annotations") or {})


async def test_resumed_by_somebody_else_it_is_told_and_not_fought() -> None:
    site, life = owned(TEMPORARY)
    while replicas(site) == 1:
        site.passes((await life.tick() or 0) + 0.001)
    edit_object(site, ARGO, {"spec": {"syncPolicy": {"automated": dict(AUTOMATED)}}})
    await life.live(Phase.Resolved)
    (debt,) = [record for record in site.status.reverts if record.step == "more-owner"]
    assert debt.state is RevertState.Done and "resumed by somebody else" in debt.message
    assert not suspended(site) and SUSPENDED_BY not in site.server.read(ARGO)["metadata"]["annotations"]


async def test_resumed_in_another_way_it_is_left_as_it_is_and_people_are_called() -> None:
    site, life = owned(TEMPORARY)
    while replicas(site) == 1:
        site.passes((await life.tick() or 0) + 0.001)
    edit_object(site, ARGO, {"spec": {"syncPolicy": {"automated": {"prune": False}}}})
    await life.live()
    assert site.server.read(ARGO)["spec"]["syncPolicy"]["automated"] == {"prune": False}
    assert "Revert or Confirm of only/more-owner" in site.status.waits_for


class ResumedAtOnce(Gate):
    """Somebody, or a controller above it, resumes the owner right after it was suspended."""

    def __init__(self) -> None:
        self.site: Site | None = None

    async def after(self, op: Op) -> None:
        if op.kind == "write" and self.site is not None and suspended(self.site):
            edit_object(self.site, ARGO, {"spec": {"syncPolicy": {"automated": dict(AUTOMATED)}}})


async def test_resumed_before_the_change_the_change_is_not_made() -> None:
    gate = ResumedAtOnce()
    site, life = owned(TEMPORARY, gate=gate)
    gate.site = site
    await life.live()
    assert replicas(site) == 1 and "OwnedByReconciler" in site.status.options[0].message
    assert not suspended(site) and site.status.open_reverts == 0


class Dies(Exception):
    pass


class DiesAfterSuspending(Gate):
    def __init__(self) -> None:
        self.site: Site | None = None

    async def after(self, op: Op) -> None:
        if op.kind == "write" and self.site is not None and suspended(self.site):
            self.site = None
            raise Dies


@pytest.mark.parametrize("aborted", [True, False])
async def test_after_a_crash_between_suspending_and_changing_it_is_given_back(aborted: bool) -> None:
    gate = DiesAfterSuspending()
    site, life = owned(TEMPORARY, gate=gate)
    gate.site = site
    with pytest.raises(Dies):
        await life.live()
    assert suspended(site) and replicas(site) == 1
    if aborted:
        site.decide(Verb.Abort)
    life = Life(site, epoch=2)
    await life.live(Phase.Aborted if aborted else Phase.Resolved)
    assert not suspended(site) and replicas(site) == 1
    assert site.server.read(ARGO)["spec"]["syncPolicy"]["automated"] == AUTOMATED


async def test_an_option_that_changed_nothing_lasting_gives_it_back_at_its_end() -> None:
    site, life = owned(MORE | {"scale": {"target": "app", "by": -1, "min": 1}})  # refused: it has one already
    await life.live()
    assert site.status.phase is Phase.Escalated and replicas(site) == 1
    assert not suspended(site) and site.status.open_reverts == 0


async def test_what_the_policy_does_not_list_is_not_suspended() -> None:
    site, life = owned(TEMPORARY, listed=False)
    await life.live(Phase.Waiting)
    assert site.status.reason == "OutsideNamespace"
    assert "argocd/shop" in site.status.message and not suspended(site)


@pytest.mark.parametrize("mark", [None, LABELLED], ids=["annotation", "label"])
async def test_without_the_word_of_the_step_it_is_refused_as_ever(mark: Object | None) -> None:
    site, life = owned({key: value for key, value in TEMPORARY.items() if key != "onOwnerConflict"}, mark=mark)
    await life.live()
    assert "OwnedByReconciler" in site.status.options[0].message and not suspended(site) and replicas(site) == 1


async def test_another_owner_than_the_playbook_names_is_not_suspended() -> None:
    site, life = owned(TEMPORARY)
    tracking = {"argocd.argoproj.io/tracking-id": "other:apps/Deployment:aureus/frontend"}
    edit_object(site, site.server.ref(site.frontend.deployment), {"metadata": {"annotations": tracking}})
    site.server.add(site.server.read(ARGO) | {"metadata": {"name": "other", "namespace": "argocd"}})
    await life.live()
    assert "OwnedByReconciler" in site.status.options[0].message and not suspended(site) and replicas(site) == 1


async def test_what_it_had_begun_is_waited_for() -> None:
    site, life = owned(TEMPORARY)
    edit_object(site, ARGO, {"operation": {"sync": {}}})
    for _ in range(40):
        site.passes((await life.tick() or 0) + 0.001)
    assert suspended(site) and replicas(site) == 1 and "a sync under way" in site.status.message
    edit_object(site, ARGO, {"operation": None})
    await life.live(Phase.Resolved)
    assert not suspended(site)


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
async def test_killed_at_any_write_it_is_suspended_once_and_given_back_once(late: bool) -> None:
    """The crash matrix of an incident that suspends an owner."""
    number, died = 0, True
    while died:
        number += 1
        site, _ = owned(TEMPORARY)
        seen = order(site)
        died = await lives(site, CrashAt("write", number, late))
        assert site.status.phase is Phase.Resolved, number
        assert [line for line in seen if line.startswith("Application")] == [
            "Application suspended replicas 1",
            "Application active replicas 1",
        ], number
        assert site.server.read(ARGO)["spec"]["syncPolicy"]["automated"] == AUTOMATED and site.locks() == [], number
        assert site.verified().ok, number
    assert number > 20


async def test_it_stays_suspended_while_a_change_could_not_be_taken_back() -> None:
    """Whoever mends that would have Git applied under the hands."""
    site, life = owned(TEMPORARY)
    while replicas(site) == 1:
        site.passes((await life.tick() or 0) + 0.001)
    edit_object(site, site.server.ref(site.frontend.deployment), {"spec": {"replicas": 7}})
    await life.live()
    assert {r.step: r.state for r in site.status.reverts} == {"more-owner": RevertState.Owed, "more": RevertState.Conflict}
    assert suspended(site)
    site.decide(Verb.Confirm, life, option="only", step="more")
    await life.live(Phase.Resolved)
    assert not suspended(site) and replicas(site) == 7


async def test_within_an_option_it_is_suspended_once_for_all_steps() -> None:
    """The first change is back at its time; the owner is not given back between two steps."""
    boxed = MORE | {"revert": {"after": "8s", "onRecovery": False}}
    pause = {"name": "pause", "expect": "time passes", "wait": {"for": "30s"}}
    again = TEMPORARY | {"name": "again", "scale": {"target": "app", "by": 1}}
    site, life = owned(boxed, pause, again)
    seen = order(site)
    await life.live(Phase.Resolved)
    assert seen == ["Application suspended replicas 1", "Deployment suspended replicas 3", "Deployment suspended replicas 1",
                    "Deployment suspended replicas 2", "Deployment suspended replicas 1",
                    "Application active replicas 1"]  # fmt: skip
    assert [r.step for r in site.status.reverts if r.last] == ["more-owner"], "one debt for one owner"


async def test_the_plan_proves_the_change_as_it_will_be_made() -> None:
    site, life = owned(TEMPORARY)
    await life.live(Phase.Capturing)
    (plan,) = [json.loads(data) for key, data in site.memory.objects.items() if "/plans/" in key]
    steps = plan["options"][0]["steps"]
    assert [(step["name"], step["action"], step["proven"]) for step in steps] == [
        ("more-owner", "suspendOwner", True),
        ("more", "scale", True),
    ]
    assert "replicas 1 -> 3" in steps[1]["preview"] and "suspend Argo CD Application argocd/shop" in steps[0]["preview"]

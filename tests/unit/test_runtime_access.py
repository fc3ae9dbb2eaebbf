"""`revokeAccess` in a whole operator: what is named is taken away and given back as people wrote it, whoever dies in between."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from stanch.domain.access import Rule
from stanch.domain.decision import Verb
from stanch.domain.incident import Phase, RevertState, StepState
from stanch.domain.plan import Ref
from stanch.engine.errors import NotFound, Retryable
from stanch.engine.ports import Object
from tests.unit.machine_leader import Leader, take_over
from tests.unit.memory import Crash, Write
from tests.unit.test_runtime_crash import LEASE, Moments, lives
from tests.unit.world import ACCOUNT, NAMESPACE, Life, Site, lean
from tests.unit.world_gates import Gate, Op

RBAC = "rbac.authorization.k8s.io"
NAMED = ("deployers", "contractors")
DELETE = "delete rolebinding/deployers"
GIVE = "create rolebinding/deployers"


def binding(name: str, role: str = "deployer", *subjects: Object) -> Object:
    user = {"apiGroup": RBAC, "kind": "User", "name": f"{name}@example.com"}
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {"team": "shop"}, "annotations": {"why": "ticket 7"}}
    reference = {"apiGroup": RBAC, "kind": "Role", "name": role}
    head = {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": metadata}
    return {**head, "roleRef": reference, "subjects": list(subjects) or [user]}


def role(name: str, *rules: Object) -> Object:
    return {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": name, "namespace": NAMESPACE}, "rules": list(rules)}


def revoking(*names: str) -> Callable[[Object], None]:
    def edit(playbook: Object) -> None:
        lean(playbook)
        spec = playbook["spec"]
        spec["targets"] += [{"name": name, "kind": "RoleBinding", "objectName": name} for name in names]
        spec["evidence"]["collect"] += [{"describe": {"target": names[0]}}, {"objects": {}}]
        steps = [
            {"name": name, "expect": "they may not", "revokeAccess": {"target": name, "role": {"kind": "Role", "name": "deployer"}},
             "revert": {"after": "1m", "onRecovery": False}} for name in names
        ]  # fmt: skip
        verify = [{"name": "rolled-out", "rollout": {"target": "app"}, "within": "2m"}]
        spec["options"] = [{"name": "only", "steps": steps, "verify": verify, "onFailure": "Stop"}]

    return edit


class Place(Site):
    """Three bindings, of which a playbook names two. `effects`: what stanch did to bindings, fences apart."""

    def __init__(self, *, names: tuple[str, ...] = NAMED, **other: Object) -> None:
        super().__init__(revoking(*names))
        rules = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["patch"]}
        self.server.add(other.get("role") or role("deployer", rules))
        for name in (*NAMED, "readers"):
            self.server.add(other.get(name) or binding(name))
        self.before = {name: self.of(name) for name in (*NAMED, "readers")}
        self.effects: list[str] = []
        self.server.after_write.append(self._note)

    def _note(self, write: Write) -> None:
        if write.ref.kind == "RoleBinding" and write.verb in ("create", "delete"):
            self.effects.append(f"{write.verb} {write.ref.name}")

    def of(self, name: str) -> Object | None:
        try:
            return self.server.read(Ref(f"{RBAC}/v1", "RoleBinding", NAMESPACE, name))
        except NotFound:
            return None

    def peoples(self, name: str) -> Object | None:
        """What people wrote of it."""
        if (found := self.of(name)) is None:
            return None
        for mine in ("uid", "resourceVersion", "creationTimestamp"):
            del found["metadata"][mine]
        return found

    def is_back(self) -> None:
        assert self.status.phase is Phase.Resolved, self.status.message
        assert [record.state for record in self.status.reverts] == [RevertState.Done] * len(self.status.reverts)
        assert {name: self.peoples(name) for name in NAMED} == {name: binding(name) for name in NAMED}
        assert self.of("readers") == self.before["readers"], "the one that is not named was not touched"
        assert self.locks() == [] and self.verified().ok


def taken(effects: list[str]) -> list[str]:
    return [what for what in effects if what.startswith("delete")]


@pytest.mark.requirement("A-12")
async def test_what_is_named_is_taken_away_and_given_back_as_people_wrote_it() -> None:
    place = Place()
    life = Life(place)
    await life.live(Phase.Mitigated)
    assert [place.of(name) for name in NAMED] == [None, None] and place.of("readers") == place.before["readers"]
    assert place.status.open_reverts == 2
    await life.live()
    place.is_back()
    assert place.effects == ["delete deployers", "delete contractors", "create contractors", "create deployers"]
    assert place.of("deployers") != place.before["deployers"], "another object: the server owns its UID"
    told = next(line for line in place.lines if "step/only/deployers/intent" in line.key)
    assert "take Role deployer from 1 User" in told.next and "example.com" not in str(told)


@pytest.mark.requirement("A-12")
async def test_evidence_between_two_steps_does_not_miss_what_the_first_has_taken_away() -> None:
    place = Place()
    await Life(place).live()
    assert place.status.evidence.captures > 1 and not place.status.evidence.missing


@pytest.mark.long
@pytest.mark.requirement("A-12")
async def test_crash_at_every_write_gives_everything_back_once() -> None:
    place = Place()
    moments = Moments(place)
    await Life(place, 1, moments).live()
    place.is_back()
    for when, op, crashed in moments.of:
        crashed.passes(LEASE)
        await Life(crashed, 2).live()
        try:
            crashed.is_back()
            assert sorted(crashed.effects) == sorted(place.effects)
        except AssertionError as error:
            error.add_note(f"crash {when} {op}")
            raise


class DiesAt(Gate):
    """The operator dies before this write, or after it."""

    def __init__(self, what: str, late: bool) -> None:
        self.what, self.late = what, late

    async def before(self, op: Op) -> None:
        self._end(op, late=False)

    async def after(self, op: Op) -> None:
        self._end(op, late=True)

    def _end(self, op: Op, late: bool) -> None:
        if op.kind == "write" and op.what.startswith(self.what) and late == self.late:
            raise Crash


@pytest.mark.requirement("A-12")
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("what", [DELETE, GIVE])
async def test_killed_around_its_two_writes_it_happens_once(what: str, late: bool) -> None:
    place = Place()
    assert await lives(place, DiesAt(what, late))
    place.is_back()
    assert place.effects.count("delete deployers") == place.effects.count("create deployers") == 1


class Lost(Gate):
    """The answer to this write is lost, once."""

    def __init__(self, what: str) -> None:
        self.what, self.lost = what, False

    async def after(self, op: Op) -> None:
        if op.kind == "write" and op.what.startswith(self.what) and not self.lost:
            self.lost = True
            raise Retryable("Timeout", "no answer in time; whether it took effect is unknown", 1)


@pytest.mark.parametrize("what", [DELETE, GIVE])
async def test_a_lost_answer_is_found_out_by_looking(what: str) -> None:
    place, gate = Place(), Lost(what)
    await Life(place, gate=gate).live()
    assert gate.lost
    place.is_back()
    assert place.effects.count("delete deployers") == place.effects.count("create deployers") == 1


@pytest.mark.requirement("A-12")
async def test_the_deletion_of_a_leader_that_was_held_up_meets_a_conflict() -> None:
    """The new leader has moved the binding's version on before it looked: what comes late deletes nothing."""
    place = Place()
    stale = Leader(place, 1)
    await stale.until(DELETE)
    new = await take_over(place, stale)
    fenced = place.of("deployers")["metadata"]["resourceVersion"]
    for _ in range(100):
        await new.steps(1)
        if place.of("deployers")["metadata"]["resourceVersion"] != fenced:
            break
    await stale.steps(1)
    assert place.effects == [] and place.of("deployers")
    await stale.finish()
    await new.finish()
    await new.life.live()
    place.is_back()
    assert len(place.effects) == 4


class Between(Gate):
    """Somebody does something right before this write of stanch."""

    def __init__(self, what: str, deed: Callable[[], Any]) -> None:
        self.what, self.deed, self.done = what, deed, False

    async def before(self, op: Op) -> None:
        if op.kind == "write" and op.what.startswith(self.what) and not self.done:
            self.done = True
            self.deed()


async def test_what_somebody_else_took_away_meanwhile_is_not_given_back() -> None:
    place = Place()
    gate = Between(DELETE, lambda: place.server.remove(place.server.ref(place.before["deployers"])))
    await Life(place, gate=gate).live()
    assert gate.done and place.status.phase is Phase.Escalated
    assert place.effects == [] and place.of("deployers") is None and place.status.reverts == ()


async def test_a_binding_that_somebody_changed_meanwhile_is_read_again_and_given_back_as_changed() -> None:
    place = Place()
    changed = {"metadata": {"labels": {"team": "ops"}}}
    ref = place.server.ref(place.before["deployers"])
    gate = Between(DELETE, lambda: place.server.patch(ref, changed, "", "", dry_run=False))
    await Life(place, gate=gate).live()
    assert place.status.phase is Phase.Resolved and place.peoples("deployers")["metadata"]["labels"] == {"team": "ops"}


@pytest.mark.requirement("A-12")
async def test_one_made_anew_with_the_same_content_is_what_was_wanted() -> None:
    place = Place()
    life = Life(place)
    await life.live(Phase.Mitigated)
    place.server.add(binding("deployers"))
    await life.live()
    place.is_back()
    assert place.effects == ["delete deployers", "delete contractors", "create contractors"]


@pytest.mark.requirement("A-12")
async def test_one_made_anew_with_other_content_is_a_conflict_for_people() -> None:
    place = Place()
    life = Life(place)
    await life.live(Phase.Mitigated)
    other = binding("deployers", "deployer", {"apiGroup": RBAC, "kind": "Group", "name": "everybody"})
    place.server.add(other)
    for _ in range(60):
        place.passes((await life.tick() or 1) + 0.001)
    states = {record.step: record for record in place.status.reverts}
    assert states["deployers"].state is RevertState.Conflict and "differs in subjects" in states["deployers"].message
    assert states["contractors"].state is RevertState.Done and place.peoples("deployers") == other
    assert place.status.waits_for == "Revert or Confirm of only/deployers"
    place.decide(Verb.Confirm, life, option="only", step="deployers")
    await life.live()
    assert place.status.phase is Phase.Resolved and place.peoples("deployers") == other


async def test_one_made_anew_right_before_the_giving_back_is_not_overwritten() -> None:
    place = Place()
    other = binding("deployers", "deployer", {"apiGroup": RBAC, "kind": "Group", "name": "everybody"})
    gate = Between(GIVE, lambda: place.server.add(other))
    life = Life(place, gate=gate)
    for _ in range(60):
        place.passes((await life.tick() or 1) + 0.001)
    assert gate.done and place.peoples("deployers") == other
    assert {record.step: record.state for record in place.status.reverts}["deployers"] is RevertState.Conflict


ME = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}
OPERATOR = {"kind": "ServiceAccount", "name": "stanch", "namespace": "stanch-system"}
ACTS = {"apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": [ACCOUNT], "verbs": ["get", "impersonate"]}
BRANCHES = {
    "its own grant": {"deployers": binding("deployers", "deployer", ME)},
    "by a group": {"deployers": binding("deployers", "deployer", {"kind": "Group", "name": f"system:serviceaccounts:{NAMESPACE}"})},
    "the opt-in": {"deployers": binding("deployers", "deployer", OPERATOR), "role": role("deployer", ACTS)},
}


@pytest.mark.requirement("A-12")
@pytest.mark.parametrize("how", BRANCHES)
async def test_its_own_branch_is_refused(how: str) -> None:
    place = Place(**copy.deepcopy(BRANCHES[how]))
    await Life(place).live()
    (step,) = place.status.steps
    assert (place.status.phase, step.state) == (Phase.Escalated, StepState.Refused)
    assert "it could not be given back" in step.message and place.effects == []


REFUSED = {
    "of another role": ({"deployers": binding("deployers", "admin")}, "refers to Role admin, expected Role deployer"),
    "with a finalizer": ({"deployers": binding("deployers")}, "has finalizers (example.com/hold)"),
    "of a reconciler": ({"deployers": binding("deployers")}, "reconciled by Flux"),
}


@pytest.mark.parametrize("which", REFUSED)
async def test_a_binding_is_refused_that(which: str) -> None:
    said, why = copy.deepcopy(REFUSED[which])
    metadata = said["deployers"]["metadata"]
    if "finalizer" in which:
        metadata["finalizers"] = ["example.com/hold"]
    if "reconciler" in which:
        metadata["labels"] = {"kustomize.toolkit.fluxcd.io/name": "shop"}
    place = Place(names=("deployers",), **said)
    await Life(place).live()
    assert why in place.status.steps[0].message and place.effects == []


def narrow(place: Place, *verbs: str) -> None:
    """The playbook's ServiceAccount may do these with bindings and `bind` where it is among them; the rest as before."""
    user = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
    place.server.restrict(user)
    others = ("", "apps", "batch", "autoscaling", "policy")
    place.server.permit_inside(NAMESPACE, user, *(Rule(("*",), group, "*") for group in others), Rule(("get",), RBAC, "roles"))
    place.server.permit_inside(NAMESPACE, user, Rule(verbs, RBAC, "rolebindings"))
    if "bind" in verbs:
        place.server.permit_inside(NAMESPACE, user, Rule(("bind",), RBAC, "roles", ("deployer",)))


NEEDED = ("get", "patch", "delete", "create", "bind")


@pytest.mark.requirement("A-12")
@pytest.mark.parametrize("lacking", ["delete", "create", "bind"])
async def test_what_could_not_be_given_back_is_known_before_anything_is_taken(lacking: str) -> None:
    place = Place()
    narrow(place, *(verb for verb in NEEDED if verb != lacking))
    life = Life(place)
    for _ in range(5):
        await life.tick()
    assert place.effects == [] and place.status.phase is Phase.Waiting and place.status.reason == "Forbidden"


async def test_a_right_that_went_since_it_was_planned_stops_the_step_before_its_intent() -> None:
    place = Place()
    gate = Between("create lease/", lambda: narrow(place, *(verb for verb in NEEDED if verb != "bind")))
    await Life(place, gate=gate).live()
    (step,) = place.status.steps
    assert place.effects == [] and (step.state, step.intended_at) == (StepState.Refused, None)


async def test_with_no_more_than_it_needs_it_is_done() -> None:
    place = Place()
    narrow(place, *NEEDED)
    await Life(place).live()
    place.is_back()

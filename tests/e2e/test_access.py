"""Access taken away for an incident on a real API server, and given back byte for byte; what is not named keeps what it had."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cluster.model import ClusterError
from tests.stage.operator import OperatorProcess
from tests.stage.pack import folder_of, lines
from tests.stage.people import COMMANDER
from tests.stage.scene import Scene
from tests.stage.trial import NAME, ROLLED_OUT, SETTINGS, TrialScene, option, states, step, why

API = "rbac.authorization.k8s.io"
ROLE = "deployer"
# Binding -> the user to whom it gives access. The last one is not named by the playbook.
BOUND = {"deployers": "dora", "contractors": "conny", "keepers": "kim"}
NAMED = ("deployers", "contractors")
ALL_CLEAR = {"name": "all-clear", "object": {"target": "settings", "expect": "object.data['all-clear'] == 'true'"}, "within": "10m"}


@pytest.fixture
def trial(scene: Scene) -> TrialScene:
    return TrialScene(scene.kubectl, scene.operator_namespace)


def bound(name: str, user: str, role: str = ROLE) -> dict[str, Any]:
    reference = {"apiGroup": API, "kind": "Role", "name": role}
    metadata = {"name": name, "labels": {"team": "shop"}, "annotations": {"why": "ticket 7"}}
    head = {"apiVersion": f"{API}/v1", "kind": "RoleBinding", "metadata": metadata}
    return {**head, "roleRef": reference, "subjects": [{"apiGroup": API, "kind": "User", "name": user}]}


def target(name: str) -> dict[str, Any]:
    return {"name": name, "kind": "RoleBinding", "objectName": name}


def revoke(name: str, role: str = ROLE) -> dict[str, Any]:
    taken = {"target": name, "role": {"kind": "Role", "name": role}}
    return step(name, revokeAccess=taken, revert={"onRecovery": True})


def prepare(trial: TrialScene) -> None:
    rules = [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["patch"]}]
    role = {"apiVersion": f"{API}/v1", "kind": "Role", "metadata": {"name": ROLE}, "rules": rules}
    trial.prepare(beside=[role, *(bound(name, user) for name, user in BOUND.items())])
    for user in BOUND.values():
        trial.until_true(f"{user} has access", lambda user=user: can(trial, user))


def revoked(trial: TrialScene) -> str:
    """An incident during which those who are named have no access, until the all-clear."""
    prepare(trial)
    evidence = {"collect": [{"describe": {"target": "app"}}, {"objects": {}}]}
    name = trial.run(option("revoke", ROLLED_OUT, steps=[revoke(name) for name in NAMED]), targets=map(target, NAMED),
                     evidence=evidence, recovery={"verify": [ALL_CLEAR], "watchFor": "0s"})  # fmt: skip
    trial.until(name, "Mitigated")
    for named in NAMED:
        trial.until_true(f"{BOUND[named]} has none", lambda named=named: not can(trial, BOUND[named]))
    return name


def all_clear(trial: TrialScene) -> None:
    trial.kubectl("patch", "configmap", SETTINGS, "--type=merge", "-p", json.dumps({"data": {"all-clear": "true"}}))


def can(trial: TrialScene, user: str) -> bool:
    """As `kubectl auth can-i` says, which ends with 1 for no."""
    try:
        return trial.kubectl.acting_as(user)("auth", "can-i", "patch", "deployments.apps").strip() == "yes"
    except ClusterError as error:
        assert "exit 1\nno" in str(error), error
        return False


def bindings(trial: TrialScene) -> dict[str, dict[str, Any]]:
    return {item["metadata"]["name"]: item for item in trial.kubectl.get("rolebindings")["items"]}


def peoples(binding: dict[str, Any]) -> str:
    """Canonical, without what the server owns."""
    servers = ("uid", "resourceVersion", "creationTimestamp", "managedFields")
    metadata = {key: value for key, value in binding["metadata"].items() if key not in servers}
    return json.dumps({**binding, "metadata": metadata}, sort_keys=True)


@pytest.mark.requirement("A-12")
def test_who_is_named_has_no_access_until_it_is_over_and_then_the_same_as_before(trial: TrialScene) -> None:
    name = revoked(trial)
    during = bindings(trial)
    assert not set(NAMED) & during.keys()
    assert can(trial, BOUND["keepers"]), "who is not named keeps it"
    assert trial.incident(name)["status"]["openReverts"] == 2
    all_clear(trial)
    incident = trial.until(name, "Resolved")
    after = bindings(trial)
    for named in NAMED:
        wanted = json.loads(json.dumps(bound(named, BOUND[named])))
        for part in ("roleRef", "subjects"):
            assert after[named][part] == wanted[part]
        assert after[named]["metadata"]["labels"] == {"team": "shop"}
        trial.until_true(f"{BOUND[named]} has access again", lambda named=named: can(trial, BOUND[named]))
    assert after["keepers"] == during["keepers"], "not touched at all: the same version"
    assert [record["state"] for record in incident["status"]["reverts"]] == ["Done", "Done"]
    told = lines(incident)
    assert told["1/revert/revoke/deployers/done"]["result"].startswith("Done")
    assert BOUND["deployers"] not in json.dumps(incident["status"]), "names of people stay out of the status"
    kept = [path.read_text() for path in (folder_of(incident) / "objects").rglob("*deployers*")]
    assert any(BOUND["deployers"] in text for text in kept), "the object is in the evidence"


@pytest.mark.requirement("A-12")
def test_killed_meanwhile_it_gives_back_what_it_has_taken_byte_for_byte(trial: TrialScene, operator: OperatorProcess) -> None:
    prepare(trial)
    before = {name: peoples(binding) for name, binding in bindings(trial).items() if name in BOUND}
    name = revoked(trial)
    operator.kill()
    operator.start()
    all_clear(trial)
    trial.until(name, "Resolved")
    after = bindings(trial)
    assert {name: peoples(after[name]) for name in BOUND} == before


@pytest.mark.requirement("A-12")
def test_one_that_somebody_made_anew_is_not_overwritten(trial: TrialScene) -> None:
    name = revoked(trial)
    trial.kubectl.create(bound("deployers", "somebody-else"))
    all_clear(trial)
    incident = trial.until_status(name, ".reverts[0].state", "Conflict")
    assert "differs in subjects" in incident["status"]["reverts"][0]["message"]
    trial.until_status(name, ".reverts[1].state", "Done")
    assert bindings(trial)["deployers"]["subjects"][0]["name"] == "somebody-else"
    trial.decide(trial.commander, "Confirm", incident, option="revoke", step="deployers")
    incident = trial.until(name, "Resolved")
    assert bindings(trial)["deployers"]["subjects"][0]["name"] == "somebody-else"
    assert lines(incident)["1/revert/revoke/deployers/released"]["actor"] == COMMANDER


@pytest.mark.requirement("A-12")
def test_one_that_somebody_has_given_back_already_is_what_was_wanted(trial: TrialScene) -> None:
    name = revoked(trial)
    trial.kubectl.apply([bound("deployers", BOUND["deployers"])])
    given = bindings(trial)["deployers"]
    # The annotation in which kubectl keeps what was applied is part of what people wrote, and of the same content.
    all_clear(trial)
    trial.until(name, "Resolved")
    assert bindings(trial)["deployers"] == given


@pytest.mark.requirement("A-12")
@pytest.mark.parametrize("own", [f"stanch-playbook-{NAME}", "stanch-acts-as-trier"])
def test_its_own_branch_is_refused(trial: TrialScene, own: str) -> None:
    """The grant of the playbook's ServiceAccount; the opt-in by which stanch may act as it."""
    prepare(trial)
    name = trial.run(option("saw", ROLLED_OUT, steps=[revoke(own, role=own)]), targets=[target(own)])
    incident = trial.until(name, "Escalated")
    assert states(incident) == {"saw": "Failed"} and "could not be given back" in why(incident, "saw")
    assert own in bindings(trial)


@pytest.mark.requirement("A-12")
def test_a_binding_of_another_role_is_refused(trial: TrialScene) -> None:
    prepare(trial)
    trial.kubectl.apply([bound("deployers-2", "dora", role="admin")])
    name = trial.run(option("revoke", ROLLED_OUT, steps=[revoke("deployers-2")]), targets=[target("deployers-2")])
    incident = trial.until(name, "Escalated")
    assert "refers to Role admin, expected Role deployer" in why(incident, "revoke")
    assert "deployers-2" in bindings(trial)

"""Who keeps a target as Git says, on a real cluster: suspended, the target changed, taken back, given back; and what is refused.

Argo CD's and Flux' types are served, their controllers do not run: that a suspended one stands still is theirs to keep.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.stage.kubectl import documents
from tests.stage.operator import OperatorProcess
from tests.stage.people import ON_CALL
from tests.stage.reconcilers import AUTOMATED, NAME, OWNED, belonging, labelled, owned_by, owner
from tests.stage.scene import AUREUS, Scene
from tests.stage.trial import ROLLED_OUT, TrialScene, option, states, step, why

Document = dict[str, Any]
pytestmark = [pytest.mark.usefixtures("reconcilers"), pytest.mark.requirement("D-06")]

SPECS: dict[str, Document] = {"Application": {"syncPolicy": {"automated": AUTOMATED}}, "Kustomization": {}, "HelmRelease": {}}
MORE = {"scale": {"target": "app", "by": 1}, "onOwnerConflict": "SuspendOwner"}
TEMPORARY = MORE | {"revert": {"onRecovery": True}}
OWNER = "stanch.dev/suspended-by"


@pytest.fixture
def trial(scene: Scene) -> TrialScene:
    return TrialScene(scene.kubectl, scene.operator_namespace)


def opened(
    trial: TrialScene,
    kind: str,
    *then: Document,
    said: Document = TEMPORARY,
    policy: str = "",
    home: str = "",
    by_label: bool = False,
    **spec: Any,
) -> str:
    """The frontend belongs to an owner of that kind, in its own namespace or in `home`; an incident scales it, and goes on."""
    where = home or trial.namespace
    if by_label:
        trial.prepare()
        labelled(trial.kubectl, where)
    else:
        trial.prepare(belonging(kind, where, f"{trial.namespace}/frontend"))
    trial.kubectl.inside(where).apply([owner(kind, where, **(spec or SPECS[kind]))])
    scaled = said | {"scale": said["scale"] | {"target": OWNED}}
    only = option("only", ROLLED_OUT, steps=[step("more", **scaled), *then])
    return trial.run(only, targets=[owned_by(kind, where)], policy=policy)


def found(trial: TrialScene, kind: str, where: str = "") -> Document:
    return trial.kubectl.inside(where or trial.namespace).get(kind.lower(), NAME)


def stands_still(found: Document) -> bool:
    spec = found["spec"]
    return "automated" not in spec["syncPolicy"] if found["kind"] == "Application" else spec.get("suspend") is True


def replicas(trial: TrialScene) -> int:
    return trial.deployment()["spec"]["replicas"]


@pytest.mark.parametrize(("kind", "by_label"), [*((kind, False) for kind in SPECS), ("Application", True)])
def test_suspended_changed_taken_back_and_given_back(trial: TrialScene, kind: str, by_label: bool) -> None:
    name = opened(trial, kind, by_label=by_label)
    incident = trial.until(name, "Resolved")
    after = found(trial, kind)
    assert states(incident) == {"only": "Confirmed"} and replicas(trial) == 2
    assert not stands_still(after) and OWNER not in after["metadata"]["annotations"]
    assert after["spec"].get("syncPolicy") == SPECS[kind].get("syncPolicy")
    done = {record["step"]: record for record in incident["status"]["reverts"]}
    assert {record["state"] for record in done.values()} == {"Done"}
    assert done["more-owner"]["doneAt"] >= done["more"]["doneAt"], "after everything else"
    begun = {record["name"]: record["writtenAt"] for record in incident["status"]["steps"]}
    assert begun["more-owner"] <= begun["more"], "before the change"


def test_a_change_that_stays_keeps_it_suspended_until_a_person_gives_it_back(trial: TrialScene) -> None:
    name = opened(trial, "Application", said=MORE)
    incident = trial.until_status(name, ".reverts[0].state", "Conflict")
    assert "more-owner" in incident["status"]["waitsFor"] and "Git" in incident["status"]["reverts"][0]["message"]
    held = found(trial, "Application")
    assert stands_still(held) and held["metadata"]["annotations"][OWNER] == f"{trial.namespace}/{name}"
    trial.decide(trial.on_call, "Revert", incident, option="only", step="more-owner")
    trial.until(name, "Resolved")
    assert found(trial, "Application")["spec"]["syncPolicy"] == {"automated": AUTOMATED} and replicas(trial) == 3


@pytest.mark.parametrize("by_label", [False, True])
def test_without_the_word_of_the_step_nothing_is_touched(trial: TrialScene, by_label: bool) -> None:
    name = opened(trial, "Application", said={"scale": MORE["scale"]}, by_label=by_label)
    incident = trial.until(name, "Escalated")
    assert "OwnedByReconciler" in why(incident, "only") and replicas(trial) == 2
    assert found(trial, "Application")["metadata"].get("annotations", {}).keys().isdisjoint({OWNER, "stanch.dev/token"})


def test_suspended_by_a_person_it_is_not_given_back(trial: TrialScene) -> None:
    trial.until(opened(trial, "Kustomization", suspend=True), "Resolved")
    after = found(trial, "Kustomization")
    assert stands_still(after) and OWNER not in after["metadata"]["annotations"] and replicas(trial) == 2


def test_what_somebody_applies_again_and_again_is_not_suspended(trial: TrialScene) -> None:
    """As a Kustomization above it does with `suspend: false` in Git."""

    def applied() -> None:
        text = json.dumps(owner("Kustomization", trial.namespace, suspend=False))
        trial.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=kustomize-controller", "-f", "-", input=text)

    trial.prepare()
    applied()
    incident = trial.until(opened(trial, "Kustomization", path="./shop"), "Escalated")
    assert "kustomize-controller applies its spec.suspend" in why(incident, "only") and replicas(trial) == 2


@pytest.fixture
def elsewhere(trial: TrialScene) -> Iterator[str]:
    """Another namespace, as argocd is."""
    name = f"{trial.namespace}-gitops"
    trial.kubectl.run("create", "namespace", name)
    yield name
    trial.kubectl.run("delete", "namespace", name, "--wait=false")


@pytest.fixture
def listing(trial: TrialScene, elsewhere: str) -> Iterator[Callable[[bool], str]]:
    """A policy for this test alone, which lists the owner in the other namespace, or does not."""
    name = f"owners-{trial.namespace}"

    def make(listed: bool) -> str:
        def own(document: Document) -> None:
            document["metadata"]["name"] = name
            outside = [{"kind": "Application", "namespace": elsewhere, "names": [NAME]}] if listed else []
            document["spec"] |= {"default": False, "outside": outside}

        trial.kubectl.apply(documents(AUREUS / "policy.yaml", own))
        return name

    yield make
    trial.kubectl("delete", "responsepolicy", name, "--ignore-not-found")


@pytest.mark.parametrize("listed", [True, False])
def test_in_another_namespace_only_where_the_policy_lists_it(
    trial: TrialScene, elsewhere: str, listing: Callable[[bool], str], listed: bool
) -> None:
    """Suspended as the playbook's ServiceAccount, by the Role that `stanch rbac` prints for there."""
    name = opened(trial, "Application", policy=listing(listed), home=elsewhere)
    if listed:
        trial.until(name, "Resolved")
    else:
        incident = trial.until(name, "Waiting")
        assert incident["status"]["reason"] == "OutsideNamespace" and incident["status"]["waitsFor"] == ON_CALL
    after = found(trial, "Application", elsewhere)
    assert not stands_still(after) and OWNER not in after["metadata"].get("annotations", {})


def test_killed_while_it_is_suspended_the_next_life_gives_it_back(trial: TrialScene, operator: OperatorProcess) -> None:
    name = opened(trial, "Application", step("held", wait={"for": "5s"}))
    trial.until_status(name, ".at", "only/held")
    operator.kill()
    assert stands_still(found(trial, "Application"))
    operator.start()
    trial.until(name, "Resolved")
    assert found(trial, "Application")["spec"]["syncPolicy"] == {"automated": AUTOMATED} and replicas(trial) == 2

"""What guards hold up on a real cluster, and what lifts them: a freeze window, a PodDisruptionBudget."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from stanch.domain.guards import Day
from tests.e2e.test_actions_cas import NAME, ROLLED_OUT, helped, opened, stand
from tests.e2e.test_frontend_down import options, pack_of, quick, sealed
from tests.stage.kubectl import documents
from tests.stage.scene import AUREUS, HERE, Scene
from tests.stage.trial import Document, TrialScene, option, states, step

ALWAYS = {
    "name": "always",
    "timeZone": "Europe/Berlin",
    "weekly": {"days": [str(day) for day in Day], "startTime": "00:00", "duration": "24h"},
}
BUDGET = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "frontend"},
    "spec": {"minAvailable": 2, "selector": {"matchLabels": {"component": "frontend"}}},
}


@pytest.fixture
def frozen(scene: Scene) -> Iterator[str]:
    """A ResponsePolicy for this test alone, in which nothing is ever changed."""
    name = f"frozen-{scene.namespace}"

    def own(document: dict) -> None:
        document["metadata"]["name"] = name
        document["spec"] |= {"default": False, "freezeWindows": [ALWAYS]}

    scene.kubectl.apply(documents(AUREUS / "policy.yaml", own))
    yield name
    scene.kubectl("delete", "responsepolicy", name)


def test_in_a_freeze_window_people_are_called_and_their_override_counts_after_resume(scene: Scene, frozen: str) -> None:
    scene.set(playbook=quick)
    scene.break_release()
    before = scene.deployment()["metadata"]
    name = scene.open(policyRef={"name": frozen})
    incident = scene.until(name, "Escalated")
    assert "window always is open until" in incident["status"]["message"] and incident["status"]["evidence"]["captures"] == 1
    after = scene.deployment()["metadata"]
    assert (after["generation"], after.get("annotations")) == (before["generation"], before.get("annotations"))
    override = {"spec": {"freezeWindows": [{**ALWAYS, "override": {"severities": [incident["spec"]["severity"]]}}]}}
    scene.kubectl("patch", "responsepolicy", frozen, "--type=merge", "-p", json.dumps(override))
    scene.decide(scene.on_call, "Resume", incident)
    assert options(sealed(scene, name))["undo"] == "Confirmed"


def previews(incident: Document) -> list[str]:
    """Of the steps in the plan, as it was stored."""
    (stored,) = (pack_of(incident) / "plans").glob("*.json")
    return [step["preview"] for option in json.loads(stored.read_text())["options"] for step in option["steps"]]


def one_at_a_time(document: dict) -> None:
    """A rollout takes one of its pods away before there is another."""
    if document["kind"] == "Deployment":
        document["spec"]["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}


def test_the_least_that_must_stay_available_holds_a_restart_until_there_are_more(scene: Scene) -> None:
    stand(scene, [ROLLED_OUT], frontend=one_at_a_time, rolloutRestart={"target": "app"})
    scene.kubectl("patch", "playbook", NAME, "--type=merge", "-p", '{"spec": {"guards": {"minAvailable": 2}}}')
    generation = scene.deployment()["metadata"]["generation"]
    name = opened(scene)
    held = scene.until_status(name, ".reason", "MinAvailable")
    words = (
        "MinAvailable: the step may leave 1 of 2 available pods of deployment/frontend; at least 2 of 2 must stay; lifted by more "
        "available pods, or another guards.minAvailable in the playbook, for incidents that are planned from then on"
    )
    assert held["status"]["message"] == f"Step step held up by {words}" and held["status"]["phase"] == "Mitigating"
    assert previews(held)[0].startswith(f"would be held up now by {words}\n"), "it was said when it was planned"
    assert scene.deployment()["metadata"]["generation"] == generation
    scene.kubectl("scale", "deployment/frontend", "--replicas=3")
    helped(scene, name)
    assert scene.deployment()["metadata"]["generation"] == generation + 2, "scaled by hand, then restarted"


def test_a_disruption_budget_holds_pods_back_until_it_lets_them_go(scene: Scene) -> None:
    stand(scene, [ROLLED_OUT], beside=(BUDGET,), scale={"target": "app", "replicas": 1})
    scene.kubectl.wait("poddisruptionbudget/frontend", ".status.currentHealthy", "2")
    name = opened(scene)
    held = scene.until_status(name, ".reason", "DisruptionBudget")
    words = (
        "DisruptionBudget: the step may take 1 of 2 available pods of deployment/frontend at once; PodDisruptionBudget frontend "
        "lets 0 go; lifted by more available pods, another budget, or guards.podDisruptionBudgets: Ignore for incidents planned "
        "from then on"
    )
    assert held["status"]["message"] == f"Step step held up by {words}" and held["status"]["phase"] == "Mitigating"
    assert previews(held)[0].startswith(f"would be held up now by {words}\n"), "it was said when it was planned"
    assert scene.deployment()["spec"]["replicas"] == 2
    scene.kubectl("delete", "poddisruptionbudget", "frontend")
    helped(scene, name)
    assert scene.deployment()["spec"]["replicas"] == 1


BOTH = {"app": "aureus"}
# Over three pods of each, of which one may be missing.
SHARED = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "shared"},
    "spec": {"minAvailable": 5, "selector": {"matchLabels": BOTH}},
}


def three(document: Document) -> None:
    one_at_a_time(document)
    if document["kind"] == "Deployment":
        document["spec"]["replicas"] = 3


def backend() -> Document:
    """As the frontend, under another name."""
    (made,) = [copy.deepcopy(one) for one in documents(HERE / "frontend.yaml", three) if one["kind"] == "Deployment"]
    made["metadata"] = {"name": "backend"}
    made["spec"]["selector"] = {"matchLabels": {**BOTH, "component": "backend"}}
    made["spec"]["template"]["metadata"]["labels"] = {**BOTH, "component": "backend"}
    return made


def rolled_out(workload: Document) -> bool:
    status, counts = workload["status"], ("replicas", "updatedReplicas", "availableReplicas")
    seen = status.get("observedGeneration", 0) >= workload["metadata"]["generation"]
    return seen and [status.get(count, 0) for count in counts] == [workload["spec"]["replicas"]] * 3


def healthy(pod: Document) -> bool:
    conditions = {item["type"]: item["status"] for item in pod["status"].get("conditions", ())}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


class Witness:
    """Looks again and again at what two workloads under one budget do while an incident changes one after the other."""

    def __init__(self, trial: TrialScene, name: str) -> None:
        self.trial, self.name = trial, name
        self.before = trial.deployment()["metadata"]["generation"]
        self.fewest = 6
        self.held: set[str] = set()

    def resolved(self) -> bool:
        pods = self.trial.kubectl.get("pods", "-l", "app=aureus")["items"]
        self.fewest = min(self.fewest, sum(map(healthy, pods)))
        # The frontend first: was it changed, the backend was rolled out before.
        changed = self.trial.deployment()["metadata"]["generation"] > self.before
        assert not changed or rolled_out(self.trial.kubectl.get("deployment", "backend")), "changed beside a rollout"
        status: Any = self.trial.incident(self.name).get("status", {})
        if status.get("reason") == "DisruptionBudget":
            self.held.add(status["message"])
        return status.get("phase") == "Resolved"


def test_of_two_workloads_under_one_budget_the_second_is_changed_when_the_first_is_rolled_out(scene: Scene) -> None:
    trial = TrialScene(scene.kubectl, scene.operator_namespace)
    trial.prepare(frontend=three, beside=(SHARED, backend()))
    trial.kubectl("rollout", "status", "deployment/backend", "--timeout=120s", timeout=150)
    trial.kubectl.wait("poddisruptionbudget/shared", ".status.disruptionsAllowed", "1")
    steps = [step("first", rolloutRestart={"target": "back"}), step("second", rolloutRestart={"target": "app"})]
    back = {"name": "back", "kind": "Deployment", "objectName": "backend"}
    name = trial.run(option("restart", ROLLED_OUT, steps=steps), targets=[back])
    witness = Witness(trial, name)
    trial.until_true("both are restarted", witness.resolved, 240)
    assert states(trial.incident(name)) == {"restart": "Confirmed"}
    assert witness.fewest == 5, "one was missing at a time, and never two"
    waits = f"deployment/backend, which incident {trial.namespace}/{name} changes, is not rolled out, pods to go: "
    assert any(waits in message for message in witness.held), witness.held

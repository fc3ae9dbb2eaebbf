"""What guards hold up on a real cluster, and what lifts them: a freeze window, a PodDisruptionBudget."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from stanch.domain.guards import Day
from tests.e2e.test_actions_cas import ROLLED_OUT, helped, play
from tests.e2e.test_frontend_down import options, quick, sealed
from tests.stage.kubectl import documents
from tests.stage.scene import AUREUS, Scene

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


def test_a_disruption_budget_holds_pods_back_until_it_lets_them_go(scene: Scene) -> None:
    name = play(scene, [ROLLED_OUT], beside=(BUDGET,), scale={"target": "app", "replicas": 1})
    held = scene.until_status(name, ".reason", "DisruptionBudget")
    assert "PodDisruptionBudget frontend" in held["status"]["message"] and held["status"]["phase"] == "Mitigating"
    assert scene.deployment()["spec"]["replicas"] == 2
    scene.kubectl("delete", "poddisruptionbudget", "frontend")
    helped(scene, name)
    assert scene.deployment()["spec"]["replicas"] == 1

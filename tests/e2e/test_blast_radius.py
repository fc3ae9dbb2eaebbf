"""A step names beforehand what it touches, and is refused where it would touch more (A-15)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.model import ClusterError
from tests.stage.scene import Scene
from tests.stage.trial import ROLLED_OUT, TrialScene, option, step

LABELS = {"part": "switches"}
MANY = {"name": "switches", "kind": "ConfigMap", "selector": {"matchLabels": LABELS}, "maxCount": 2}
NAMES = ("first", "second", "third")


@pytest.fixture
def trial(scene: Scene) -> TrialScene:
    return TrialScene(scene.kubectl, scene.operator_namespace)


def switches(trial: TrialScene, labelled: int) -> dict[str, dict[str, Any]]:
    """Three ConfigMaps, of which so many bear the label; as they are then stored."""
    made = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": LABELS if place < labelled else {}},
         "data": {"mode": "normal"}} for place, name in enumerate(NAMES)
    ]  # fmt: skip
    trial.prepare(beside=made)
    return stored(trial)


def stored(trial: TrialScene) -> dict[str, dict[str, Any]]:
    return {name: trial.kubectl.get("configmap", name) for name in NAMES}


def run(trial: TrialScene) -> str:
    safe = step("switch", setConfig={"target": "switches", "data": {"mode": "safe"}})
    return trial.run(option("switch", ROLLED_OUT, steps=[safe]), targets=[MANY])


@pytest.mark.requirement("A-15")
def test_a_selector_that_finds_more_than_was_said_is_refused_and_nothing_is_touched(trial: TrialScene) -> None:
    before = switches(trial, labelled=3)
    name = run(trial)
    incident = trial.until_status(name, ".reason", "TooManyTargets")
    assert incident["status"]["phase"] == "Waiting" and incident["status"]["waitsFor"]
    assert "selects more than maxCount 2; narrow the selector in the playbook, or raise maxCount" in incident["status"]["message"]
    assert stored(trial) == before, "not even the first two: the same versions"


@pytest.mark.requirement("A-15")
def test_as_many_as_was_said_are_touched_and_none_beside_them(trial: TrialScene) -> None:
    before = switches(trial, labelled=2)
    trial.until(run(trial), "Resolved")
    after = stored(trial)
    assert [after[name]["data"] for name in NAMES] == [{"mode": "safe"}, {"mode": "safe"}, {"mode": "normal"}]
    assert after["third"] == before["third"]


@pytest.mark.requirement("A-15")
def test_a_step_on_what_no_target_names_is_not_admitted(trial: TrialScene) -> None:
    steps = [step("switch", setConfig={"target": "third", "data": {"mode": "safe"}})]
    spec = {
        "summary": "What a test tries",
        "serviceAccountName": "default",
        "targets": [{"name": "app", "kind": "Deployment", "objectName": "frontend"}],
        "evidence": {"collect": [{"events": {}}]},
        "options": [option("switch", ROLLED_OUT, steps=steps)],
    }
    playbook = {"apiVersion": "stanch.dev/v1alpha1", "kind": "Playbook", "metadata": {"name": "trial"}, "spec": spec}
    with pytest.raises(ClusterError, match="each step's target is one of"):
        trial.kubectl.create(playbook)

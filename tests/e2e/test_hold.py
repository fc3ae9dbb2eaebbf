"""A Hold on real pods: nothing is changed until somebody resumes, what is for a time goes at its time; and who holds which role."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stage.people import COMMANDER
from tests.stage.scene import Scene


def asks_first(document: dict[str, Any]) -> None:
    """A restart that the commander approves."""
    option = document["spec"]["options"][0]
    option["approval"] = {"roles": {"incident-commander": 1}, "timeout": "10m"}
    document["spec"]["options"] = [option]


def written(scene: Scene) -> str:
    """Changes with each change of the Deployment's spec."""
    return str(scene.deployment()["metadata"]["generation"])


@pytest.mark.requirement("A-03")
def test_nothing_is_changed_until_somebody_resumes(scene: Scene) -> None:
    scene.set(playbook=asks_first)
    scene.break_release()
    incident = scene.until(name := scene.open(), "AwaitingApproval")
    before = written(scene)
    scene.decide(scene.commander, "Hold", incident, role="incident-commander")
    scene.until_status(name, ".held.by", COMMANDER)
    scene.decide(scene.commander, "Assign", incident, role="incident-commander", assignee=COMMANDER)
    scene.until_status(name, ".roles[0].assignee", COMMANDER)
    scene.approve(scene.commander, name, "incident-commander")
    scene.until_status(name, ".reason", "OnHold")
    status = scene.until_status(name, ".waitsFor", "Resume")["status"]
    assert (status["phase"], written(scene)) == ("Mitigating", before)
    scene.decide(scene.commander, "Resume", incident, role="incident-commander")
    scene.until_true("the restart is written", lambda: written(scene) != before)
    assert "held" not in scene.incident(name)["status"]

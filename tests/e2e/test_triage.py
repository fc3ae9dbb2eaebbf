"""Who takes an incident on, and how grave it is, on a real API server: in time, late, and planned and approved anew."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.model import ClusterError
from tests.stage.pack import lines
from tests.stage.scene import COMMANDER, ON_CALL, Scene


def one_person(document: dict[str, Any]) -> None:
    option = document["spec"]["options"][0]
    option["approval"] = {"roles": {"incident-commander": 1}, "timeout": "10m"}
    document["spec"]["options"] = [option]


def waiting(scene: Scene) -> dict[str, Any]:
    scene.set(playbook=one_person)
    scene.break_release()
    return scene.until(scene.open(), "AwaitingApproval")


@pytest.mark.requirement("B-02", "E-30")
def test_who_takes_it_on_stands_on_it_with_the_time(scene: Scene) -> None:
    incident = waiting(scene)
    name = incident["metadata"]["name"]
    scene.until_status(name, ".conditions[?(@.type=='Acknowledged')].reason", "Awaited")
    said = scene.decide(scene.commander, "Acknowledge", incident, role="incident-commander", reason=None)
    status = scene.until_status(name, ".acknowledged.by", COMMANDER)["status"]
    assert status["acknowledged"]["at"] == said["metadata"]["creationTimestamp"] < status["acknowledgeBy"]
    scene.until_status(name, ".conditions[?(@.type=='Acknowledged')].reason", "InTime")


@pytest.mark.requirement("A-02", "E-17")
def test_classified_otherwise_it_is_planned_and_approved_anew(scene: Scene) -> None:
    incident = waiting(scene)
    name, before = incident["metadata"]["name"], incident["status"]["planDigest"]
    with pytest.raises(ClusterError, match=f"'{ON_CALL}' may not classify as"):
        scene.decide(scene.on_call, "Classify", incident, severity="P1")
    with pytest.raises(ClusterError, match="Classify needs severity"):
        scene.decide(scene.commander, "Classify", incident, role="incident-commander")
    scene.decide(scene.commander, "Classify", incident, role="incident-commander", severity="P1")
    scene.until_status(name, ".attempt", "2")
    status = scene.until(name, "AwaitingApproval")["status"]
    assert status["planDigest"] != before and status["classified"]["was"] == "P0"
    scene.decide(scene.commander, "Approve", incident, role="incident-commander", option=status["option"], planDigest=before)
    scene.until_true("the old approval is told", lambda: "Approve restart" in actions(scene, name))
    assert "approvals" not in scene.incident(name)["status"]
    told = next(line for line in lines(scene.incident(name)).values() if line["action"] == "Classify")
    assert (told["actor"], told["result"].split(":")[0]) == (COMMANDER, "P1 instead of P0")


def actions(scene: Scene, name: str) -> set[str]:
    return {line["action"] for line in lines(scene.incident(name)).values()}

"""Scenario 4 of the Kubernetes runbook, option A: the bypass goes away in time, whatever happens to the operator meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.stage.operator import OperatorProcess
from tests.stage.pack import folder_of, lines
from tests.stage.scene import COMMANDER, SECURITY, Scene, keeps_evidence

BYPASS = {"POLICY_BYPASS_MODE": "true", "POLICY_BYPASS_APPROVER": "Carol C."}
BACK_WITHIN = timedelta(seconds=10)


def quick(document: dict[str, Any]) -> None:
    """The shipped playbook with a short time-box and a short hold."""
    option = document["spec"]["options"][0]
    option["steps"][0]["revert"]["after"] = "45s"
    option["verify"][1]["holdFor"] = "1s"


def bypass(scene: Scene) -> dict[str, str]:
    return {name: value for name, value in scene.environment().items() if name.startswith("POLICY_")}


def bypassed(scene: Scene) -> str:
    """Under a bypass that commander and security team approved."""
    scene.play("policy-bypass", playbook=quick, stage=keeps_evidence)
    name = scene.open("blocked-queries", type="policy", severity="P0", parameters={"approver": "Carol C."})
    scene.approve(scene.commander, name, "incident-commander", reason="nobody can work")
    scene.until_status(name, ".waitsFor", "security-team 0/1")
    assert bypass(scene) == {}, "one of two is not enough"
    scene.approve(scene.security, name, "security-team", reason="queries are read-only")
    scene.until(name, "Mitigated")
    assert bypass(scene) == BYPASS
    return name


def warnings(scene: Scene, name: str) -> list[str]:
    events = scene.kubectl.get("events", "--field-selector", f"involvedObject.name={name},type=Warning")["items"]
    return [event["reason"] for event in events]


def due(scene: Scene, name: str) -> datetime:
    return datetime.fromisoformat(scene.incident(name)["status"]["reverts"][0]["dueAt"])


@pytest.mark.requirement("E-18")
def test_bypass_ends_when_its_time_has_come_and_is_documented(scene: Scene) -> None:
    name = bypassed(scene)
    incident = scene.until(name, "Resolved")
    scene.rolled_out()
    assert bypass(scene) == {}
    record = incident["status"]["reverts"][0]
    late = datetime.fromisoformat(record["doneAt"]) - datetime.fromisoformat(record["dueAt"])
    assert timedelta() <= late < BACK_WITHIN
    told = lines(incident)
    assert "POLICY_BYPASS_MODE" in told["1/step/bypass/bypass/intent/1"]["next"]
    people = {line["actor"] for line in told.values() if line["action"] == "Approve bypass"}
    assert people == {COMMANDER, SECURITY}
    (recorded,) = folder_of(incident).rglob("*.stdout.txt")
    assert recorded.read_text() == "Policy bypass enabled by Carol C. for incident blocked-queries\n"
    assert told["1/revert/bypass/bypass/done"]["result"].startswith("Done")


@pytest.mark.requirement("E-18")
def test_bypass_that_came_due_while_the_operator_was_down_ends_within_ten_seconds_of_its_return(
    scene: Scene, operator: OperatorProcess
) -> None:
    name = bypassed(scene)
    operator.stop()
    scene.until_time(due(scene, name))
    assert bypass(scene) == BYPASS, "nobody else takes it back"
    operator.start()
    back = datetime.now(UTC)
    incident = scene.until_status(name, ".reverts[0].state", "Done", 20)
    assert bypass(scene) == {}
    assert datetime.fromisoformat(incident["status"]["reverts"][0]["doneAt"]) - back < BACK_WITHIN


@pytest.mark.requirement("E-18")
def test_bypass_that_somebody_changed_meanwhile_is_left_and_a_person_is_called(scene: Scene) -> None:
    name = bypassed(scene)
    scene.kubectl("set", "env", "deployment/frontend", "POLICY_BYPASS_APPROVER=Mallory M.")
    incident = scene.until_status(name, ".reverts[0].state", "Conflict")
    assert bypass(scene) == BYPASS | {"POLICY_BYPASS_APPROVER": "Mallory M."}, "not overwritten, and not half of it"
    condition = next(c for c in incident["status"]["conditions"] if c["type"] == "RevertConflict")
    assert condition["status"] == "True" and "POLICY_BYPASS_APPROVER" in condition["message"]
    assert incident["status"]["waitsFor"] == "Revert or Confirm of bypass/bypass"
    scene.until_true("people are warned", lambda: "RevertConflict" in warnings(scene, name))
    assert scene.incident(name)["status"]["phase"] == "Mitigated", "it does not resolve over a bypass that is still there"

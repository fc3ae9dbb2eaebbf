"""Scenario 4 of the Kubernetes runbook, option A: only at P0 and only when two people of two roles want it; the bypass goes away in
time, whatever happens to the operator meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cluster.model import ClusterError
from tests.stage.kubectl import Kubectl
from tests.stage.operator import OperatorProcess
from tests.stage.pack import folder_of, lines
from tests.stage.people import COMMANDER, SECURITY, also, may
from tests.stage.scene import Scene, keeps_evidence

BYPASS = {"POLICY_BYPASS_MODE": "true", "POLICY_BYPASS_APPROVER": "Carol C."}
COMMANDERS, SECURITY_TEAM = "incident-commander", "security-team"
BOTH = "incident-commander 0/1, security-team 0/1"
BACK_WITHIN = timedelta(seconds=10)


def quick(document: dict[str, Any]) -> None:
    """The shipped playbook with a short time-box and a short hold."""
    option = document["spec"]["options"][0]
    option["steps"][0]["revert"]["after"] = "45s"
    option["verify"][1]["holdFor"] = "1s"


def bypass(scene: Scene) -> dict[str, str]:
    return {name: value for name, value in scene.environment().items() if name.startswith("POLICY_")}


def blocked(scene: Scene, severity: str, **spec: Any) -> str:
    """An incident about a policy engine that blocks everything, said to be so grave."""
    scene.play("policy-bypass", playbook=quick, stage=keeps_evidence)
    return scene.open("blocked-queries", type="policy", severity=severity, parameters={"approver": "Carol C."}, **spec)


def bypassed(scene: Scene) -> str:
    """Under a bypass that commander and security team approved."""
    name = blocked(scene, "P0")
    both_approve(scene, name)
    scene.until(name, "Mitigated")
    assert bypass(scene) == BYPASS
    return name


def both_approve(scene: Scene, name: str) -> None:
    """One after the other: nothing begins before the second."""
    scene.approve(scene.commander, name, COMMANDERS, reason="nobody can work")
    scene.until_status(name, ".waitsFor", "security-team 0/1")
    assert bypass(scene) == {}, "one of two is not enough"
    scene.approve(scene.security, name, SECURITY_TEAM, reason="queries are read-only")


def without_effect(scene: Scene, who: Kubectl, verb: str, incident: dict[str, Any], **spec: Any) -> str:
    """Says it, and why nothing came of it."""
    said = scene.decide(who, verb, incident, **spec)["metadata"]["name"]
    scene.kubectl.wait(f"decision/{said}", ".status.effect", "NoEffect")
    return str(scene.kubectl.get("decision", said)["status"]["message"])


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


@pytest.mark.requirement("E-17")
def test_at_p0_both_are_called_at_once_and_one_alone_does_not_let_it_begin(scene: Scene) -> None:
    name = blocked(scene, "P0")
    incident = scene.until(name, "AwaitingApproval")
    assert incident["status"]["waitsFor"] == BOTH and [option["name"] for option in incident["status"]["options"]] == ["bypass"]
    scene.until_true("people are called", lambda: "AwaitingApproval" in warnings(scene, name))
    scene.approve(scene.commander, name, COMMANDERS, reason="nobody can work")
    incident = scene.until_status(name, ".waitsFor", "security-team 0/1")
    bound = {"option": "bypass", "planDigest": incident["status"]["planDigest"]}
    for who, role in ((scene.commander, SECURITY_TEAM), (scene.security, COMMANDERS), (scene.on_call, COMMANDERS)):
        with pytest.raises(ClusterError, match=f"'{who.user}' may not approve as '{role}'"):
            scene.decide(who, "Approve", incident, role=role, **bound)
    scene.kubectl.apply(also(COMMANDER, "stanch-security"))
    scene.until_true("she may speak as both", lambda: may(scene.kubectl, COMMANDER, "approve", SECURITY_TEAM))
    second = without_effect(scene, scene.commander, "Approve", incident, role=SECURITY_TEAM, **bound)
    assert "approved it already" in second, "one person of both roles is not two"
    assert bypass(scene) == {} and scene.incident(name)["status"]["waitsFor"] == "security-team 0/1"
    scene.decide(scene.security, "Reject", incident, role=SECURITY_TEAM, **bound)
    incident = scene.until(name, "Escalated")
    assert bypass(scene) == {} and not incident["status"].get("steps")


@pytest.mark.requirement("E-17")
@pytest.mark.parametrize("named", [False, True])
def test_at_p1_it_is_not_begun_until_it_is_classified_as_p0_and_both_approve(scene: Scene, named: bool) -> None:
    """Also where the incident names the playbook, and what it matches is not asked."""
    name = blocked(scene, "P1", **({"playbookRef": {"name": "policy-bypass"}} if named else {}))
    incident = scene.until(name, "Escalated")
    why = "bypass skipped: condition does not hold at severity P1 (it does at P0: Classify, then Resume)"
    assert why in incident["status"]["message"]
    assert incident["status"]["evidence"]["captures"] == 1, "evidence is kept all the same"
    bound = {"option": "bypass", "planDigest": incident["status"]["planDigest"]}
    for who, role in ((scene.commander, COMMANDERS), (scene.security, SECURITY_TEAM)):
        assert "bypass is skipped already" in without_effect(scene, who, "Approve", incident, role=role, **bound)
    scene.decide(scene.commander, "Resume", incident)
    scene.until_status(name, ".attempt", "2")
    incident = scene.until(name, "Escalated")
    assert bypass(scene) == {} and not incident["status"].get("steps"), "a Resume alone makes it no graver"
    scene.decide(scene.commander, "Classify", incident, role=COMMANDERS, severity="P0")
    scene.until_status(name, ".classified.severity", "P0")
    scene.decide(scene.commander, "Resume", incident)
    scene.until_status(name, ".attempt", "3")
    scene.until_status(name, ".waitsFor", BOTH)
    both_approve(scene, name)
    scene.until(name, "Mitigated")
    assert bypass(scene) == BYPASS


@pytest.mark.requirement("E-17")
def test_approved_and_not_begun_it_is_not_begun_any_more_once_it_is_a_p1(scene: Scene) -> None:
    name = blocked(scene, "P0")
    incident = scene.until(name, "AwaitingApproval")
    scene.decide(scene.commander, "Hold", incident)
    scene.until_status(name, ".held.by", COMMANDER)
    both_approve(scene, name)
    scene.until(name, "Mitigating")
    scene.decide(scene.commander, "Classify", incident, role=COMMANDERS, severity="P1")
    scene.until_status(name, ".attempt", "2")
    incident = scene.until(name, "Escalated")
    assert bypass(scene) == {} and "at severity P1" in incident["status"]["message"] and not incident["status"].get("approvals")

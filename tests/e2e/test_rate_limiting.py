"""Scenario 5 of the Kubernetes runbook: limits raised or switched off for a time, by approval, on real pods."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cluster.model import ClusterError
from tests.stage.pack import folder_of, lines
from tests.stage.people import COMMANDER, ON_CALL
from tests.stage.scene import Edit, Scene, keeps_evidence

COMMANDERS = "incident-commander"
# Time enough for the rollout, and for what a test looks at meanwhile.
AFTER = "45s"


def quick(document: dict[str, Any]) -> None:
    """The shipped playbook with a short time-box and short holds."""
    for option in document["spec"]["options"]:
        option["steps"][0]["revert"]["after"] = AFTER
        option["verify"][1]["holdFor"] = "1s"


def limited(document: dict[str, Any]) -> None:
    """A frontend that has a limit already."""
    keeps_evidence(document)
    if document["kind"] == "Deployment":
        document["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "RATE_LIMIT_QUERY", "value": "10"})


def fits_the_gravest_only(document: dict[str, Any]) -> None:
    """As `quick`, and limits are raised at P0 alone."""
    quick(document)
    document["spec"]["options"][0]["when"] = "incident.severity == 'P0'"


def blocked(scene: Scene, playbook: Edit = quick, **spec: Any) -> str:
    scene.play("rate-limiting", playbook=playbook, stage=limited)
    return scene.open("blocked-users", type="rate-limiting", severity="P2", **spec)


def limits(scene: Scene) -> dict[str, str]:
    """As the Deployment asks for them."""
    return {name: value for name, value in scene.environment().items() if name.startswith("RATE_")}


def served(scene: Scene) -> dict[str, str]:
    """As a running pod has them."""
    lines = scene.kubectl("exec", "deployment/frontend", "--", "env").splitlines()
    return dict(line.split("=", 1) for line in lines if line.startswith("RATE_"))


def own_evidence(scene: Scene) -> str:
    """What the application's own evidence says: the decision was written in one of its pods."""
    pods = scene.kubectl("get", "pods", "-l", "component=frontend", "-o", "name").split()
    reading = ["sh", "-c", "cat /app/evidence/* 2>/dev/null; true"]
    return "".join(scene.kubectl("exec", pod, "--", *reading) for pod in pods)


@pytest.mark.requirement("E-21", "E-32")
def test_limits_are_raised_for_a_time_after_approval_and_the_decision_is_in_the_evidence(scene: Scene) -> None:
    name = blocked(scene, parameters={"queryLimit": "40"})
    assert scene.until(name, "AwaitingApproval")["status"]["waitsFor"] == f"{COMMANDERS} 0/1"
    assert limits(scene) == {"RATE_LIMIT_QUERY": "10"}
    scene.approve(scene.commander, name, COMMANDERS, reason="support is flooded, the load is real")
    incident = scene.until(name, "Mitigated")
    scene.rolled_out()
    assert limits(scene) == served(scene) == {"RATE_LIMIT_QUERY": "40", "RATE_LIMIT_DEPLOY": "10"}
    assert incident["status"]["openReverts"] == 1
    said = "Rate limiting adjusted: queries 40, deployments 10 - Incident blocked-users\n"
    assert own_evidence(scene) == said
    incident = scene.until(name, "Resolved")
    scene.rolled_out()
    assert limits(scene) == served(scene) == {"RATE_LIMIT_QUERY": "10"}, "what was there before, and no more"
    record = incident["status"]["reverts"][0]
    assert record["state"] == "Done" and record["doneAt"] >= record["dueAt"], "early never"
    assert [path.read_text() for path in folder_of(incident).rglob("*.stdout.txt")] == [said], "in the pack as well"
    approvals = json.loads((folder_of(incident) / "approvals.json").read_text())
    assert [approval["by"] for approval in approvals] == [COMMANDER]
    told = lines(incident)
    decided = next(line for line in told.values() if line["action"] == "Approve raise-limits")
    assert decided["actor"] == COMMANDER and decided["expectation"] == "support is flooded, the load is real"
    assert "taken back at" in told["1/step/raise-limits/raise/intent/1"]["next"]
    assert told["1/revert/raise-limits/raise/done"]["result"].startswith("Done")


@pytest.mark.requirement("E-21")
def test_without_a_commander_limits_are_not_raised(scene: Scene) -> None:
    """Who opened it cannot approve it, and a commander's Reject is a no; what is left is the last resort, which needs a yes too,
    and which that alone does not let run: what was rejected was not tried."""
    name = blocked(scene)
    generation = scene.deployment()["metadata"]["generation"]
    with pytest.raises(ClusterError, match=f"'{ON_CALL}' may not approve as '{COMMANDERS}'"):
        scene.approve(scene.on_call, name, COMMANDERS)
    incident = scene.incident(name)
    scene.decide(scene.commander, "Reject", incident, role=COMMANDERS, option="raise-limits",
                 planDigest=incident["status"]["planDigest"])  # fmt: skip
    incident = scene.until_status(name, ".option", "disable-limits")
    assert incident["status"]["phase"] == "AwaitingApproval"
    scene.approve(scene.commander, name, COMMANDERS)
    incident = scene.until_status(name, ".reason", "LastResort")
    assert "options that were not tried: raise-limits" in incident["status"]["message"] and not incident["status"].get("steps")
    assert scene.deployment()["metadata"]["generation"] == generation and limits(scene) == {"RATE_LIMIT_QUERY": "10"}


@pytest.mark.requirement("E-21")
def test_a_limit_out_of_bounds_is_not_planned(scene: Scene) -> None:
    name = blocked(scene, parameters={"queryLimit": "100000"})
    incident = scene.until(name, "Waiting")
    assert "queryLimit" in incident["status"]["message"] and "1000" in incident["status"]["message"]
    assert limits(scene) == {"RATE_LIMIT_QUERY": "10"}


@pytest.mark.requirement("E-22")
def test_limits_are_switched_off_as_the_last_resort_and_come_back(scene: Scene) -> None:
    name = blocked(scene, fits_the_gravest_only)
    incident = scene.until(name, "AwaitingApproval")
    assert incident["status"]["option"] == "disable-limits" and "last resort" not in incident["status"]["message"]
    scene.approve(scene.commander, name, COMMANDERS)
    scene.until(name, "Mitigated")
    scene.rolled_out()
    assert served(scene)["RATE_LIMITING_ENABLED"] == "false"
    assert own_evidence(scene) == "Rate limiting disabled - Incident blocked-users\n"
    incident = scene.until(name, "Resolved")
    scene.rolled_out()
    assert limits(scene) == served(scene) == {"RATE_LIMIT_QUERY": "10"}
    assert [record["state"] for record in incident["status"]["reverts"]] == ["Done"]


@pytest.mark.requirement("E-22")
def test_nobody_says_yes_in_time_and_limits_stay_on(scene: Scene) -> None:
    def hasty(document: dict[str, Any]) -> None:
        quick(document)
        for option in document["spec"]["options"]:
            option["approval"]["timeout"] = "3s"

    scene.play("rate-limiting", playbook=hasty, stage=limited)
    generation = scene.deployment()["metadata"]["generation"]
    name = scene.open("blocked-users", type="rate-limiting", severity="P2")
    incident = scene.until(name, "Escalated")
    assert {option["state"] for option in incident["status"]["options"]} == {"Denied"}
    assert scene.deployment()["metadata"]["generation"] == generation

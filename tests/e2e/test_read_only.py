"""Data integrity at risk: the platform takes no writes once that is confirmed, by a check or by a person, until it is proven."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cluster.model import ClusterError
from tests.stage.pack import lines
from tests.stage.people import COMMANDER
from tests.stage.scene import Scene

COMMANDERS = "incident-commander"
FLAG = "global-readonly"


def quick(document: dict[str, Any]) -> None:
    spec = document["spec"]
    for check in [check for option in spec["options"] for check in option["verify"]] + spec["recovery"]["verify"]:
        check["holdFor"] = "1s"
    spec["recovery"]["watchFor"] = "0s"


def reads_flags(document: dict[str, Any]) -> None:
    """The frontend mounts the flags; the one that it knows is absent at first."""
    if document["kind"] == "Deployment":
        spec = document["spec"]["template"]["spec"]
        items = [{"key": FLAG, "path": "read-only"}]
        spec["volumes"] = [{"name": "flags", "configMap": {"name": "feature-flags", "items": items, "optional": True}}]
        spec["containers"][0]["volumeMounts"] = [{"name": "flags", "mountPath": "/etc/frontend"}]


def config(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def doubted(scene: Scene, verdict: str) -> str:
    """An incident about data of which the platform's own verification says `verdict`."""
    scene.play("read-only", playbook=quick, stage=reads_flags,
               beside=[config("feature-flags", search="on"), config("integrity-report", verdict=verdict)])  # fmt: skip
    return scene.open("audit-chain-broken", type="data-integrity", severity="P1")


def report(scene: Scene, verdict: str) -> None:
    scene.kubectl.apply([config("integrity-report", verdict=verdict)])


def flags(scene: Scene) -> dict[str, str]:
    return scene.kubectl.get("configmap", "feature-flags")["data"]


def read_only(scene: Scene) -> bool:
    """As the service answers."""
    path = f"/api/v1/namespaces/{scene.namespace}/services/http:frontend:8080/proxy/health"
    return json.loads(scene.kubectl("get", "--raw", path))["readOnly"]


def asked(scene: Scene, name: str) -> dict[str, Any]:
    return scene.until_status(name, ".steps[0].state", "Waiting")


@pytest.mark.requirement("B-03")
def test_a_check_confirms_the_danger_and_recovery_removes_the_flag(scene: Scene) -> None:
    name = doubted(scene, "damaged")
    scene.until(name, "Mitigated")
    scene.rolled_out()
    assert flags(scene) == {"search": "on", FLAG: "true"} and read_only(scene)
    assert scene.incident(name)["status"]["openReverts"] == 2, "the flag, and the restart of who reads it"
    report(scene, "intact")
    incident = scene.until(name, "Resolved")
    scene.rolled_out()
    assert flags(scene) == {"search": "on"} and not read_only(scene)
    assert {option["name"]: option["state"] for option in incident["status"]["options"]} == {"on-report": "Confirmed"}
    told = list(lines(incident))
    assert told.index("1/diagnosis/damaged") < told.index("1/step/on-report/set-flag/intent/1")
    assert told.index("1/recovery/checking") < told.index("1/revert/on-report/set-flag/done") < told.index("1/recovery/rechecking")


@pytest.mark.requirement("B-03")
def test_the_flag_stays_while_the_data_is_not_proven(scene: Scene) -> None:
    name = doubted(scene, "damaged")
    scene.until(name, "Mitigated")
    scene.rolled_out()
    scene.until_status(name, ".message", "Recovery: waiting for its checks")
    report(scene, "being looked at")
    assert all(read_only(scene) for _ in range(20)), "it is asked for some seconds"
    assert flags(scene)[FLAG] == "true" and scene.incident(name)["status"]["phase"] == "Mitigated"


@pytest.mark.requirement("B-03")
def test_a_person_confirms_what_no_check_tells(scene: Scene) -> None:
    name = doubted(scene, "unknown")
    incident = asked(scene, name)
    assert FLAG not in flags(scene) and not read_only(scene)
    scene.decide(scene.commander, "Confirm", incident, role=COMMANDERS, option="on-word", step="confirm",
                 reason="two invoices have one number")  # fmt: skip
    scene.until(name, "Mitigated")
    scene.rolled_out()
    assert flags(scene)[FLAG] == "true" and read_only(scene)
    report(scene, "intact")
    incident = scene.until(name, "Resolved")
    assert FLAG not in flags(scene)
    confirmed = next(line for line in lines(incident).values() if line["action"] == "Confirm on-word")
    assert (confirmed["actor"], confirmed["expectation"]) == (COMMANDER, "two invoices have one number")


@pytest.mark.requirement("B-03")
def test_without_a_confirmation_nothing_is_set(scene: Scene) -> None:
    """Another role does not count, whoever says it; a Reject is a no."""
    name = doubted(scene, "unknown")
    incident = asked(scene, name)
    answer = {"option": "on-word", "step": "confirm"}
    made = scene.decide(scene.on_call, "Confirm", incident, role="on-call", **answer)
    decision = f"decision/{made['metadata']['name']}"
    scene.kubectl.wait(decision, ".status.effect", "NoEffect")
    with pytest.raises(ClusterError, match="mallory"):
        scene.decide(scene.security.acting_as("mallory"), "Confirm", incident, role=COMMANDERS, **answer)
    scene.decide(scene.commander, "Reject", incident, role=COMMANDERS, **answer)
    scene.until(name, "Escalated")
    assert flags(scene) == {"search": "on"} and not read_only(scene)

"""Scenario 1 of the Kubernetes runbook on real pods: the frontend is down; and the ways in which mitigating it can fail."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from stanch.packs.verify import verify
from tests.stage.reconcilers import owner
from tests.stage.scene import Scene


def quick(document: dict[str, Any]) -> None:
    """The shipped playbook with short holds: a test need not watch a healthy service for long. Whether a restart helped is asked
    once it is rolled out: at the end of that time one question decides, and one that met a pod which is just going would make
    it inconclusive, not denied."""
    document["spec"]["options"][0]["steps"][0]["smoke"] = [{"rollout": {"target": "app"}, "within": "2m"}]
    for option in document["spec"]["options"]:
        for check in option["verify"]:
            if "http" in check:
                check |= {"within": "10s" if option["name"] == "restart" else "30s", "holdFor": "1s"}


def options(incident: dict[str, Any]) -> dict[str, str]:
    return {option["name"]: option["state"] for option in incident["status"]["options"]}


def pack_of(incident: dict[str, Any]) -> Path:
    return Path(urlsplit(incident["status"]["pack"]["uri"]).path)


def sealed(scene: Scene, name: str, phase: str = "Resolved") -> dict[str, Any]:
    scene.until(name, phase)
    scene.kubectl("wait", f"incident/{name}", "--for=jsonpath={.status.pack.manifest}", "--timeout=30s")
    return scene.incident(name)


@pytest.mark.requirement("E-05", "E-07", "E-08", "E-02", "C-05")
def test_restart_does_not_help_and_going_back_does(scene: Scene) -> None:
    scene.set(playbook=quick)
    scene.break_release()
    incident = sealed(scene, scene.open())
    assert options(incident) == {"restart": "Denied", "undo": "Confirmed"}
    assert scene.environment() == {"FRONTEND_VERSION": "v1"}, "the release before serves again"
    pack = pack_of(incident)
    status = incident["status"]
    found = verify(pack, status["pack"]["head"]["hash"], status["pack"]["manifest"])
    assert found.ok, found.problems
    assess(pack)
    recent_changes(pack)


def assess(pack: Path) -> None:
    """E-02, E-08: pods, events by time, logs of before with time stamps in their names, the health endpoint."""
    logs = [
        path
        for path in (pack / "logs" / "before-1").glob("frontend-*_frontend-*.log")
        if "frontend v2 starting" in path.read_text()
    ]
    assert len(logs) == 2, "one log for each pod of the release (pods that are still ending have theirs beside)"
    stamp = datetime.strptime(logs[0].stem.rsplit("-", 1)[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    entries = [json.loads(path.read_text()) for path in sorted((pack / "chain").glob("*.json"))]
    intent = next(e for e in entries if e["line"]["key"] == "1/step/restart/restart/intent/1")
    assert stamp <= datetime.fromisoformat(intent["at"]), "captured before the first change was even intended"
    described = "".join(path.read_text() for path in (pack / "describe" / "before-1").rglob("*.txt"))
    assert "frontend" in described and "RELEASE_BROKEN" in described
    times = [
        line.split()[0] for line in next((pack / "events" / "before-1").glob("*.txt")).read_text().splitlines() if line[:2] == "20"
    ]
    assert times and times == sorted(times)
    health = json.loads((pack / "checks" / "before-1.json").read_text())["health"]
    assert health["verdict"] == "Denied" and "502" in health["message"]


def recent_changes(pack: Path) -> None:
    """C-05: what changed, when, by whose hand, with the difference."""
    history = next((pack / "history" / "before-1").glob("deployment_frontend-*.txt")).read_text()
    assert "+" in history and "RELEASE_BROKEN" in history
    assert "kubectl" in history, "the field manager that wrote it"


@pytest.mark.requirement("E-05")
def test_restart_helps_where_the_fault_lives_in_the_process(scene: Scene) -> None:
    scene.set(playbook=quick)
    for pod in scene.kubectl("get", "pods", "-l", "component=frontend", "-o", "name").split():
        scene.kubectl("exec", pod, "--", "sh", "-c", "mkdir -p /etc/frontend && echo true >/etc/frontend/broken")
    before = {pod["metadata"]["uid"] for pod in scene.kubectl.get("pods", "-l", "component=frontend")["items"]}
    incident = sealed(scene, scene.open())
    assert options(incident) == {"restart": "Confirmed"}
    after = {pod["metadata"]["uid"] for pod in scene.kubectl.get("pods", "-l", "component=frontend")["items"]}
    assert not before & after


@pytest.mark.requirement("E-05", "E-07")
def test_nothing_helps_and_people_are_called(scene: Scene) -> None:
    scene.set(playbook=quick)
    scene.break_release("v2")
    scene.break_release("v3")
    incident = scene.until(scene.open(), "Escalated")
    assert options(incident) == {"restart": "Denied", "undo": "Denied"}
    assert incident["status"]["waitsFor"]
    conditions = {condition["type"]: condition["status"] for condition in incident["status"]["conditions"]}
    assert conditions["Stalled"] == "True" and conditions["Mitigated"] == "False"


@pytest.mark.requirement("E-05", "E-07")
def test_what_the_service_account_may_not_do_is_refused_before_anything_is_changed(scene: Scene) -> None:
    def read_only(document: dict[str, Any]) -> None:
        for rule in document.get("rules", []):
            if "patch" in rule["verbs"]:
                rule["verbs"] = ["get"]

    scene.set(playbook=quick, access=read_only)
    scene.break_release()
    generation = scene.deployment()["metadata"]["generation"]
    name = scene.open()
    incident = scene.until(name, "Waiting")
    assert incident["status"]["reason"] == "Forbidden"
    assert "patch" in incident["status"]["message"] and "frontend-remediator" in incident["status"]["message"]
    assert scene.deployment()["metadata"]["generation"] == generation
    scene.grant()  # permitted now: the same incident goes on
    assert options(sealed(scene, name)) == {"restart": "Denied", "undo": "Confirmed"}


@pytest.mark.requirement("D-06")
@pytest.mark.parametrize(("age", "expected"), [("30m", {"undo": "Confirmed"}), ("1ms", {"undo": "Skipped"})])
def test_rolled_back_by_itself_only_while_the_last_deploy_is_young(scene: Scene, age: str, expected: dict[str, str]) -> None:
    def only_undo(document: dict[str, Any]) -> None:
        quick(document)
        document["spec"]["options"] = [o for o in document["spec"]["options"] if o["name"] == "undo"]
        document["spec"]["options"][0]["when"] = f"facts.lastDeploy.age < duration('{age}')"

    scene.set(playbook=only_undo)
    scene.break_release()
    name = scene.open()
    incident = scene.until(name, "Resolved" if "Confirmed" in expected.values() else "Escalated")
    assert options(incident) == expected
    assert scene.environment()["FRONTEND_VERSION"] == ("v1" if "Confirmed" in expected.values() else "v2")


@pytest.mark.requirement("D-06")
@pytest.mark.parametrize("automated", [True, False])
@pytest.mark.usefixtures("reconcilers")
def test_workload_of_argo_cd_is_never_fought_over(scene: Scene, automated: bool) -> None:
    """Argo CD that heals by itself would undo the rollback: refused. One that syncs by hand lets it be: rolled back."""
    scene.set(playbook=quick, access=may_read_applications)
    policy = {"automated": {"selfHeal": True}} if automated else {}
    scene.kubectl.apply([owner("Application", scene.namespace, syncPolicy=policy)])
    scene.break_release()
    tracking = f"{scene.namespace}_shop:apps/Deployment:{scene.namespace}/frontend"
    scene.kubectl("annotate", "deployment/frontend", f"argocd.argoproj.io/tracking-id={tracking}")
    name = scene.open()
    if automated:
        incident = scene.until(name, "Escalated")
        why = [option["message"] for option in incident["status"]["options"]]
        assert all("OwnedByReconciler" in message and "shop" in message for message in why), why
        assert scene.environment()["FRONTEND_VERSION"] == "v2"
    else:
        assert options(sealed(scene, name))["undo"] == "Confirmed"


def may_read_applications(document: dict[str, Any]) -> None:
    if document["kind"] == "Role" and document["metadata"]["name"] == "stanch-playbook-frontend-down":
        document["rules"].append({"apiGroups": ["argoproj.io"], "resources": ["applications"], "verbs": ["get"]})


def test_dry_run_shows_the_differences_and_writes_nothing(scene: Scene) -> None:
    scene.set(playbook=quick)
    scene.break_release()
    before = scene.deployment()
    incident = sealed(scene, scene.open(mode="DryRun"), "Closed")
    after = scene.deployment()
    assert before["metadata"]["generation"] == after["metadata"]["generation"]
    assert before["metadata"].get("annotations") == after["metadata"].get("annotations")
    plan = json.loads(next((pack_of(incident) / "plans").glob("*.json")).read_text())
    undo = plan["options"][1]["steps"][0]
    assert undo["proven"] and "RELEASE_BROKEN" in undo["preview"]


def needs_commander(document: dict[str, Any]) -> None:
    quick(document)
    document["spec"]["options"][1]["approval"] = {"roles": {"incident-commander": 1}}


@pytest.mark.requirement("A-17")
def test_approval_by_the_commander_lets_the_option_run(scene: Scene) -> None:
    scene.set(playbook=needs_commander)
    scene.break_release()
    name = scene.open()
    incident = scene.until(name, "AwaitingApproval")
    assert incident["status"]["waitsFor"] == "incident-commander 0/1"
    assert scene.environment()["FRONTEND_VERSION"] == "v2"
    scene.decide(scene.on_call, "Note", incident, reason="the CDN is innocent")
    scene.decide(scene.commander, "Approve", incident, role="incident-commander", option="undo",
                 planDigest=incident["status"]["planDigest"])  # fmt: skip
    incident = sealed(scene, name)
    assert options(incident)["undo"] == "Confirmed"
    approvals = json.loads((pack_of(incident) / "approvals.json").read_text())
    assert approvals[0]["by"] == "carol"
    timeline = (pack_of(incident) / "timeline.md").read_text()
    assert re.search(r"\[\d\d:\d\d\] Note, the CDN is innocent, noted, .* \(alice\)", timeline), "people's half"
    assert re.search(r"\[\d\d:\d\d\] rolloutUndo deployment/frontend, .*, revision 3 -\\?> 1.*, verify \(stanch\)", timeline)


def test_abort_stops_before_the_next_change(scene: Scene) -> None:
    scene.set(playbook=needs_commander)
    scene.break_release()
    name = scene.open()
    incident = scene.until(name, "AwaitingApproval")
    scene.decide(scene.on_call, "Abort", incident)
    incident = sealed(scene, name, "Aborted")
    assert scene.environment()["FRONTEND_VERSION"] == "v2"
    assert not incident["metadata"].get("finalizers")
    leases = scene.kubectl.inside(scene.operator_namespace)("get", "leases", "-o", "name")
    assert scene.deployment()["metadata"]["uid"] not in leases, "the lock was given back"


def test_one_incident_changes_a_target_at_a_time(scene: Scene) -> None:
    scene.set(playbook=needs_commander)
    scene.break_release()
    first = scene.until(scene.open("first"), "AwaitingApproval")
    second = scene.open("second")
    scene.kubectl.wait(f"incident/{second}", ".status.reason", "TargetLocked")
    assert "first" in scene.incident(second)["status"]["message"]
    scene.decide(scene.on_call, "Abort", first)
    scene.until("second", "AwaitingApproval")


def test_deleting_an_incident_gives_back_what_it_holds(scene: Scene) -> None:
    scene.set(playbook=needs_commander)
    scene.break_release()
    name = scene.open()
    scene.until(name, "AwaitingApproval")
    assert scene.incident(name)["metadata"]["finalizers"]
    scene.kubectl("delete", "incident", name, "--timeout=60s")
    leases = scene.kubectl.inside(scene.operator_namespace)("get", "leases", "-o", "name")
    assert scene.deployment()["metadata"]["uid"] not in leases


def test_story_in_one_line_and_events_on_what_was_changed(scene: Scene) -> None:
    scene.set(playbook=quick)
    scene.break_release()
    name = scene.open()
    sealed(scene, name)
    header, line = scene.kubectl("get", "inc", name).splitlines()
    assert header.split() == ["NAME", "SEV", "PHASE", "PLAYBOOK", "AT", "WAITS", "FOR", "UNTIL", "REVERTS", "AGE"]
    assert line.split()[:5] == [name, "P0", "Resolved", "frontend-down", "undo/undo"]
    events = scene.kubectl(
        "get", "events", "--field-selector", "involvedObject.kind=Deployment", "-o", "jsonpath={.items[*].message}"
    )
    assert f"Incident {name}" in events

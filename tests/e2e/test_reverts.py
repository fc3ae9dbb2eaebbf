"""What was changed for a time is taken back on a real cluster, whatever happens meanwhile, never over what others changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.stage.command import CommandError, Stanch
from tests.stage.kubectl import Kubectl
from tests.stage.operator import OperatorProcess
from tests.stage.pack import folder_of, lines
from tests.stage.people import COMMANDER, ON_CALL
from tests.stage.scene import Scene

STEP = "raise-limits/raise"
RAISED = {"FRONTEND_VERSION": "v1", "RATE_LIMIT_QUERY": "20", "RATE_LIMIT_DEPLOY": "10"}
BEFORE = {"FRONTEND_VERSION": "v1"}


def boxed(after: str) -> Callable[[dict[str, Any]], None]:
    """The shipped playbook of rate limits: one option, no approval, back after so long."""

    def edit(document: dict[str, Any]) -> None:
        option = document["spec"]["options"][0]
        option.pop("approval")
        option["steps"] = option["steps"][:1]
        option["steps"][0]["revert"]["after"] = after
        option["verify"][1]["holdFor"] = "1s"
        document["spec"]["options"] = [option]

    return edit


def raised(scene: Scene, after: str = "40s") -> str:
    """An incident whose limits are raised for so long: time enough for the rollout, and for what the test does meanwhile."""
    scene.play("rate-limiting", playbook=boxed(after))
    name = scene.open("blocked-users", type="rate-limiting", severity="P2")
    scene.until(name, "Mitigated")
    assert scene.environment() == RAISED
    return name


def revert_of(incident: dict[str, Any]) -> dict[str, Any]:
    return incident["status"]["reverts"][0]


def at(record: dict[str, Any], field: str) -> datetime:
    return datetime.fromisoformat(record[field])


def condition(incident: dict[str, Any], kind: str = "RevertConflict") -> dict[str, Any]:
    return next(one for one in incident["status"]["conditions"] if one["type"] == kind)


@pytest.fixture
def stanch(stage: Scene, tmp_path: Path) -> Stanch:
    """The command, as the engineer on call."""
    return Stanch(stage.on_call, tmp_path)


@pytest.fixture
def commander(stage: Scene, tmp_path: Path) -> Stanch:
    return Stanch(stage.commander, tmp_path)


def test_a_time_box_survives_a_killed_operator_and_is_never_early(scene: Scene, operator: OperatorProcess) -> None:
    name = raised(scene, after="40s")
    due = at(revert_of(scene.incident(name)), "dueAt")
    operator.kill()
    operator.start()
    assert at(revert_of(scene.incident(name)), "dueAt") == due, "the time is absolute"
    seen, looked = scene.environment(), 0
    # Judged is what has been read by then: an answer that is still on its way may come after its time.
    while datetime.now(UTC) < due - timedelta(seconds=1):
        assert seen == RAISED
        seen, looked = scene.environment(), looked + 1
    assert looked, "it was looked at before its time"
    record = revert_of(scene.until(name, "Resolved"))
    assert record["state"] == "Done" and timedelta() <= at(record, "doneAt") - due < timedelta(seconds=10)
    assert scene.environment() == BEFORE


def test_what_others_changed_beside_it_stays(scene: Scene) -> None:
    name = raised(scene)
    scene.kubectl("set", "env", "deployment/frontend", "RATE_LIMIT_BURST=7")
    scene.kubectl("scale", "deployment/frontend", "--replicas=3")
    scene.until(name, "Resolved")
    assert scene.environment() == BEFORE | {"RATE_LIMIT_BURST": "7"}
    assert scene.deployment()["spec"]["replicas"] == 3


def test_a_conflict_is_mended_and_then_taken_back_on_request(scene: Scene, stanch: Stanch, commander: Stanch) -> None:
    name = raised(scene)
    scene.kubectl("set", "env", "deployment/frontend", "RATE_LIMIT_QUERY=99")
    incident = scene.until_status(name, ".reverts[0].state", "Conflict")
    assert scene.environment() == RAISED | {"RATE_LIMIT_QUERY": "99"}, "not overwritten, and nothing half"
    assert condition(incident)["status"] == "True" and "RATE_LIMIT_QUERY" in condition(incident)["message"]
    assert "Conflict" in stanch("reverts")
    with pytest.raises(CommandError, match="no time ahead"):
        commander("extend", name, STEP, "--by", "1h", "--reason", "too late", "--yes")
    scene.kubectl("set", "env", "deployment/frontend", "RATE_LIMIT_QUERY=20")
    stanch("revert", name, STEP, "--reason", "mended", "--yes")
    incident = scene.until(name, "Resolved")
    assert scene.environment() == BEFORE
    assert condition(incident)["status"] == "False"


def test_a_conflict_is_released_by_a_person_and_that_is_recorded(scene: Scene, commander: Stanch) -> None:
    name = raised(scene)
    scene.kubectl("set", "env", "deployment/frontend", "RATE_LIMIT_QUERY=99")
    scene.until_status(name, ".reverts[0].state", "Conflict")
    commander("confirm", name, STEP, "--reason", "99 is what we want now", "--yes")
    incident = scene.until(name, "Resolved")
    assert scene.environment() == RAISED | {"RATE_LIMIT_QUERY": "99"}
    released = lines(incident)["1/revert/raise-limits/raise/released"]
    assert released["actor"] == COMMANDER and "99 is what we want now" in released["result"]


def test_a_target_that_is_gone_is_let_go_and_its_namesake_is_left_alone(scene: Scene) -> None:
    name = raised(scene)
    scene.kubectl("delete", "deployment/frontend", "--wait=true")
    scene.play("rate-limiting", playbook=boxed("20s"))
    scene.kubectl("set", "env", "deployment/frontend", "RATE_LIMIT_QUERY=20", "RATE_LIMIT_DEPLOY=10")
    generation = scene.deployment()["metadata"]["generation"]
    incident = scene.until_status(name, ".reverts[0].state", "Abandoned")
    assert scene.deployment()["metadata"]["generation"] == generation and scene.environment() == RAISED
    scene.until(name, "Resolved")
    assert revert_of(incident)["message"] and "1/revert/raise-limits/raise/abandoned" in lines(incident)


def test_without_its_service_account_a_person_is_called_and_may_release_it(scene: Scene, commander: Stanch) -> None:
    """One of the same name is another one: it is not trusted with what the old one did."""
    name = raised(scene)
    scene.kubectl("delete", "serviceaccount", "rate-limit-remediator")
    scene.kubectl("create", "serviceaccount", "rate-limit-remediator")
    incident = scene.until_status(name, ".reverts[0].state", "Blocked")
    assert condition(incident)["status"] == "True" and condition(incident)["reason"] == "Blocked"
    assert incident["status"]["reason"] == "RevertConflict" and STEP in incident["status"]["waitsFor"]
    assert scene.environment() == RAISED
    commander("confirm", name, STEP, "--reason", "set back by hand", "--yes")
    assert revert_of(scene.until(name, "Resolved"))["state"] == "Released"


def test_a_namespace_that_is_being_deleted_goes(stage: Scene, operator: OperatorProcess, installed: Kubectl) -> None:
    going = f"{stage.namespace}-going"
    installed("create", "namespace", going)
    installed.inside(going)("wait", "--for=create", "serviceaccount/default", "--timeout=30s")
    operator.namespaces = (*operator.namespaces, going)
    operator.start()
    scene = Scene(installed.inside(going), operator.namespace)
    incident = scene.incident(raised(scene, after="1h"))
    installed("delete", "namespace", going, "--timeout=120s", timeout=150)
    said = lines(incident)
    about = [key for key in said if key.startswith("1/revert/raise-limits/raise/")]
    # Where the operator was quicker than the namespace, an intent comes before its end.
    ends = [said[key]["result"] for key in about if "/intent/" not in key]
    assert ends and ends[-1].split(":")[0] in ("Abandoned", "Done"), said.keys()
    leases = installed.inside(operator.namespace)("get", "leases", "-o", "name")
    assert revert_of(incident)["ref"]["uid"] not in leases, "its lock was given back"


def test_reverts_are_listed_put_off_and_asked_for(scene: Scene, stanch: Stanch, commander: Stanch) -> None:
    name = raised(scene, after="5m")
    due = at(revert_of(scene.incident(name)), "dueAt")
    head, line = stanch("reverts").splitlines()
    assert head.split() == ["INCIDENT", "STEP", "OBJECT", "DUE", "STATE", "MESSAGE"]
    assert line.split()[:3] == [name, STEP, "deployment/frontend"] and f"{due:%Y-%m-%d %H:%M:%S} UTC (in " in line
    longer = ("extend", name, STEP, "--by", "1h", "--reason", "support asks for more", "--yes")
    with pytest.raises(CommandError, match=f"'{ON_CALL}' may not extend as '-'"):
        stanch(*longer)
    assert "taken back at" in commander(*longer)
    (item,) = json.loads(stanch("reverts", "-o", "json"))["items"]
    assert datetime.fromisoformat(item["dueAt"]) - due == timedelta(hours=1)
    stanch("revert", name, "--reason", "it was an attack", "--yes")
    record = revert_of(scene.until(name, "Resolved"))
    assert record["state"] == "Done" and at(record, "doneAt") < due, "early, because a person asked"
    assert scene.environment() == BEFORE
    assert "nothing is to be taken back" in stanch("reverts")
    told = lines(scene.incident(name))
    said = {line["action"].split()[0]: line["actor"] for key, line in told.items() if "/decision/" in key}
    assert said == {"Extend": COMMANDER, "Revert": ON_CALL}


def test_who_may_not_put_it_off_does_not(scene: Scene, tmp_path: Path) -> None:
    name = raised(scene, after="5m")
    due = revert_of(scene.incident(name))["dueAt"]
    mallory = Stanch(scene.kubectl.acting_as("mallory"), tmp_path)
    for verb in (("extend", name, STEP, "--by", "1h"), ("revert", name, STEP)):
        with pytest.raises(CommandError, match="mallory"):
            mallory(*verb, "--reason", "mine", "--yes")
    assert revert_of(scene.incident(name))["dueAt"] == due and scene.environment() == RAISED


def test_deleting_an_incident_takes_back_first(scene: Scene) -> None:
    name = raised(scene, after="1h")
    incident = scene.incident(name)
    scene.kubectl("delete", "incident", name, "--timeout=60s")
    assert scene.environment() == BEFORE
    assert "1/revert/raise-limits/raise/done" in lines(incident)
    assert (folder_of(incident) / "seal.json").exists(), "its pack stays, sealed"


def test_an_incident_that_is_deleted_over_a_conflict_stays_until_a_person_releases_it(scene: Scene, commander: Stanch) -> None:
    name = raised(scene, after="1h")
    scene.kubectl("set", "env", "deployment/frontend", "RATE_LIMIT_QUERY=99")
    scene.kubectl("delete", "incident", name, "--wait=false")
    incident = scene.until_status(name, ".reverts[0].state", "Conflict")
    assert incident["metadata"]["deletionTimestamp"] and STEP in incident["status"]["waitsFor"]
    commander("confirm", name, STEP, "--reason", "99 stays", "--yes", "--no-wait")
    scene.kubectl("wait", "--for=delete", f"incident/{name}", "--timeout=60s")
    assert scene.environment() == RAISED | {"RATE_LIMIT_QUERY": "99"}
    assert lines(incident)["1/revert/raise-limits/raise/released"]["actor"] == COMMANDER

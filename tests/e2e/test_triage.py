"""Who takes an incident on, and how grave it is, on a real API server: in time, late, proposed, and planned and approved anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.cluster.model import ClusterError
from tests.e2e.test_in_cluster import only_undo
from tests.stage.kubectl import documents
from tests.stage.pack import lines
from tests.stage.people import COMMANDER, ON_CALL, SECURITY, also, may
from tests.stage.scene import AUREUS, Scene, calm

ACKNOWLEDGED = ".conditions[?(@.type=='Acknowledged')].reason"
RESTORED = ".conditions[?(@.type=='Restored')].reason"


def one_person(document: dict[str, Any]) -> None:
    option = document["spec"]["options"][0]
    option["approval"] = {"roles": {"incident-commander": 1}, "timeout": "10m"}
    document["spec"]["options"] = [option]


def waiting(scene: Scene, **spec: Any) -> dict[str, Any]:
    scene.set(playbook=one_person)
    scene.break_release()
    return scene.until(scene.open(**spec), "AwaitingApproval")


@pytest.fixture
def within(scene: Scene) -> Iterator[Callable[..., str]]:
    """The shipped policy under a name of its own, by which a P0 is to be taken on, and mitigated, within this time."""
    name = f"within-{scene.namespace}"

    def made(time: str, restored: str | None = None) -> str:
        def own(document: dict[str, Any]) -> None:
            calm(document)
            document["metadata"]["name"] = name
            document["spec"]["default"] = False
            document["spec"]["levels"][0] |= {"respondWithin": time} | ({"restoreWithin": restored} if restored else {})

        scene.kubectl.apply(documents(AUREUS / "policy.yaml", own))
        return name

    yield made
    scene.kubectl("delete", "responsepolicy", name, "--ignore-not-found")


@pytest.mark.requirement("B-02", "E-30")
def test_who_takes_it_on_in_time_stands_on_it_and_nobody_else_is_called(scene: Scene, within: Callable[..., str]) -> None:
    incident = waiting(scene, policyRef={"name": within("90s")})
    name = incident["metadata"]["name"]
    scene.until_status(name, ACKNOWLEDGED, "Awaited")
    with pytest.raises(ClusterError, match=f"'{SECURITY}' may not acknowledge as 'security-team'"):
        scene.decide(scene.security, "Acknowledge", incident, role="security-team", reason=None)
    said = scene.decide(scene.on_call, "Acknowledge", incident, role="on-call", reason=None)
    status = scene.until_status(name, ".acknowledged.by", ON_CALL)["status"]
    assert status["acknowledged"]["at"] == said["metadata"]["creationTimestamp"] < status["acknowledgeBy"]
    scene.until_status(name, ACKNOWLEDGED, "InTime")
    scene.until_time(datetime.fromisoformat(status["acknowledgeBy"]) + timedelta(seconds=1))
    noted = scene.decide(scene.on_call, "Note", incident)["metadata"]["name"]
    scene.kubectl.wait(f"decision/{noted}", ".status.effect", "Counted")
    assert not scene.incident(name)["status"].get("unheeded") and unacknowledged(scene) == [], "nor when the time was over"
    scene.until_status(name, ACKNOWLEDGED, "InTime")


@pytest.mark.requirement("B-02", "E-30")
def test_late_is_told_before_anybody_comes_and_stays_late_whatever_they_say(scene: Scene, within: Callable[..., str]) -> None:
    incident = waiting(scene, policyRef={"name": within("1s")})
    name = incident["metadata"]["name"]
    before = scene.until_status(name, ACKNOWLEDGED, "Overdue")["status"]
    assert before["unheeded"] and "acknowledged" not in before
    scene.until_true("people are warned", lambda: len(unacknowledged(scene)) == 1)
    assert f"nobody took it on by {spelled(before['acknowledgeBy'])} UTC" in unacknowledged(scene)[0]
    # Objects bear the time of their creation in whole seconds.
    scene.until_time(datetime.fromisoformat(before["acknowledgeBy"]) + timedelta(seconds=1))
    said = scene.decide(scene.on_call, "Acknowledge", incident, role="on-call", reason=None)
    status = scene.until_status(name, ACKNOWLEDGED, "Late")["status"]
    assert status["acknowledged"]["at"] == said["metadata"]["creationTimestamp"] > status["acknowledgeBy"]
    for kept in ("acknowledgeBy", "unheeded", "deadline", "waitsFor", "planDigest"):
        assert status[kept] == before[kept], f"{kept} is none the later for it"
    scene.decide(scene.commander, "Acknowledge", incident, role="incident-commander", reason=None)
    scene.until_true("the second one is told", lambda: any("acknowledged it already" in line for line in told(scene, name)))
    scene.decide(scene.commander, "Classify", incident, role="incident-commander", severity="P1")
    scene.until_status(name, ".attempt", "2")
    status = scene.until(name, "AwaitingApproval")["status"]
    assert status["acknowledgeBy"] == before["acknowledgeBy"] and status["acknowledged"]["by"] == ON_CALL
    assert next(c["reason"] for c in status["conditions"] if c["type"] == "Acknowledged") == "Late", "milder is not sooner"
    assert "nobody has" in told(scene, name) and any(line.endswith(" s late") for line in told(scene, name))


@pytest.mark.requirement("B-02")
def test_the_clocks_begin_when_it_was_noticed_and_who_takes_it_on_late_does_not_hide_that_it_is_mitigated_late(
    scene: Scene, within: Callable[..., str]
) -> None:
    scene.set(playbook=only_undo)
    scene.break_release()
    noticed = datetime.now(timezone(timedelta(hours=2))).replace(microsecond=0) - timedelta(minutes=10)
    policy = {"name": within("5m", "10m45s")}
    name = scene.open(policyRef=policy, startedAt=noticed.isoformat())
    status = scene.until_status(name, ACKNOWLEDGED, "Overdue")["status"]
    due = datetime.fromisoformat(status["restoreBy"])
    assert datetime.fromisoformat(status["acknowledgeBy"]) == noticed + timedelta(minutes=5), "late before it was opened"
    assert due == noticed + timedelta(minutes=10, seconds=45)
    incident = scene.until(name, "AwaitingApproval")
    scene.decide(scene.on_call, "Acknowledge", incident, role="on-call", reason=None)
    assert scene.until_status(name, ACKNOWLEDGED, "Late")["status"]["restoreBy"] == status["restoreBy"]
    scene.until_status(name, RESTORED, "Overdue")
    scene.until_true("people are warned", lambda: warned(scene, "NotRestored") != [])
    assert warned(scene, "NotRestored") == [f"Incident {name}: not mitigated by {spelled(status['restoreBy'])} UTC (RTO)"]
    assert "it is not" in told(scene, name)
    scene.answer_plan("Approve", incident)
    status = scene.until(name, "Resolved")["status"]
    assert datetime.fromisoformat(status["restoredAt"]) > due and status["unrestored"]
    scene.until_status(name, RESTORED, "Late")


@pytest.mark.requirement("B-02")
def test_mitigated_in_time_it_is_in_time_and_nobody_is_warned(scene: Scene, within: Callable[..., str]) -> None:
    scene.set(playbook=only_undo)
    scene.break_release()
    name = scene.open(policyRef={"name": within("5m", "30m")})
    incident = scene.until(name, "AwaitingApproval")
    assert incident["status"]["restoreBy"] == after(incident, minutes=30)
    scene.until_status(name, RESTORED, "Awaited")
    scene.answer_plan("Approve", incident)
    status = scene.until(name, "Resolved")["status"]
    assert status["restoredAt"] < status["restoreBy"] and "unrestored" not in status
    scene.until_status(name, RESTORED, "InTime")
    assert warned(scene, "NotRestored") == []


def unacknowledged(scene: Scene) -> list[str]:
    return warned(scene, "Unacknowledged")


def spelled(at: str) -> str:
    return at.replace("T", " ").rstrip("Z")


def warned(scene: Scene, reason: str) -> list[str]:
    selected = f"involvedObject.kind=Incident,type=Warning,reason={reason}"
    return [event["message"] for event in scene.kubectl.get("events", "--field-selector", selected)["items"]]


def told(scene: Scene, name: str) -> list[str]:
    return [line.get("result", "") for line in lines(scene.incident(name)).values()]


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


@pytest.mark.requirement("B-02")
def test_where_whoever_is_on_call_classifies_they_are_bound_to_one_role_more(scene: Scene) -> None:
    incident = waiting(scene)
    name = incident["metadata"]["name"]
    with pytest.raises(ClusterError, match=f"'{ON_CALL}' may not classify as 'on-call'"):
        scene.decide(scene.on_call, "Classify", incident, role="on-call", severity="P1")
    scene.kubectl.apply(also(ON_CALL, "stanch-triage"))
    scene.until_true("they may", lambda: may(scene.kubectl, ON_CALL, "classify", "on-call"))
    scene.decide(scene.on_call, "Classify", incident, role="on-call", severity="P1")
    said = scene.until_status(name, ".attempt", "2")["status"]["classified"]
    assert (said["severity"], said["was"], said["by"]) == ("P1", "P0", ON_CALL)


@pytest.mark.requirement("E-33", "A-02")
def test_what_the_criteria_propose_a_person_confirms_and_nothing_else_changes_it(scene: Scene) -> None:
    incident = waiting(scene, severity="P1", assessment={"completeOutage": True})
    name, status = incident["metadata"]["name"], incident["status"]
    assert status["proposal"] == {"severity": "P0", "message": "completeOutage is true"}
    line = lines(incident)["1/severity/proposed"]
    assert (line["action"], line["expectation"]) == ("Propose severity P0", "severity is P1")
    assert incident["spec"]["severity"] == "P1" and "classified" not in status and "attempt" not in status
    assert status["acknowledgeBy"] == after(incident, minutes=15), "the clock is that of a P1"
    with pytest.raises(ClusterError, match=f"'{ON_CALL}' may not classify as"):
        scene.decide(scene.on_call, "Classify", incident, severity="P0")
    scene.decide(scene.commander, "Classify", incident, role="incident-commander", severity="P0")
    scene.until_status(name, ".attempt", "2")
    incident = scene.until(name, "AwaitingApproval")
    said = incident["status"]["classified"]
    assert (said["severity"], said["was"], said["by"]) == ("P0", "P1", COMMANDER)
    assert incident["spec"]["severity"] == "P1", "what it was opened as stays"
    assert incident["status"]["acknowledgeBy"] == after(incident, minutes=5)
    told = next(line for line in lines(incident).values() if line["action"] == "Classify")
    assert "P0 instead of P1, as the criteria propose" in told["result"]


@pytest.mark.requirement("E-33")
@pytest.mark.parametrize(
    ("assessment", "unknown"),
    [
        (None, "completeOutage, usersAffected, workaround"),
        ({"usersAffected": 40, "completeOutage": False}, "workaround"),
    ],
)
def test_what_nobody_knows_is_said_and_proposes_nothing(scene: Scene, assessment: dict[str, Any] | None, unknown: str) -> None:
    incident = waiting(scene, **({"assessment": assessment} if assessment else {}))
    assert incident["status"]["proposal"] == {"message": f"no criterion is known to hold; not known: {unknown}"}
    assert not [key for key in lines(incident) if "severity" in key]


@pytest.mark.requirement("E-33")
def test_what_is_not_known_and_could_make_it_graver_is_named(scene: Scene) -> None:
    incident = waiting(scene, severity="P1", assessment={"usersAffected": 60})
    why = "usersAffected is 60, at least 51 %; not known, and could make it graver: completeOutage"
    assert incident["status"]["proposal"] == {"severity": "P1", "message": why}
    assert not [key for key in lines(incident) if "severity" in key], "what agrees is no news"


def after(incident: dict[str, Any], **time: int) -> str:
    at = datetime.fromisoformat(incident["metadata"]["creationTimestamp"]) + timedelta(**time)
    return at.isoformat().replace("+00:00", "Z")


def actions(scene: Scene, name: str) -> set[str]:
    return {line["action"] for line in lines(scene.incident(name)).values()}

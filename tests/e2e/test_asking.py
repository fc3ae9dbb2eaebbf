"""Who is asked, what about, and until when, on a real cluster; a target that was created anew is approved anew."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.stage.command import CommandError, Stanch
from tests.stage.kubectl import documents
from tests.stage.pack import lines
from tests.stage.scene import COMMANDER, HERE, Scene, keeps_evidence

BOTH = "incident-commander 0/1, security-team 0/1"
BYPASS = {"POLICY_BYPASS_MODE": "true", "POLICY_BYPASS_APPROVER": "Carol C."}


def quick(document: dict[str, Any]) -> None:
    """The shipped playbook with a short hold. New pods may have no logs yet when it is planned anew: that is not tested here."""
    document["spec"]["evidence"]["onFailure"] = "Proceed"
    document["spec"]["options"][0]["verify"][1]["holdFor"] = "1s"


@pytest.fixture
def commander(stage: Scene, tmp_path: Path) -> Stanch:
    return Stanch(stage.commander, tmp_path)


def awaited(scene: Scene) -> str:
    scene.play("policy-bypass", playbook=quick, stage=keeps_evidence)
    name = scene.open("blocked-queries", type="policy", severity="P0", parameters={"approver": "Carol C."})
    scene.until(name, "AwaitingApproval")
    return name


def half_approved(scene: Scene) -> tuple[str, dict[str, Any]]:
    name = awaited(scene)
    scene.approve(scene.commander, name, "incident-commander", reason="nobody can work")
    return name, scene.until_status(name, ".waitsFor", "security-team 0/1")


def bypass(scene: Scene) -> dict[str, str]:
    return {name: value for name, value in scene.environment().items() if name.startswith("POLICY_")}


def second_yes(scene: Scene, incident: dict[str, Any]) -> None:
    """For the plan as it was then."""
    status = incident["status"]
    scene.decide(
        scene.security, "Approve", incident, role="security-team", option=status["option"], planDigest=status["planDigest"]
    )


def told(scene: Scene, name: str) -> list[str]:
    """What the Events say to whoever is waited for."""
    return [event["message"] for event in scene.kubectl.get("events", "--field-selector", f"involvedObject.name={name}")["items"]]


@pytest.mark.requirement("A-15")
def test_what_was_approved_is_not_done_to_a_deployment_that_was_created_anew(scene: Scene) -> None:
    name, incident = half_approved(scene)
    before = scene.deployment()["metadata"]["uid"]
    scene.kubectl("delete", "deployment/frontend", "--cascade=foreground", "--wait=true")
    scene.kubectl.apply(documents(HERE / "frontend.yaml", keeps_evidence))
    scene.rolled_out()
    uid = scene.deployment()["metadata"]["uid"]
    second_yes(scene, incident)
    scene.until_status(name, ".attempt", "2")
    incident = scene.until_status(name, ".waitsFor", BOTH)
    assert bypass(scene) == {}, "both had said yes, for another object"
    assert incident["status"]["planDigest"] and incident["status"].get("approvals", []) == []
    assert [target["ref"]["uid"] for target in incident["status"]["targets"]] == [uid] != [before]
    line = lines(incident)["1/option/bypass/replaced"]
    assert before in line["result"] and f"{COMMANDER} (incident-commander)" in line["result"]
    scene.approve(scene.commander, name, "incident-commander", reason="the new one, too")
    scene.until_status(name, ".waitsFor", "security-team 0/1")
    scene.approve(scene.security, name, "security-team", reason="the new one, too")
    scene.until(name, "Mitigated")
    assert bypass(scene) == BYPASS


def test_a_deployment_that_was_only_changed_keeps_its_approvals(scene: Scene) -> None:
    name, incident = half_approved(scene)
    scene.kubectl("annotate", "deployment/frontend", "team=shop")
    second_yes(scene, incident)
    incident = scene.until(name, "Mitigated")
    assert incident["status"].get("attempt", 1) == 1 and bypass(scene) == BYPASS


def test_column_condition_and_event_say_who_is_waited_for_and_until_when(scene: Scene) -> None:
    name, incident = half_approved(scene)
    until = incident["status"]["waitsUntil"]
    assert until == incident["status"]["deadline"]
    header, line = scene.kubectl("get", "inc", name).splitlines()
    assert line[header.index("UNTIL") :].startswith(until) and "security-team 0/1" in line
    ready = next(condition for condition in incident["status"]["conditions"] if condition["type"] == "Ready")
    waits = f"; waits for security-team 0/1 until {datetime.fromisoformat(until):%Y-%m-%d %H:%M:%S} UTC"
    assert ready["message"].endswith(waits)
    scene.until_true("the second of two is told", lambda: any(message.endswith(waits) for message in told(scene, name)))


def test_a_person_is_shown_what_they_approve_and_asked(scene: Scene, commander: Stanch) -> None:
    name = awaited(scene)
    approve = ("approve", name, "--role", "incident-commander")
    with pytest.raises(CommandError, match=r"(?s)exit 2.*this is no terminal.*say --yes"):
        commander(*approve)
    with pytest.raises(CommandError, match=r"(?s)exit 1.*nothing was said"):
        commander.answering("n", *approve)
    assert scene.incident(name)["status"].get("approvals", []) == []
    shown = commander.answering("y", *approve)
    for part in (
        "POLICY_BYPASS_MODE",
        "It touches 1: deployment/frontend",
        "it still lacks 1 as security-team",
        "counted: approved",
    ):
        assert part in shown
    with pytest.raises(CommandError, match="carol approved option bypass already"):
        commander(*approve, "--yes")


def test_an_abort_says_what_it_takes_back_and_asks(scene: Scene, commander: Stanch) -> None:
    name, incident = half_approved(scene)
    second_yes(scene, incident)
    scene.until(name, "Mitigated")
    abort = ("abort", name, "--reason", "it was an attack")
    with pytest.raises(CommandError, match=r"(?s)change to deployment/frontend by bypass/bypass is taken back now.*say --yes"):
        commander(*abort)
    assert bypass(scene) == BYPASS
    commander(*abort, "--yes")
    scene.until(name, "Aborted")
    assert bypass(scene) == {}

"""Who is asked, what about, and until when, on a real cluster; a target that was created anew is approved anew."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.stage.command import CommandError, Stanch
from tests.stage.kubectl import documents
from tests.stage.operator import OperatorProcess
from tests.stage.pack import lines
from tests.stage.people import COMMANDER, SECURITY, also, may
from tests.stage.scene import HERE, Scene, keeps_evidence

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


def asks_to_undo(document: dict[str, Any]) -> None:
    """The shipped playbook's last option alone, for which a commander is asked; whether it helps is not tested here."""
    undo = document["spec"]["options"][1]
    undo["approval"] = {"roles": {"incident-commander": 1}, "timeout": "10m"}
    undo["verify"] = [check for check in undo["verify"] if "rollout" in check]
    document["spec"]["options"] = [undo]


@pytest.mark.requirement("A-13")
def test_a_yes_to_the_release_before_is_none_to_another_one(scene: Scene) -> None:
    """Rolled out again while it is waited for: the release before is the broken one by then."""
    scene.set(playbook=asks_to_undo)
    scene.break_release()
    incident = scene.until(scene.open(), "AwaitingApproval")
    name, status = incident["metadata"]["name"], incident["status"]
    scene.release("v3", RELEASE_BROKEN="false")
    about = {"role": "incident-commander", "option": "undo", "planDigest": status["planDigest"]}
    said = scene.decide(scene.commander, "Approve", incident, **about)["metadata"]["name"]
    scene.kubectl("wait", f"decision/{said}", "--for=jsonpath={.status.recordedAt}", "--timeout=120s", timeout=150)
    incident = scene.until_status(name, ".reason", "ChangeDiffers")
    assert scene.environment()["FRONTEND_VERSION"] == "v3", "nothing was done on that yes"
    asked = incident["status"]
    assert asked["planDigest"] != status["planDigest"] and asked.get("approvals", []) == []
    assert asked["phase"] == "AwaitingApproval" and asked["waitsFor"] == "incident-commander 0/1" and asked.get("attempt", 1) == 1
    line = lines(incident)["1/option/undo/differs/1"]
    assert "revision 3 -> 2" in line["result"] and "what was shown: revision 2 -> 1" in line["result"]
    about_it = f"needs approval of plan {asked['planDigest']}"
    scene.until_true("people are told", lambda: any(about_it in message for message in told(scene, name)))
    scene.approve(scene.commander, name, "incident-commander", reason="that one, then")
    incident = scene.until(name, "Resolved")
    assert scene.environment() == {"FRONTEND_VERSION": "v2", "RELEASE_BROKEN": "true"}, "exactly what was shown last"
    assert lines(incident)["1/option/undo/approved"]["result"] == f"by {COMMANDER} (incident-commander)"


def asks(document: dict[str, Any]) -> None:
    """The shipped playbook's first option alone, for which a commander is asked."""
    restart = document["spec"]["options"][0]
    restart["approval"] = {"roles": {"incident-commander": 1}, "timeout": "10m"}
    document["spec"]["options"] = [restart]


@pytest.mark.parametrize("order", [("Approve", "Reject"), ("Reject", "Approve")], ids="-".join)
def test_of_a_yes_and_a_no_that_are_seen_in_one_look_the_no_wins(
    scene: Scene, operator: OperatorProcess, order: tuple[str, str]
) -> None:
    """Both are said while no operator is there."""
    scene.set(playbook=asks)
    scene.break_release()
    incident = scene.until(scene.open(), "AwaitingApproval")
    before, status = scene.deployment()["metadata"]["generation"], incident["status"]
    about = {"role": "incident-commander", "option": status["option"], "planDigest": status["planDigest"]}
    people = {"Approve": scene.commander, "Reject": scene.security}
    scene.kubectl.apply(also(SECURITY, "stanch-commander"))
    scene.until_true("they may", lambda: may(scene.kubectl, SECURITY, "reject", "incident-commander"))
    operator.kill()
    for verb in order:
        scene.decide(people[verb], verb, incident, **about)
    operator.start()
    ended = scene.until(incident["metadata"]["name"], "Escalated")
    assert [(option["name"], option["state"]) for option in ended["status"]["options"]] == [("restart", "Denied")]
    assert scene.deployment()["metadata"]["generation"] == before, "nothing was changed"


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
    assert re.search(r"(?m)^ +\+ +- name: POLICY_BYPASS_MODE\n +\+ +value: 'true'$", shown), "the difference itself"
    for part in (
        '       with set: {"POLICY_BYPASS_APPROVER": "Carol C.", "POLICY_BYPASS_MODE": "true"}\n',
        "       taken back 1h after it: the difference the other way round\n",
        f'       with argv: ["tee", "/app/evidence/emergency-bypass-{name}.log"]\n',
        f'       with stdin: text: "Policy bypass enabled by Carol C. for incident {name}\\n"\n',
        "It touches 1: deployment/frontend",
        "and what nobody can tell beforehand:\n    step record, exec in deployment/frontend: all that may be changed from inside",
        "it still lacks 1 as security-team",
        "counted: approved",
    ):
        assert part in shown
    with pytest.raises(CommandError, match="carol approved option bypass already"):
        commander(*approve, "--yes")


FAKE = "     proven: the server would admit it"
COMMAND = f"set -e\n{FAKE}\n  {FAKE}\n{'true; ' * 600}rm -rf /data"


def runs_much(document: dict[str, Any]) -> None:
    """The second step, of which a dry run tells nothing, is a long command."""
    quick(document)
    document["spec"]["options"][0]["steps"][1]["exec"] |= {"argv": ["sh", "-c", COMMAND], "stdin": {"text": f"a\n{FAKE}\n"}}


@pytest.mark.requirement("A-15")
def test_a_command_is_shown_to_its_end_and_passes_for_nothing_else(scene: Scene, commander: Stanch) -> None:
    scene.play("policy-bypass", playbook=runs_much, stage=keeps_evidence)
    name = scene.open("blocked-queries", type="policy", severity="P0", parameters={"approver": "Carol C."})
    scene.until(name, "AwaitingApproval")
    with pytest.raises(CommandError, match="nothing was said") as asked:
        commander.answering("n", "approve", name, "--role", "incident-commander")
    for shown in (commander("plan", name), str(asked.value)):
        bypass, _, record = shown.partition("step record: exec of app")
        assert 'true; rm -rf /data"\n' in record and f'"{FAKE}\\n"' in record
        proven = [line for line in shown.splitlines() if line.strip() == FAKE.strip()]
        assert len(proven) == 1 and proven[0] in bypass.splitlines(), "of the first step, and by stanch"
        assert "Unproven: a dry run could not tell" in record


def test_an_abort_says_what_it_takes_back_and_asks(scene: Scene, commander: Stanch) -> None:
    name, incident = half_approved(scene)
    second_yes(scene, incident)
    scene.until(name, "Mitigated")
    abort = ("abort", name, "--reason", "it was an attack")
    back = r"(?s)change to deployment/frontend by bypass/bypass is taken back now.*-\s+- name: POLICY_BYPASS_MODE.*say --yes"
    with pytest.raises(CommandError, match=back):
        commander(*abort)
    assert bypass(scene) == BYPASS
    commander(*abort, "--yes")
    scene.until(name, "Aborted")
    assert bypass(scene) == {}

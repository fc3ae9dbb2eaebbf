"""What people outside are told, on a real API server: drafted, released by the comms lead for the text they read, or by nobody."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stanch.packs.verify import verify
from tests.cluster.model import ClusterError
from tests.stage.command import CommandError, Stanch
from tests.stage.kubectl import Kubectl, documents
from tests.stage.pack import folder_of, lines
from tests.stage.people import COMMANDER, COMMS
from tests.stage.scene import AUREUS, Scene, calm

MESSAGE = "status-page"
SAYS = "frontend does not answer (P0).\nWe are on it."


def one_person(document: dict[str, Any]) -> None:
    option = document["spec"]["options"][0]
    option["approval"] = {"roles": {"incident-commander": 1}, "timeout": "10m"}
    document["spec"]["options"] = [option]


@pytest.fixture
def telling(scene: Scene) -> Iterator[str]:
    """The shipped policy under a name of its own, with a message to all customers and one that can never be filled in."""
    name = f"telling-{scene.namespace}"

    def own(document: dict[str, Any]) -> None:
        calm(document)
        document["metadata"]["name"] = name
        document["spec"]["default"] = False
        text = "${incident.component} does not answer (${incident.severity}).\nWe are on it."
        document["spec"]["messages"] = [
            {"name": MESSAGE, "audience": "all customers", "text": text, "releasedBy": "comms"},
            {"name": "faq", "audience": "all customers", "text": "${params.user}", "releasedBy": "comms"},
        ]

    scene.kubectl.apply(documents(AUREUS / "policy.yaml", own))
    yield name
    scene.kubectl("delete", "responsepolicy", name)


@pytest.fixture
def incident(scene: Scene, telling: str) -> dict[str, Any]:
    scene.set(playbook=one_person)
    scene.break_release()
    return scene.until(scene.open(policyRef={"name": telling}), "AwaitingApproval")


def message(incident: dict[str, Any]) -> dict[str, Any]:
    return next(one for one in incident["status"]["messages"] if one["name"] == MESSAGE)


def release(scene: Scene, who: Kubectl, incident: dict[str, Any], **spec: Any) -> dict[str, Any]:
    said = {"role": "comms", "message": MESSAGE, "messageDigest": message(incident)["digest"], "reason": None, **spec}
    return scene.decide(who, "Release", incident, **said)


def without_effect(scene: Scene, said: dict[str, Any]) -> str:
    scene.kubectl.wait(f"decision/{said['metadata']['name']}", ".status.effect", "NoEffect")
    return scene.kubectl.get("decision", said["metadata"]["name"])["status"]["message"]


def told(scene: Scene) -> list[str]:
    selected = "involvedObject.kind=Incident,type=Normal,reason=MessageReleased"
    return [event["message"] for event in scene.kubectl.get("events", "--field-selector", selected)["items"]]


def changed(digest: str) -> str:
    return digest[:-1] + ("0" if digest[-1] != "0" else "1")


def is_sealed(pack: dict[str, Any]) -> bool:
    return pack.get("sealed", 0) == pack["head"]["seq"]


@pytest.mark.requirement("A-19", "A-28")
def test_nobody_outside_is_told_before_the_comms_lead_released_what_they_read(scene: Scene, incident: dict[str, Any]) -> None:
    name, draft = incident["metadata"]["name"], message(incident)
    assert (draft["state"], draft["text"]) == ("Draft", SAYS)
    assert draft["digest"] == "sha256:" + hashlib.sha256(SAYS.encode()).hexdigest()
    with pytest.raises(ClusterError, match=f"'{COMMANDER}' may not release as 'comms'"):
        release(scene, scene.commander, incident)
    with pytest.raises(ClusterError, match=f"'{COMMS}' may not release as 'incident-commander'"):
        release(scene, scene.comms, incident, role="incident-commander")
    with pytest.raises(ClusterError, match="Release needs role, message and messageDigest"):
        release(scene, scene.comms, incident, messageDigest=None)
    wrong = changed(draft["digest"])
    assert f"it names text {wrong}, the text is {draft['digest']}" in without_effect(
        scene, release(scene, scene.comms, incident, messageDigest=wrong))  # fmt: skip
    assert "there is no message 'press'" in without_effect(scene, release(scene, scene.comms, incident, message="press"))
    assert "faq has no text to release" in without_effect(scene, release(scene, scene.comms, incident, message="faq"))
    assert message(scene.incident(name)) == draft and not told(scene)
    said = release(scene, scene.comms, incident)
    released = message(scene.until_status(name, f".messages[?(@.name=='{MESSAGE}')].state", "Released"))
    assert (released["by"], released["at"]) == (COMMS, said["metadata"]["creationTimestamp"])
    assert (released["text"], released["digest"]) == (SAYS, draft["digest"])
    scene.until_true("people are told", lambda: len(told(scene)) == 1)
    assert f"{MESSAGE} for all customers was released by {COMMS}: people send it, stanch does not" in told(scene)[0]
    assert f"{COMMS} released {MESSAGE} already" in without_effect(scene, release(scene, scene.comms, incident))
    status = scene.incident(name)["status"]
    assert (status["phase"], status["planDigest"]) == ("AwaitingApproval", incident["status"]["planDigest"]), "it changes nothing"


@pytest.mark.requirement("A-19")
def test_a_released_text_that_somebody_changes_is_found_out(scene: Scene, incident: dict[str, Any]) -> None:
    name = incident["metadata"]["name"]
    release(scene, scene.comms, incident)
    scene.until_status(name, f".messages[?(@.name=='{MESSAGE}')].state", "Released")
    scene.decide(scene.on_call, "Abort", incident)
    scene.until(name, "Aborted")
    scene.until_true("the pack is sealed", lambda: is_sealed(scene.incident(name)["status"]["pack"]))
    incident = scene.incident(name)
    pack, folder = incident["status"]["pack"], folder_of(incident)
    assert verify(folder, pack["head"]["hash"], pack["manifest"]).ok
    line = next(line for line in lines(incident).values() if line["action"] == f"Release {MESSAGE}")
    assert line["actor"] == COMMS and message(incident)["digest"] in line["result"]
    (file,) = (folder / "messages").iterdir()
    assert file.read_text() == SAYS
    file.write_text(SAYS.replace("We are on it", "All is well"))
    found = verify(folder, pack["head"]["hash"], pack["manifest"])
    assert [problem.path for problem in found.problems] == [f"messages/{file.name}"]
    late = scene.decide(scene.comms, "Release", incident, role="comms", message="faq", messageDigest=message(incident)["digest"])
    assert "that is Aborted tells nobody anything more" in without_effect(scene, late)


@pytest.mark.requirement("A-19", "A-02")
def test_classified_otherwise_what_was_read_before_releases_nothing(scene: Scene, incident: dict[str, Any]) -> None:
    name = incident["metadata"]["name"]
    scene.decide(scene.commander, "Classify", incident, role="incident-commander", severity="P1")
    scene.until_status(name, ".attempt", "2")
    now = scene.until(name, "AwaitingApproval")
    assert message(now)["text"] == SAYS.replace("P0", "P1") and message(now)["digest"] != message(incident)["digest"]
    assert "read it again" in without_effect(scene, release(scene, scene.comms, incident))
    release(scene, scene.comms, now)
    scene.until_status(name, f".messages[?(@.name=='{MESSAGE}')].state", "Released")


@pytest.mark.requirement("A-19")
def test_at_the_terminal_it_is_read_released_and_printed(scene: Scene, incident: dict[str, Any], tmp_path: Path) -> None:
    name, stanch = incident["metadata"]["name"], Stanch(scene.comms, tmp_path)
    words = ("release", name, MESSAGE, "--role", "comms")
    with pytest.raises(CommandError, match="nothing was said"):
        stanch.answering("n", *words)
    with pytest.raises(CommandError, match="but the text is sha256:"):
        stanch(*words, "--text", changed(message(incident)["digest"]), "--yes")
    assert message(scene.incident(name))["state"] == "Draft"
    shown = stanch.answering("y", *words)
    assert "  | frontend does not answer (P0).\n  | We are on it.\n" in shown and "counted: status-page for all customers" in shown
    assert stanch("messages", name, MESSAGE) == f"{SAYS}\n"
    head, listed, void = stanch("messages", name).splitlines()
    assert head.startswith("NAME") and listed.split()[:2] == [MESSAGE, "Released"] and void.split()[:2] == ["faq", "Void"]

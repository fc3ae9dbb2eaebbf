"""A broken glass on real pods: what it lets off, what it does not, and that nobody overlooks it (A-16)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from stanch.packs.verify import verify
from tests.cluster.model import ClusterError
from tests.e2e.test_reverts import BEFORE, RAISED, at, boxed, revert_of
from tests.stage.pack import folder_of, lines, timeline
from tests.stage.people import ON_CALL, glass_breakers
from tests.stage.scene import Scene
from tests.stage.whole import evidence_first

TICKET = "OPS-4711"


TWO = {"roles": {"incident-commander": 1, "security-team": 1}, "timeout": "10m"}


def two_people(document: dict[str, Any]) -> None:
    """A restart that asks for two, and takes nothing back."""
    option = document["spec"]["options"][0]
    option["approval"] = TWO
    document["spec"]["options"] = [option]


def for_a_time(document: dict[str, Any]) -> None:
    """Limits that are raised for a while, which two must want."""
    boxed("20s")(document)
    document["spec"]["options"][0]["approval"] = TWO


def waiting(scene: Scene) -> dict[str, Any]:
    scene.set(playbook=two_people)
    scene.break_release()
    return scene.until(scene.open(), "AwaitingApproval")


def breaks(scene: Scene, incident: dict[str, Any], **spec: Any) -> dict[str, Any]:
    status = incident["status"]
    said = {"option": status["option"], "planDigest": status["planDigest"], "ticket": TICKET, "role": "on-call", **spec}
    return scene.decide(scene.on_call, "BreakGlass", incident, **said)


def may_break_glass(scene: Scene, incident: dict[str, Any]) -> dict[str, Any]:
    """Grants it, and says it once the API server's authorizer knows."""
    scene.kubectl.apply(glass_breakers())
    made: list[dict[str, Any]] = []

    def says_it() -> bool:
        try:
            made.append(breaks(scene, incident))
        except ClusterError as refused:
            assert "may not breakglass" in str(refused)
        return bool(made)

    scene.until_true("the glass may be broken", says_it)
    return made[0]


def pods(scene: Scene) -> set[str]:
    return {pod["metadata"]["name"] for pod in scene.kubectl.get("pods", "-l", "component=frontend")["items"]}


def described(incident: dict[str, Any]) -> set[str]:
    """Pods of which the pack has a description from before."""
    found = (folder_of(incident) / "describe").rglob("before-*/pod_*")
    return {path.name.removeprefix("pod_").rpartition("-")[0] for path in found}


def warned(scene: Scene, kind: str) -> set[str]:
    selected = f"involvedObject.kind={kind},type=Warning,reason=BreakGlass"
    return {event["message"] for event in scene.kubectl.get("events", "--field-selector", selected)["items"]}


@pytest.mark.requirement("A-16")
def test_one_person_lets_it_run_and_everybody_sees_it(scene: Scene) -> None:
    incident = waiting(scene)
    with pytest.raises(ClusterError, match="may not breakglass as 'on-call'"):
        breaks(scene, incident)
    for lacking, says in (("ticket", "BreakGlass needs option, planDigest and ticket"), ("reason", "reason is required")):
        with pytest.raises(ClusterError, match=says):
            breaks(scene, incident, **{lacking: None})
    name = incident["metadata"]["name"]
    assert not scene.incident(name)["status"].get("steps"), "nothing has begun without approvals"
    before = pods(scene)
    may_break_glass(scene, incident)
    incident = scene.until_status(name, ".conditions[?(@.type=='GlassBroken')].status", "True")
    assert [record["by"] for record in incident["status"]["brokenGlass"]] == [ON_CALL]
    ran = scene.until_status(name, ".steps[0].state", "Done")
    assert not ran["status"].get("approvals")
    assert evidence_first([line["key"] for line in timeline(ran)]) and before and before <= described(ran), "of what it took away"
    scene.until_status(name, ".conditions[?(@.type=='PostmortemRequired')].status", "True")
    scene.until_true("the Events are there", lambda: bool(warned(scene, "Incident")) and bool(warned(scene, "Deployment")))
    assert all(TICKET in message for message in warned(scene, "Incident") | warned(scene, "Deployment"))


@pytest.mark.requirement("A-16")
def test_what_it_lets_run_for_a_time_ends_at_its_time(scene: Scene) -> None:
    scene.play("rate-limiting", playbook=for_a_time)
    name = scene.open("blocked-users", type="rate-limiting", severity="P2")
    may_break_glass(scene, scene.until(name, "AwaitingApproval"))
    due = at(revert_of(scene.until_status(name, ".reverts[0].state", "Owed")), "dueAt")
    scene.until_true("the limits are raised", lambda: scene.environment() == RAISED)
    done = scene.until_status(name, ".reverts[0].state", "Done")
    assert timedelta() <= at(revert_of(done), "doneAt") - due < timedelta(seconds=10) and scene.environment() == BEFORE
    assert [record["by"] for record in done["status"]["brokenGlass"]] == [ON_CALL] and not done["status"].get("approvals")


@pytest.mark.requirement("A-16")
def test_who_takes_it_out_of_the_pack_is_found_out(scene: Scene) -> None:
    incident = waiting(scene)
    said = may_break_glass(scene, incident)
    name = incident["metadata"]["name"]
    scene.until_status(name, ".brokenGlass[0].by", ON_CALL)
    with pytest.raises(ClusterError, match="a Decision cannot be deleted"):
        scene.kubectl("delete", "decision", said["metadata"]["name"])
    scene.decide(scene.on_call, "Abort", incident)
    incident = scene.until(name, "Aborted")
    scene.until_true("the pack is sealed", lambda: is_sealed(scene.incident(name)["status"]["pack"]))
    pack, folder = scene.incident(name)["status"]["pack"], folder_of(incident)
    whole = verify(folder, pack["head"]["hash"], pack["manifest"])
    assert whole.ok and len(whole.glass) == 1
    assert "BreakGlass" in {line["action"].split()[0] for line in lines(incident).values()}
    (entry,) = [path for path in (folder / "chain").glob("*.json") if is_glass(path.read_text())]
    entry.unlink()
    found = verify(folder, pack["head"]["hash"], pack["manifest"])
    assert not found.ok and found.first_bad_entry == int(entry.stem)


@pytest.mark.requirement("A-16")
def test_an_abort_does_not_save_anybody_the_postmortem(scene: Scene) -> None:
    incident = waiting(scene)
    may_break_glass(scene, incident)
    name = incident["metadata"]["name"]
    scene.until_status(name, ".brokenGlass[0].by", ON_CALL)
    scene.decide(scene.on_call, "Abort", incident)
    scene.until(name, "Aborted")
    scene.until_status(name, ".waitsFor", "Close with its postmortem")
    scene.decide(scene.commander, "Close", incident, postmortem="OPS-4712")
    incident = scene.until_status(name, ".conditions[?(@.type=='PostmortemRequired')].status", "False")
    assert (incident["status"]["phase"], incident["status"]["postmortem"]) == ("Aborted", "OPS-4712")
    scene.until_true("that stands in the sealed pack", lambda: is_sealed(scene.incident(name)["status"]["pack"]))
    pack = scene.incident(name)["status"]["pack"]
    assert verify(folder_of(incident), pack["head"]["hash"], pack["manifest"]).ok
    assert any(line.get("result") == "it stays Aborted; postmortem OPS-4712" for line in lines(incident).values())


@pytest.mark.requirement("A-16")
def test_it_is_closed_with_its_postmortem_only(scene: Scene) -> None:
    incident = waiting(scene)
    may_break_glass(scene, incident)
    name = incident["metadata"]["name"]
    scene.until(name, "Escalated", 240)
    said = scene.decide(scene.commander, "Close", incident)["metadata"]["name"]
    scene.kubectl.wait(f"decision/{said}", ".status.effect", "NoEffect")
    why = scene.kubectl.get("decision", said)["status"]["message"]
    assert f"the glass was broken under {TICKET}" in why and "postmortem" in why
    assert scene.incident(name)["status"]["phase"] == "Escalated"
    with pytest.raises(ClusterError, match="postmortem is for Close only"):
        scene.decide(scene.on_call, "Note", incident, postmortem="OPS-4712")
    scene.decide(scene.commander, "Close", incident, postmortem="https://wiki.example.org/postmortems/17")
    incident = scene.until(name, "Closed")
    scene.until_status(name, ".conditions[?(@.type=='PostmortemRequired')].status", "False")
    assert incident["status"]["postmortem"].endswith("/17")
    scene.until_status(name, ".conditions[?(@.type=='GlassBroken')].status", "True")


@pytest.mark.requirement("A-16")
def test_where_no_glass_was_broken_it_is_closed_without(scene: Scene) -> None:
    incident = waiting(scene)
    name, status = incident["metadata"]["name"], incident["status"]
    bound = {"option": status["option"], "planDigest": status["planDigest"], "role": "incident-commander"}
    scene.decide(scene.commander, "Reject", incident, **bound)
    scene.until(name, "Escalated")
    scene.decide(scene.commander, "Close", incident)
    scene.until(name, "Closed")
    scene.until_status(name, ".conditions[?(@.type=='PostmortemRequired')].status", "False")


def is_sealed(pack: dict[str, Any]) -> bool:
    return pack.get("sealed", 0) == pack["head"]["seq"]


def is_glass(text: str) -> bool:
    return str(json.loads(text)["line"]["key"]).endswith("/broken-glass")

"""A broken glass on real pods: what it lets off, what it does not, and that nobody overlooks it (A-16)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stanch.packs.verify import verify
from tests.cluster.model import ClusterError
from tests.stage.pack import folder_of, lines
from tests.stage.scene import ON_CALL, Scene, glass_breakers

TICKET = "OPS-4711"


def two_people(document: dict[str, Any]) -> None:
    """A restart that asks for two, and takes nothing back."""
    option = document["spec"]["options"][0]
    option["approval"] = {"roles": {"incident-commander": 1, "security-team": 1}, "timeout": "10m"}
    document["spec"]["options"] = [option]


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
    may_break_glass(scene, incident)
    incident = scene.until_status(name, ".conditions[?(@.type=='GlassBroken')].status", "True")
    assert [record["by"] for record in incident["status"]["brokenGlass"]] == [ON_CALL]
    ran = scene.until_status(name, ".steps[0].state", "Done")["status"]
    assert ran["evidence"]["captures"] >= 1 and not ran.get("approvals")
    scene.until_status(name, ".conditions[?(@.type=='PostmortemRequired')].status", "True")
    scene.until_true("the Events are there", lambda: bool(warned(scene, "Incident")) and bool(warned(scene, "Deployment")))
    assert all(TICKET in message for message in warned(scene, "Incident") | warned(scene, "Deployment"))


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
def test_it_is_closed_with_its_postmortem_only(scene: Scene) -> None:
    incident = waiting(scene)
    may_break_glass(scene, incident)
    name = incident["metadata"]["name"]
    scene.until(name, "Escalated", 240)
    said = scene.decide(scene.on_call, "Close", incident)["metadata"]["name"]
    scene.kubectl.wait(f"decision/{said}", ".status.effect", "NoEffect")
    why = scene.kubectl.get("decision", said)["status"]["message"]
    assert f"the glass was broken under {TICKET}" in why and "postmortem" in why
    assert scene.incident(name)["status"]["phase"] == "Escalated"
    with pytest.raises(ClusterError, match="postmortem is for Close only"):
        scene.decide(scene.on_call, "Note", incident, postmortem="OPS-4712")
    scene.decide(scene.on_call, "Close", incident, postmortem="https://wiki.example.org/postmortems/17")
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
    scene.decide(scene.on_call, "Close", incident)
    scene.until(name, "Closed")
    scene.until_status(name, ".conditions[?(@.type=='PostmortemRequired')].status", "False")


def is_sealed(pack: dict[str, Any]) -> bool:
    return pack.get("sealed", 0) == pack["head"]["seq"]


def is_glass(text: str) -> bool:
    return str(json.loads(text)["line"]["key"]).endswith("/broken-glass")

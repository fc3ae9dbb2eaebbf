"""What a policy and the past hold back: kill switch, observing only, suspended playbook, an Incident that came back, retention."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from stanch.packs.verify import verify
from tests.e2e.test_frontend_down import options, pack_of, quick, sealed
from tests.stage.kubectl import documents
from tests.stage.scene import AUREUS, Scene, calm


@pytest.fixture
def policy(scene: Scene) -> Iterator[str]:
    """A ResponsePolicy for this test alone: they are cluster-wide, and the shipped one is everybody's."""
    name = f"only-{scene.namespace}"

    def own(document: dict[str, Any]) -> None:
        document["metadata"]["name"] = name
        document["spec"]["default"] = False
        calm(document)

    scene.kubectl.apply(documents(AUREUS / "policy.yaml", own))
    yield name
    scene.kubectl("delete", "responsepolicy", name)


def edit(scene: Scene, policy: str, patch: str) -> None:
    scene.kubectl("patch", "responsepolicy", policy, "--type=merge", "-p", f'{{"spec": {patch}}}')


def test_while_the_policy_is_suspended_evidence_is_captured_and_nothing_is_written(scene: Scene, policy: str) -> None:
    scene.set(playbook=quick)
    scene.break_release()
    edit(scene, policy, '{"suspended": true}')
    before = scene.deployment()["metadata"]
    name = scene.open(policyRef={"name": policy})
    frozen = scene.until_status(name, ".reason", "Frozen")
    assert frozen["status"]["phase"] == "Mitigating" and frozen["status"]["evidence"]["captures"] == 1
    assert policy in frozen["status"]["message"] and "unfreeze" in frozen["status"]["message"]
    assert scene.deployment()["metadata"].get("annotations") == before.get("annotations")
    edit(scene, policy, '{"suspended": false}')
    assert options(sealed(scene, name)) == {"restart": "Denied", "undo": "Confirmed"}


def test_a_policy_that_observes_says_what_it_would_do_and_writes_nothing(scene: Scene, policy: str) -> None:
    scene.set(playbook=quick)
    scene.break_release()
    edit(scene, policy, '{"observeOnly": true}')
    before = scene.deployment()["metadata"]
    name = scene.open(policyRef={"name": policy})
    incident = scene.until(name, "Escalated")
    assert incident["status"]["reason"] == "ObserveOnly" and "restart" in incident["status"]["message"]
    assert incident["status"]["evidence"]["captures"] == 1 and incident["status"].get("steps", []) == []
    after = scene.deployment()["metadata"]
    assert (after["generation"], after.get("annotations")) == (before["generation"], before.get("annotations"))
    edit(scene, policy, '{"observeOnly": false}')
    scene.decide(scene.on_call, "Resume", incident)
    assert options(sealed(scene, name))["undo"] == "Confirmed", "the same one acts where the policy lets it"


def test_a_suspended_playbook_is_not_run_until_it_is_released(scene: Scene) -> None:
    def suspended(document: dict[str, Any]) -> None:
        quick(document)
        document["spec"]["suspend"] = True

    scene.set(playbook=suspended)
    scene.break_release()
    name = scene.open()
    incident = scene.until(name, "Waiting")
    assert incident["status"]["reason"] == "PlaybookSuspended" and scene.environment()["FRONTEND_VERSION"] == "v2"
    scene.kubectl("patch", "playbook", "frontend-down", "--type=merge", "-p", '{"spec": {"suspend": false}}')
    assert options(sealed(scene, name))["undo"] == "Confirmed"


def test_an_incident_that_comes_back_waits_for_resume(scene: Scene) -> None:
    """Invariant 13: deleted and applied again, as GitOps does; and its status lost, as after a restored backup."""
    scene.set(playbook=quick)
    scene.break_release()
    name = scene.open()
    first = sealed(scene, name)
    scene.break_release("v3")
    scene.kubectl("delete", "incident", name)
    scene.open(name)
    came_back = scene.until(name, "Waiting")
    assert came_back["status"]["reason"] == "CameBack" and first["metadata"]["uid"] in came_back["status"]["message"]
    assert scene.environment()["FRONTEND_VERSION"] == "v3"
    scene.decide(scene.on_call, "Resume", came_back)
    assert options(sealed(scene, name))["undo"] == "Confirmed"
    scene.break_release("v4")
    scene.kubectl("patch", "incident", name, "--subresource=status", "--type=json", "-p", '[{"op": "remove", "path": "/status"}]')
    lost = scene.until(name, "Waiting")
    assert lost["status"]["reason"] == "CameBack" and "status was lost" in lost["status"]["message"]
    assert scene.environment()["FRONTEND_VERSION"] == "v4"
    scene.decide(scene.on_call, "Resume", lost)
    again = sealed(scene, name)
    assert options(again)["undo"] == "Confirmed"
    found = verify(pack_of(again), again["status"]["pack"]["head"]["hash"])
    assert found.ok, found.problems


def test_what_is_over_leaves_the_cluster_and_its_pack_stays(scene: Scene, policy: str) -> None:
    scene.set(playbook=quick)
    scene.break_release()
    edit(scene, policy, '{"retention": {"incidents": "1s"}}')
    kept = sealed(scene, scene.open("kept"))
    name = scene.open("passing", policyRef={"name": policy})
    incident = scene.until(name, "Resolved")
    scene.decide(scene.on_call, "Note", kept)
    said = scene.decide(scene.commander, "Close", incident)["metadata"]["name"]
    for what in (f"incident/{name}", f"decision/{said}"):
        scene.kubectl("wait", what, "--for=delete", "--timeout=60s")
    assert [said["spec"]["incidentRef"]["name"] for said in scene.kubectl.get("decisions")["items"]] == ["kept"]
    owned = {record["metadata"]["labels"].get("stanch.dev/incident-uid") for record in records(scene)}
    assert owned == {kept["metadata"]["uid"]}
    pack = pack_of(incident)
    found = verify(pack)
    assert found.ok and found.entries > 5, found.problems


def records(scene: Scene) -> list[dict[str, Any]]:
    inside = scene.kubectl.inside(scene.operator_namespace)
    return list(inside.get("configmaps,secrets", "-l", "app.kubernetes.io/managed-by=stanch")["items"])

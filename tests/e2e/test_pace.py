"""What incidents did holds the next one up on a real cluster, and what lets it pass: time, people, the playbook's own word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.e2e.test_actions_cas import NAME, ROLLED_OUT, SETTINGS, helped, opened, stand
from tests.e2e.test_guards import BUDGET
from tests.stage.kubectl import Kubectl, documents
from tests.stage.scene import AUREUS, Scene, person

Document = dict[str, Any]
Paced = Callable[..., str]
ALERTS = "alerts"
SWITCH = {"target": "settings", "data": {"read-only": "true"}}
COMMANDERS = "incident-commander"
# Nothing says so.
NEVER = {"name": "never", "object": {"target": "settings", "expect": "object.data.broken == 'true'"}, "within": "2s"}


@pytest.fixture
def paced(scene: Scene) -> Iterator[Paced]:
    """A ResponsePolicy for this test alone, with these limits; opens an Incident under it."""
    policy = f"paced-{scene.namespace}"

    def own(document: Document, limits: Document) -> None:
        document["metadata"]["name"] = policy
        document["spec"] |= {"default": False, "limits": limits}

    def open_one(name: str, **limits: Any) -> str:
        if limits:
            scene.kubectl.apply(documents(AUREUS / "policy.yaml", lambda document: own(document, limits)))
        return scene.open(name, playbookRef={"name": NAME}, policyRef={"name": policy})

    yield open_one
    scene.kubectl("delete", "responsepolicy", policy, "--ignore-not-found")


def written(incident: Document) -> datetime:
    (step,) = incident["status"]["steps"]
    return datetime.fromisoformat(step["intendedAt"])


def read_only(scene: Scene) -> str:
    return scene.kubectl.get("configmap", SETTINGS)["data"]["read-only"]


def normal(scene: Scene) -> None:
    scene.kubectl("patch", "configmap", SETTINGS, "--type=merge", "-p", '{"data": {"read-only": "false"}}')


def test_a_target_rests_between_two_incidents(scene: Scene, paced: Paced) -> None:
    stand(scene, [ROLLED_OUT], setConfig=SWITCH)
    first = helped(scene, paced("first", cooldown="30s"))
    normal(scene)
    second = paced("second")
    held = scene.until_status(second, ".reason", "Cooldown")
    assert f"incident {scene.namespace}/first changed configmap/{SETTINGS}" in held["status"]["message"]
    assert read_only(scene) == "false"
    assert written(helped(scene, second)) - written(first) >= timedelta(seconds=30)


def test_without_a_cooldown_it_need_not_rest(scene: Scene, paced: Paced) -> None:
    stand(scene, [ROLLED_OUT], setConfig=SWITCH)
    helped(scene, paced("first", cooldown="0s"))
    normal(scene)
    second = helped(scene, paced("second"))
    assert written(second) - datetime.fromisoformat(second["metadata"]["creationTimestamp"]) < timedelta(seconds=60)
    assert read_only(scene) == "true"


def test_a_playbook_that_failed_is_stopped_until_a_person_resumes(scene: Scene, paced: Paced) -> None:
    stand(scene, [NEVER], setConfig=SWITCH)
    failed = scene.until(paced("first", cooldown="0s", consecutiveFailures=1), "Escalated")
    assert [step["state"] for step in failed["status"]["steps"]] == ["Done"]
    scene.decide(scene.on_call, "Close", failed)
    scene.until(failed["metadata"]["name"], "Closed")
    normal(scene)
    stopped = scene.until(paced("second"), "Escalated")
    assert "ConsecutiveFailures" in stopped["status"]["message"] and read_only(scene) == "false"
    assert stopped["status"]["evidence"]["captures"] == 1
    scene.decide(scene.on_call, "Resume", stopped)
    scene.until_status("second", ".attempt", "2")
    assert "never" in scene.until(stopped["metadata"]["name"], "Escalated")["status"]["message"] and read_only(scene) == "true"


def test_a_playbook_that_helped_is_not_stopped(scene: Scene, paced: Paced) -> None:
    stand(scene, [ROLLED_OUT], setConfig=SWITCH)
    helped(scene, paced("first", cooldown="0s", consecutiveFailures=1))
    normal(scene)
    helped(scene, paced("second"))
    assert read_only(scene) == "true"


@pytest.mark.parametrize(
    ("limits", "guard"),
    [({"storm": {"incidents": 1, "within": "10m"}}, "Storm"), ({"changesPerHour": 1}, "ChangeBudget")],
)
def test_the_first_one_passes_and_the_next_waits(scene: Scene, paced: Paced, limits: Document, guard: str) -> None:
    stand(scene, [ROLLED_OUT], setConfig=SWITCH)
    helped(scene, paced("first", cooldown="0s", **limits))
    normal(scene)
    second = paced("second")
    incident = until_held(scene, second, guard)
    assert incident["status"]["evidence"]["captures"] == 1 and not incident["status"].get("steps")
    assert read_only(scene) == "false"


def until_held(scene: Scene, name: str, guard: str) -> Document:
    """What time lifts only after the option's end calls people at once."""

    def held() -> bool:
        status = scene.incident(name).get("status", {})
        return f"held up by {guard}" in status.get("message", "") and status["phase"] in ("Mitigating", "Escalated")

    scene.until_true(f"{guard} holds {name} up", held)
    return scene.incident(name)


def machine(scene: Scene) -> Kubectl:
    """An account that opens Incidents, as an alert's receiver does."""
    user = f"system:serviceaccount:{scene.namespace}:{ALERTS}"
    rules = [
        {"apiGroups": ["stanch.dev"], "resources": ["incidents"], "verbs": ["create", "get"]},
        {"apiGroups": ["stanch.dev"], "resources": ["playbooks"], "verbs": ["run", "get"]},
    ]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ALERTS}}
    documents = person(ALERTS, rules)
    documents[1]["subjects"] = [{"kind": "ServiceAccount", "name": ALERTS, "namespace": scene.namespace}]
    scene.kubectl.apply([account, *documents])
    return scene.kubectl.acting_as(user)


def alert(scene: Scene) -> str:
    who = machine(scene)
    spec = {
        "openedBy": who.user, "title": "An alert fires", "type": "availability", "severity": "P0", "component": "frontend",
        "impact": "all users", "playbookRef": {"name": NAME},
    }  # fmt: skip
    who.create({"apiVersion": "stanch.dev/v1alpha1", "kind": "Incident", "metadata": {"name": "alerted"}, "spec": spec})
    return "alerted"


def test_what_an_alert_opened_waits_for_a_person(scene: Scene) -> None:
    stand(scene, [ROLLED_OUT], setConfig=SWITCH)
    name = alert(scene)
    scene.until(name, "AwaitingApproval")
    assert read_only(scene) == "false"
    scene.approve(scene.commander, name, COMMANDERS)
    helped(scene, name)
    assert read_only(scene) == "true"


def test_where_the_playbook_is_automatic_it_does_not(scene: Scene) -> None:
    stand(scene, [ROLLED_OUT], setConfig=SWITCH)
    scene.kubectl("patch", "playbook", NAME, "--type=merge", "-p", '{"spec": {"automatic": true}}')
    incident = helped(scene, alert(scene))
    assert read_only(scene) == "true" and not incident["status"].get("approvals")


@pytest.mark.requirement("E-10")
def test_the_last_resort_is_refused_while_another_option_could_not_be_tried(scene: Scene) -> None:
    """Fewer frontends are held back by their PodDisruptionBudget; once it is gone they are tried, and do not help."""
    stand(scene, [NEVER], beside=(BUDGET, *may_write_settings(scene)), scale={"target": "app", "replicas": 1})
    scene.kubectl("patch", "playbook", NAME, "--type=json", "-p", LAST)
    before = scene.deployment()["metadata"]["generation"]
    incident = scene.until(opened(scene), "Escalated")
    assert "LastResort: options that were not tried: only" in incident["status"]["message"]
    assert scene.deployment()["metadata"]["generation"] == before
    scene.kubectl("delete", "poddisruptionbudget", "frontend")
    scene.decide(scene.on_call, "Resume", incident)
    scene.until_status("contained", ".attempt", "2")
    incident = scene.until("contained", "Escalated")
    assert {option["name"]: option["state"] for option in incident["status"]["options"]} == {"only": "Denied", "last": "Denied"}
    assert read_only(scene) == "true", "the last resort was run when the other one had been tried"


def may_write_settings(scene: Scene) -> list[Document]:
    """What the last option needs beside the rest."""
    names = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [SETTINGS], "verbs": ["get", "patch"]}
    role, binding = person("settings", [names])
    return [role, binding | {"subjects": [{"kind": "ServiceAccount", "name": "container", "namespace": scene.namespace}]}]


LAST = """[
  {"op": "add", "path": "/spec/options/0/timeout", "value": "10s"},
  {"op": "add", "path": "/spec/options/-", "value": {
    "name": "last", "lastResort": true,
    "steps": [{"name": "step", "expect": "it is contained", "setConfig": {"target": "settings", "data": {"read-only": "true"}}}],
    "verify": [{"name": "never", "object": {"target": "settings", "expect": "object.data.broken == 'true'"}, "within": "2s"}]}}
]"""

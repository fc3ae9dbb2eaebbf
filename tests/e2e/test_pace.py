"""What incidents did holds the next one up on a real cluster, and what lets it pass: time, people, the playbook's own word."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from stanch.domain.incident import FORMAT_VERSION
from tests.e2e.test_actions_cas import NAME, ROLLED_OUT, SETTINGS, helped, opened, stand
from tests.e2e.test_guards import BUDGET
from tests.stage.kubectl import Kubectl, documents
from tests.stage.people import PICKS, person
from tests.stage.scene import AUREUS, Scene

Document = dict[str, Any]
Paced = Callable[..., str]
ALERTS = "alerts"
SWITCH = {"target": "settings", "data": {"read-only": "true"}}
COMMANDERS = "incident-commander"
# Nothing says so.
NEVER = {"name": "never", "object": {"target": "settings", "expect": "object.data.broken == 'true'"}, "within": "2s"}


# Until somebody says that it is well, it is being mitigated.
WELL = {"name": "well", "object": {"target": "settings", "expect": "object.data.well == 'true'"}, "within": "10m"}


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


@pytest.fixture
def shipped(scene: Scene) -> Iterator[str]:
    """The shipped ResponsePolicy as it is, under a name of its own: it says nothing of limits."""
    policy = f"shipped-{scene.namespace}"

    def own(document: Document) -> None:
        document["metadata"]["name"] = policy
        document["spec"]["default"] = False
        assert "limits" not in document["spec"]

    scene.kubectl.apply(documents(AUREUS / "policy.yaml", own))
    yield policy
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
    scene.decide(scene.commander, "Close", failed)
    scene.until(failed["metadata"]["name"], "Closed")
    normal(scene)
    stopped = scene.until(paced("second"), "Escalated")
    (option,) = stopped["status"]["options"]
    assert option["message"] == (
        "step step held up by ConsecutiveFailures: incidents in a row that this playbook did not help: 1; after 1 ResponsePolicy "
        f"paced-{scene.namespace} lets it change nothing by itself; lifted by a person's Resume once it is Escalated, or an "
        "approval where the option asks for one; for all by one that helps, or by another playbook"
    )
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


def test_in_a_storm_the_first_one_passes_and_the_next_waits_until_it_is_over(scene: Scene, paced: Paced) -> None:
    stand(scene, [ROLLED_OUT], setConfig=SWITCH)
    first = helped(scene, paced("first", cooldown="0s", storm={"incidents": 1, "within": "1m30s"}))
    normal(scene)
    second = paced("second")
    incident = scene.until_status(second, ".reason", "Storm")
    assert "incidents opened within 1m30s: 2; from 2 on" in incident["status"]["message"]
    assert incident["status"]["phase"] == "Mitigating" and incident["status"]["evidence"]["captures"] == 1
    assert read_only(scene) == "false" and not incident["status"].get("steps")
    over = datetime.fromisoformat(first["metadata"]["creationTimestamp"]) + timedelta(seconds=90)
    assert f"lifted by time, at {over:%Y-%m-%d %H:%M:%S} UTC" in incident["status"]["message"]
    assert written(helped(scene, second)) >= over and read_only(scene) == "true"


def test_only_so_many_changes_an_hour_are_made_without_a_person(scene: Scene, paced: Paced) -> None:
    """What time lifts only after the option's end calls people at once; and their Resume lets it pass."""
    stand(scene, [ROLLED_OUT], setConfig=SWITCH)
    helped(scene, paced("first", cooldown="0s", changesPerHour=1))
    normal(scene)
    incident = scene.until(paced("second"), "Escalated")
    assert "held up by ChangeBudget: changes within the last hour: 1" in incident["status"]["message"]
    assert incident["status"]["evidence"]["captures"] == 1 and not incident["status"].get("steps")
    assert read_only(scene) == "false"
    scene.decide(scene.on_call, "Resume", incident)
    helped(scene, "second")
    assert read_only(scene) == "true"


def test_only_so_many_are_mitigated_at_a_time_and_the_next_one_begins_when_one_has_ended(scene: Scene, paced: Paced) -> None:
    stand(scene, [WELL], setConfig=SWITCH)
    first = paced("first", cooldown="0s", concurrentIncidents=1)
    scene.until(first, "Verifying")
    second = paced("second")
    incident = scene.until_status(second, ".reason", "ConcurrentIncidents")
    message = incident["status"]["message"]
    assert "others that are being mitigated: 1;" in message and "lets 1 be mitigated at a time" in message
    assert "lifted by the end of another one's mitigation" in message
    assert incident["status"]["phase"] == "Mitigating" and not incident["status"].get("steps")
    well = {"data": {"read-only": "false", "well": "true"}}
    scene.kubectl("patch", "configmap", SETTINGS, "--type=merge", "-p", json.dumps(well))
    helped(scene, first)
    helped(scene, second)
    assert read_only(scene) == "true"


def test_under_the_shipped_policy_as_it_is_a_target_rests_unless_people_say_yes(scene: Scene, shipped: str) -> None:
    stand(scene, [ROLLED_OUT], setConfig=SWITCH)
    helped(scene, scene.open("first", playbookRef={"name": NAME}, policyRef={"name": shipped}))
    normal(scene)
    held = scene.until_status(scene.open("second", playbookRef={"name": NAME}, policyRef={"name": shipped}), ".reason", "Cooldown")
    assert f"ResponsePolicy {shipped} wants 5m between the changes of two incidents" in held["status"]["message"]
    assert read_only(scene) == "false" and not held["status"].get("steps")
    third = alert(scene, policyRef={"name": shipped})
    scene.approve(scene.commander, third, COMMANDERS)
    helped(scene, third)
    assert read_only(scene) == "true" and not scene.incident("second")["status"].get("steps")


def test_an_incident_that_this_version_cannot_read_holds_others_up_until_it_is_gone(scene: Scene, paced: Paced) -> None:
    """Nobody knows what it does: unknown counts as blocked."""
    stand(scene, [ROLLED_OUT], setConfig=SWITCH)
    helped(scene, paced("first", cooldown="0s"))
    normal(scene)
    later = {"status": {"formatVersion": FORMAT_VERSION + 1}}
    scene.kubectl("patch", "incident", "first", "--subresource=status", "--type=merge", "-p", json.dumps(later))
    second = paced("second")
    held = scene.until_status(second, ".conditions[?(@.type=='Blocked')].status", "True")
    assert f"Incident {scene.namespace}/first: status has formatVersion {FORMAT_VERSION + 1}" in held["status"]["message"]
    assert f"lifted by a version of stanch that can read it, or the deletion of incident {scene.namespace}/first" in (
        held["status"]["message"])  # fmt: skip
    assert read_only(scene) == "false" and not held["status"].get("steps")
    scene.kubectl("delete", "incident", "first")
    helped(scene, second)
    assert read_only(scene) == "true"


def machine(scene: Scene) -> Kubectl:
    """An account that opens Incidents, as an alert's receiver does."""
    user = f"system:serviceaccount:{scene.namespace}:{ALERTS}"
    rules = [
        {"apiGroups": ["stanch.dev"], "resources": ["incidents"], "verbs": ["create", "get"]},
        {"apiGroups": ["stanch.dev"], "resources": ["playbooks"], "verbs": ["run", "get"]},
        PICKS,
    ]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ALERTS}}
    documents = person(ALERTS, rules)
    documents[1]["subjects"] = [{"kind": "ServiceAccount", "name": ALERTS, "namespace": scene.namespace}]
    scene.kubectl.apply([account, *documents])
    return scene.kubectl.acting_as(user)


def alert(scene: Scene, **more: Any) -> str:
    who = machine(scene)
    spec = {
        "openedBy": who.user, "title": "An alert fires", "type": "availability", "severity": "P0", "component": "frontend",
        "impact": "all users", "playbookRef": {"name": NAME}, **more,
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


def test_under_a_policy_that_is_gone_nothing_is_changed_until_it_is_there_again(scene: Scene, shipped: str) -> None:
    """Nobody knows whether it would be suspended."""
    stand(scene, [ROLLED_OUT], setConfig=SWITCH)
    name = alert(scene, policyRef={"name": shipped})
    scene.until(name, "AwaitingApproval")
    policy = scene.kubectl.get("responsepolicy", shipped)
    scene.kubectl("delete", "responsepolicy", shipped)
    scene.approve(scene.commander, name, COMMANDERS)
    held = scene.until_status(name, ".reason", "Frozen")
    assert f"ResponsePolicy {shipped} is gone" in held["status"]["message"] and read_only(scene) == "false"
    scene.kubectl.apply([{**{part: policy[part] for part in ("apiVersion", "kind", "spec")}, "metadata": {"name": shipped}}])
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

"""A Decision counts only where the API server itself vouches for who said it: on a real one, which loses its admission policy."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from stanch.engine.shipped import INCIDENTS, PLAYBOOKS, STATUSES, STAYING
from stanch.engine.summary import ADMISSION
from stanch.engine.vouching import Distrust
from tests.contract.alone import BINDING, POLICY, answer_to_forged, mend, patch, restore
from tests.contract.deciding import Deciding, operating, playbook
from tests.contract.installed import until
from tests.stage.kubectl import Kubectl
from tests.stage.operator import OperatorProcess

Object = dict[str, Any]
SELECTED = {"matchLabels": {"a": "b"}}


@pytest.fixture(scope="module")
def operator(lone: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    restore(lone)
    with operating(lone, tmp_path_factory.mktemp("operator"), f"t-{secrets.token_hex(4)}") as process:
        yield process


@pytest.fixture(scope="module")
def staged(lone: Kubectl, operator: OperatorProcess) -> Deciding:
    made = Deciding(lone.inside(operator.namespaces[0]), operator.namespace)
    made.prepare(playbook(incident_commander=1))
    return made


@pytest.fixture
def scene(lone: Kubectl, staged: Deciding) -> Deciding:
    """The policy is as it was shipped, and nothing is switched."""
    restore(lone)
    staged.kubectl("patch", "configmap/settings", "--type=merge", "-p", '{"data":{"on":"false"}}')
    return staged


BREAKS: dict[str, tuple[Distrust, Callable[[Kubectl], object]]] = {
    "policy gone": (Distrust.PolicyMissing, lambda lone: lone("delete", POLICY)),
    "binding gone": (Distrust.BindingMissing, lambda lone: lone("delete", BINDING)),
    "policy for some": (
        Distrust.PolicyChanged,
        lambda lone: patch(lone, POLICY, matchConditions=[{"name": "none", "expression": "false"}]),
    ),
    "binding for some": (
        Distrust.BindingChanged,
        lambda lone: patch(lone, BINDING, matchResources={"namespaceSelector": SELECTED}),
    ),
    "binding that audits": (Distrust.BindingChanged, lambda lone: patch(lone, BINDING, validationActions=["Audit"])),
}


def counts(scene: Deciding, incident: Object) -> bool:
    """A person says yes once more: until the policy has been in force for a moment they are asked to."""
    said = scene.recorded(scene.yes(incident, scene.commander))
    assert said["effect"] == "Counted" or "say it again" in said["message"]
    return said["effect"] == "Counted"


@pytest.mark.requirement("A-17")
@pytest.mark.parametrize("name", BREAKS)
def test_while_the_policy_is_not_in_force_nobody_is_believed(lone: Kubectl, scene: Deciding, name: str) -> None:
    reason, break_it = BREAKS[name]
    called = name.replace(" ", "-")
    incident = scene.opened(called)
    break_it(lone)
    until(lambda: answer_to_forged(lone) == "")
    forged = scene.forged(incident)
    abort = scene.decide(scene.on_call, "Abort", incident)
    scene.kubectl.wait(f"incident/{called}", ".status.conditions[?(@.type=='DecisionsTrusted')].status", "False", 30)
    condition = scene.condition(called)
    assert condition["reason"] == reason and "Deleting the Incident ends it" in condition["message"]
    warned = scene.kubectl.get("events", "--field-selector", f"involvedObject.name={called},reason={reason}")["items"]
    assert [event["type"] for event in warned] == ["Warning"]
    assert scene.incident(called)["status"]["phase"] == "AwaitingApproval"
    assert not any("status" in scene.decision(one) for one in (forged, abort)), "they wait, recorded nowhere"
    restore(lone)
    for one in (forged, abort):
        said = scene.recorded(one)
        assert said["effect"] == "NoEffect" and "say it again" in said["message"]
    assert scene.condition(called)["status"] == "True"
    until(lambda: counts(scene, incident))
    scene.until(called, "Resolved", 60)


@pytest.mark.requirement("A-17")
def test_a_policy_that_was_changed_and_changed_back_while_the_operator_was_down(
    lone: Kubectl, scene: Deciding, operator: OperatorProcess
) -> None:
    """What was added and taken away again leaves no time in managedFields: the generation tells."""
    incident = scene.opened("away")
    operator.kill()
    patch(lone, POLICY, matchConditions=[{"name": "none", "expression": "false"}])
    until(lambda: answer_to_forged(lone) == "")
    forged = scene.forged(incident)
    restore(lone)
    operator.start()
    said = scene.recorded(forged)
    assert said["effect"] == "NoEffect" and "older than the admission policy" in said["message"]
    until(lambda: counts(scene, incident))


def test_what_was_said_while_the_operator_was_down_counts(scene: Deciding, operator: OperatorProcess) -> None:
    """The positive twin: nothing happened to the policy meanwhile."""
    incident = scene.opened("calm")
    operator.kill()
    said = scene.yes(incident, scene.commander)
    operator.start()
    assert scene.recorded(said)["effect"] == "Counted"


def test_who_deletes_the_incident_needs_nobody_to_vouch(lone: Kubectl, scene: Deciding) -> None:
    scene.opened("gone")
    lone("delete", BINDING)
    scene.kubectl("delete", "incident", "gone", "--timeout=30s")


def test_what_is_said_of_an_incident_that_is_not_there_is_recorded_without_effect(scene: Deciding) -> None:
    left = scene.opened("left")
    scene.kubectl("delete", "incident", "left", "--timeout=30s")
    never = {"metadata": {"name": "never", "uid": "13dce76d-e281-4b05-b326-fe80cc85c650"}}
    for incident in (left, never):
        said = scene.recorded(scene.decide(scene.on_call, "Note", incident))
        assert said["effect"] == "NoEffect"
        assert f"there is no incident {incident['metadata']['name']} in namespace {scene.namespace}" in said["message"]


LAPSES: dict[str, Callable[[Kubectl], object]] = {
    INCIDENTS.name: lambda lone: patch(lone, f"validatingadmissionpolicybinding/{INCIDENTS.name}", validationActions=["Audit"]),
    PLAYBOOKS.name: lambda lone: lone("delete", f"validatingadmissionpolicybinding/{PLAYBOOKS.name}"),
    STATUSES.name: lambda lone: lone("delete", f"validatingadmissionpolicy/{STATUSES.name}"),
    STAYING.name: lambda lone: lone("delete", f"validatingadmissionpolicy/{STAYING.name}"),
}


@pytest.mark.requirement("A-15")
@pytest.mark.parametrize("name", LAPSES)
def test_while_another_policy_is_not_in_force_what_it_proves_is_not_built_on(lone: Kubectl, scene: Deciding, name: str) -> None:
    """It is looked at every minute: an incident that is under way tells when that was seen, and is not held up by it. Decisions
    are vouched for all the same; the test before may have had their policy put back only now."""
    called = name.partition(".")[0]
    under_way = scene.opened(f"{called}-before")
    LAPSES[name](lone)
    told = f".status.conditions[?(@.type=='{ADMISSION}')].status"
    scene.kubectl.wait(f"incident/{called}-before", told, "False", 100)
    assert f" {name}" in scene.condition(f"{called}-before", ADMISSION)["message"]
    scene.open(f"{called}-meanwhile", playbookRef={"name": "deciding"})
    if name == STAYING.name:
        scene.until(f"{called}-meanwhile", "AwaitingApproval", 60)
    else:
        scene.kubectl.wait(f"incident/{called}-meanwhile", told, "False", 30)
        status = scene.incident(f"{called}-meanwhile")["status"]
        assert status["phase"] == "Opened" and "planDigest" not in status and "No Incident is planned" in status["message"]
    until(lambda: counts(scene, under_way))
    scene.until(f"{called}-before", "Resolved", 60)
    mend(lone)
    scene.until(f"{called}-meanwhile", "AwaitingApproval", 60)
    scene.kubectl.wait(f"incident/{called}-meanwhile", told, "True", 30)

"""The CRDs on a real API server: plain `kubectl apply` takes them, `kubectl explain` reads well, bad objects are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stanch.actions.registry import ACTIONS
from stanch.api import codec, crds
from stanch.api.kinds import KINDS, playbook_kind
from stanch.api.playbook import build
from stanch.checks.registry import CHECKS
from stanch.domain.conditions import Condition
from stanch.domain.incident import CheckRecord, OptionRecord, OptionState, Phase, Status, StepRecord, StepState, Verdict
from stanch.domain.objects import DecisionStatus, Standing
from stanch.domain.plan import Pin, Ref, Target
from stanch.evidence.registry import SOURCES
from stanch.runtime.sweeper import OPEN, UNRECORDED
from tests.cluster.model import ClusterError
from tests.contract.installed import Object, create, install, refused, until
from tests.unit import api_examples as examples

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def stanch(cluster: Any) -> None:
    install(cluster)


@pytest.fixture(scope="module")
def me(cluster: Any) -> str:
    return cluster.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").strip()


def test_the_api_server_finds_nothing_to_say_about_them(cluster: Any) -> None:
    found = json.loads(cluster.kubectl("get", "crd", "-l", "app.kubernetes.io/part-of=stanch", "-o", "json"))["items"]
    assert {crd["spec"]["names"]["kind"] for crd in found} == {kind.name for kind in KINDS}
    for crd in found:
        conditions = {condition["type"]: condition["status"] for condition in crd["status"]["conditions"]}
        assert conditions == {"NamesAccepted": "True", "Established": "True"}
        assert "kubectl.kubernetes.io/last-applied-configuration" in crd["metadata"]["annotations"]


def test_thirty_actions_stay_within_the_budget(cluster: Any) -> None:
    """CEL costs are estimated when a CRD is written; so is its size."""
    actions = [replace(ACTIONS["rolloutUndo"], name=f"syntheticAction{number}") for number in range(30)]
    text = crds.render(playbook_kind(build(actions, CHECKS.values(), SOURCES.values())))
    assert "playbooks.stanch.dev" in cluster.kubectl("apply", "--dry-run=server", "-f", "-", input=text)


def explained(cluster: Any, field: str) -> str:
    """What is said of a kind that was made a moment ago is published a moment later."""
    said: list[str] = []

    def published() -> bool:
        with suppress(ClusterError):
            said.append(cluster.kubectl("explain", field))
        return bool(said)

    until(published)
    return said[0]


def test_explain_is_the_reference(cluster: Any) -> None:
    steps = explained(cluster, "playbook.spec.options.steps")
    for line in ("rolloutRestart", "rolloutUndo", "One action, what is expected of it", "expect\t<string> -required-"):
        assert line in steps
    to = cluster.kubectl("explain", "playbook.spec.options.steps.rolloutUndo.to")
    assert "LastStable" in to


def test_short_names_and_category(cluster: Any, namespace: str, me: str) -> None:
    create(cluster, namespace, mine(me))
    for name in ("inc", "stanch"):
        assert "frontend-502" in cluster.kubectl("-n", namespace, "get", name, "-o", "name")


def mine(me: str, **spec: object) -> Object:
    incident = examples.incident()
    incident["spec"] |= {"openedBy": me, **spec}
    return incident


def test_a_playbook_is_filled_up_with_defaults(cluster: Any, namespace: str) -> None:
    spec = create(cluster, namespace, examples.playbook())["spec"]
    assert spec["targets"][0]["maxCount"] == 1
    assert spec["evidence"]["onFailure"] == "Block"
    assert spec["options"][0]["risk"] == "Low"
    assert spec["options"][0]["verify"][1] == {
        "within": "2m", "holdFor": "1m",
        "http": {"service": "frontend", "port": 80, "path": "/health", "scheme": "http", "status": 200, "timeout": "5s"},
    }  # fmt: skip
    assert spec["options"][1]["approval"]["timeout"] == "15m"


def status() -> Status:
    """With something in every field that a live incident has."""
    return Status(
        observed_generation=1,
        phase=Phase.AwaitingApproval,
        phase_since=AT,
        reason="ApprovalNeeded",
        message="Option undo needs approval",
        at="undo",
        waits_for="incident-commander 0/1",
        waits_until=AT + timedelta(minutes=15),
        deadline=AT + timedelta(minutes=15),
        playbook=Pin("frontend-down", "u-2", 3),
        policy=Pin("standard", "u-3", 1),
        targets=(Target("app", Ref("apps/v1", "Deployment", "aureus", "frontend", "u-9")),),
        facts={"lastDeploy.at": "2026-11-21T08:50:00Z"},
        options=(OptionRecord("restart", OptionState.Denied, "503", AT),),
        steps=(StepRecord("restart", "restart", StepState.Done, token="t", intended_at=AT, done_at=AT),),
        checks=(CheckRecord("http", Verdict.Denied, "503", Verdict.Denied, "200", "x" * 1024),),
        conditions=(Condition("Ready", "False", "AwaitingApproval", "waits", 1, AT),),
    )


def put_status(cluster: Any, namespace: str, what: str, body: object, *arguments: str) -> Object:
    """Replaces the status whole; what the API server made of the object."""
    patch = json.dumps([{"op": "add", "path": "/status", "value": body}])
    where = ("-n", namespace, "patch", what, "--subresource=status", "--type=json", "-p", patch)
    return json.loads(cluster.kubectl(*where, "-o", "json", *arguments))


def test_the_engines_status_is_stored_whole(cluster: Any, namespace: str, me: str) -> None:
    create(cluster, namespace, mine(me))
    body = codec.status_to_json(status())
    stored = put_status(cluster, namespace, "incident/frontend-502", body, "--dry-run=server")
    assert stored["status"] == body
    assert codec.status_of(stored) == codec.status_of({"status": body})


@pytest.fixture
def closed(cluster: Any, namespace: str, me: str) -> None:
    """An Incident of which an operator, should one run here, leaves the status as it is."""
    create(cluster, namespace, mine(me))
    put_status(cluster, namespace, "incident/frontend-502", codec.status_to_json(replace(status(), phase=Phase.Closed)))


@pytest.mark.usefixtures("closed")
def test_a_tired_person_reads_the_columns(cluster: Any, namespace: str) -> None:
    header, line = cluster.kubectl("-n", namespace, "get", "inc").splitlines()
    assert header.replace("WAITS FOR", "WAITS-FOR").split() == [
        "NAME", "SEV", "PHASE", "PLAYBOOK", "AT", "WAITS-FOR", "UNTIL", "REVERTS", "AGE",
    ]  # fmt: skip
    for shown in ("P0", "Closed", "frontend-down", "undo", "incident-commander 0/1", codec.status_to_json(status())["waitsUntil"]):
        assert shown in line


@pytest.mark.usefixtures("closed")
def test_incidents_are_selected_by_phase(cluster: Any, namespace: str) -> None:
    def chosen(phase: str) -> str:
        return cluster.kubectl("-n", namespace, "get", "inc", "-o", "name", f"--field-selector=status.phase={phase}")

    assert "frontend-502" in chosen("Closed")
    assert chosen("Failed").strip() == ""


@pytest.mark.usefixtures("closed")
def test_incidents_that_rest_are_left_out_by_the_server(cluster: Any, namespace: str) -> None:
    """As the sweeper asks for the others; an older one, whose status does not say so, is among them."""

    def open_ones() -> str:
        return cluster.kubectl("-n", namespace, "get", "inc", "-o", "name", f"--field-selector={OPEN}")

    assert "frontend-502" in open_ones()
    resting = replace(status(), phase=Phase.Closed, rests=True)
    put_status(cluster, namespace, "incident/frontend-502", codec.status_to_json(resting))
    assert open_ones().strip() == ""


def test_a_decision_is_marked(cluster: Any, namespace: str, me: str) -> None:
    """And left out from then on where the sweeper asks for the others."""

    def unrecorded() -> str:
        return cluster.kubectl("-n", namespace, "get", "dec", "-o", "name", f"--field-selector={UNRECORDED}").strip()

    obj = examples.decision()
    obj["spec"]["by"] = me
    create(cluster, namespace, obj)
    assert unrecorded().endswith("/approve-undo")
    body = codec.decision_status_to_json(DecisionStatus(AT, Standing.Counted, "approved as incident-commander"))
    assert codec.decision_of(put_status(cluster, namespace, "decision/approve-undo", body)).recorded
    assert unrecorded() == ""


def test_a_policy_is_taken(cluster: Any, namespace: str) -> None:
    assert create(cluster, namespace, examples.policy(), "--dry-run=server")["spec"]["default"] is True


Spoil = Callable[[Any], object]
UNDO = {"name": "undo", "expect": "better", "rolloutUndo": {"target": "app", "to": "Previous"}}
RESTART = {"target": "app"}

PLAYBOOKS: dict[str, tuple[Spoil, str]] = {
    "two actions": (
        lambda spec: spec["options"][0]["steps"][0].update(rolloutUndo=UNDO["rolloutUndo"]),
        "a step has exactly one of rolloutRestart, rolloutUndo",
    ),
    "no action": (
        lambda spec: spec["options"][0]["steps"][0].pop("rolloutRestart"),
        "a step has exactly one of rolloutRestart, rolloutUndo",
    ),
    "two kinds of check": (
        lambda spec: spec["options"][0]["verify"][0].update(readyShare={"target": "app", "atLeast": 80}),
        "a check has exactly one of rollout, readyShare, http",
    ),
    "two sources": (
        lambda spec: spec["evidence"]["collect"][0].update(events={}),
        "a source of evidence has exactly one of logs, events",
    ),
    "an action that is none": (
        lambda spec: spec["options"][0]["steps"][0].update(rollotUndo=RESTART),
        r'unknown field "spec.options\[0\].steps\[0\].rollotUndo"',
    ),
    "a step's unknown target": (
        lambda spec: spec["options"][0]["steps"][0]["rolloutRestart"].update(target="db"),
        "each step's target is one of targets",
    ),
    "a check's unknown target": (
        lambda spec: spec["options"][0]["verify"][0]["rollout"].update(target="db"),
        "each check's target is one of targets",
    ),
    "a source's unknown target": (
        lambda spec: spec["evidence"]["collect"][0]["logs"].update(target="db"),
        "each source's target is one of targets",
    ),
    "two steps of one name": (lambda spec: spec["options"][1].update(steps=[UNDO, UNDO]), "Duplicate value"),
    "two options of one name": (lambda spec: spec["options"][0].update(name="undo"), "Duplicate value"),
    "two targets of one name": (lambda spec: spec.update(targets=spec["targets"] * 2), "Duplicate value"),
    "two checks of one name": (
        lambda spec: spec["options"][0].update(verify=[{"name": "a", "rollout": RESTART}] * 2),
        "the names of an option's checks are unique",
    ),
    "two ways to find a target": (
        lambda spec: spec["targets"][0].update(objectName="frontend"),
        "a target has exactly one of objectName, nameFrom, selector",
    ),
    "no way to find a target": (
        lambda spec: spec["targets"][0].pop("nameFrom"),
        "a target has exactly one of objectName, nameFrom, selector",
    ),
    "many objects of one name": (lambda spec: spec["targets"][0].update(maxCount=2), "maxCount above 1 needs a selector"),
    "a shell in a name": (lambda spec: spec["targets"][0].update(nameFrom="$(reboot)"), r"spec\.targets\[0\]\.nameFrom"),
    "a kind that no action knows": (lambda spec: spec["targets"][0].update(kind="Pod"), 'Unsupported value: "Pod"'),
    "a negative duration": (lambda spec: spec["evidence"].update(budget="-5s"), r"spec\.evidence\.budget"),
    "a budget that is too long": (
        lambda spec: spec["evidence"].update(budget="11m"),
        "expected a duration from 1s to 10m",
    ),
    "an approval by nobody": (lambda spec: spec["options"][1]["approval"].update(roles={}), "should have at least 1"),
    "a role that is no name": (
        lambda spec: spec["options"][1]["approval"].update(roles={"-": 1}),
        "keys match",
    ),
    "an endless condition": (lambda spec: spec["options"][1].update(when="x" * 1025), "may not be more than 1024"),
    "no checks": (lambda spec: spec["options"][1].update(verify=[]), "should have at least 1 items"),
    "no evidence": (lambda spec: spec.pop("evidence"), "spec.evidence: Required value"),
    "no identity": (lambda spec: spec.pop("serviceAccountName"), "spec.serviceAccountName: Required value"),
    "no expectation": (lambda spec: spec["options"][0]["steps"][0].pop("expect"), "expect: Required value"),
    "a match that says nothing": (lambda spec: spec.update(match={}), "spec.match"),
}  # fmt: skip


@pytest.mark.parametrize("fault", PLAYBOOKS)
def test_a_bad_playbook_is_refused(cluster: Any, namespace: str, fault: str) -> None:
    spoil, says = PLAYBOOKS[fault]
    playbook = examples.playbook()
    create(cluster, namespace, playbook, "--dry-run=server")
    spoil(playbook["spec"])
    with refused(says):
        create(cluster, namespace, playbook, "--dry-run=server")


DECISIONS: dict[str, tuple[Object, str]] = {
    "an approval without a plan": ({"planDigest": None}, "Approve and Reject need role, option and planDigest"),
    "an approval without a role": ({"role": None}, "Approve and Reject need role, option and planDigest"),
    "an approval without an option": ({"option": None}, "Approve and Reject need role, option and planDigest"),
    "a rejection without a reason": ({"verb": "Reject"}, "reason is required: say why"),
    "an abort without a reason": ({"verb": "Abort"}, "reason is required: say why"),
    "a verb that is none": ({"verb": "Approved"}, 'Unsupported value: "Approved"'),
    "a digest that is none": ({"planDigest": "latest"}, r"spec\.planDigest"),
    "no person": ({"by": None}, "spec.by: Required value"),
    "an incident without its UID": ({"incidentRef": {"name": "a"}}, "spec.incidentRef.uid: Required value"),
}


@pytest.mark.parametrize("fault", DECISIONS)
def test_a_bad_decision_is_refused(cluster: Any, namespace: str, me: str, fault: str) -> None:
    change, says = DECISIONS[fault]
    obj = examples.decision()
    obj["spec"]["by"] = me
    create(cluster, namespace, obj, "--dry-run=server")
    obj["spec"] = {key: value for key, value in {**obj["spec"], **change}.items() if value is not None}
    with refused(says):
        create(cluster, namespace, obj, "--dry-run=server")


FIXED = {
    "mode": ('{"spec":{"mode":"DryRun"}}', "mode is fixed when the object is created"),
    "startedAt": ('{"spec":{"startedAt":"2026-11-21T08:00:00Z"}}', "startedAt is fixed when the object is created"),
    "startedAt removed": ('{"spec":{"startedAt":null}}', "startedAt is fixed when the object is created"),
    "policyRef": ('{"spec":{"policyRef":{"name":"other"}}}', "policyRef is fixed when the object is created"),
}


@pytest.mark.parametrize("field", FIXED)
def test_what_an_incident_opened_with_stays(cluster: Any, namespace: str, me: str, field: str) -> None:
    change, says = FIXED[field]
    create(cluster, namespace, mine(me, startedAt="2026-11-21T07:00:00Z"))
    patch = ("-n", namespace, "patch", "incident/frontend-502", "--type=merge", "-p")
    with refused(says):
        cluster.kubectl(*patch, change)
    cluster.kubectl(*patch, '{"spec":{"impact":"half of the users"}}')


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"mode": "Drill"}, 'Unsupported value: "Drill"'),
        ({"component": "../etc"}, r"spec\.component"),
        ({"title": ""}, r"spec\.title"),
        ({"links": [{"name": "a", "url": "javascript:x"}]}, r"spec\.links\[0\]\.url"),
        ({"tittle": "x"}, 'unknown field "spec.tittle"'),
        ({"startedAt": "2026-11-21T08:00:00"}, r"spec\.startedAt"),
        ({"startedAt": "2016-12-31T23:59:60Z"}, r"spec\.startedAt"),
    ],
)
def test_a_bad_incident_is_refused(cluster: Any, namespace: str, me: str, change: Object, says: str) -> None:
    create(cluster, namespace, mine(me), "--dry-run=server")
    with refused(says):
        create(cluster, namespace, mine(me, **change), "--dry-run=server")

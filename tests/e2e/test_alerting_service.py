"""B-02: whoever is on call takes it on and classifies it, in time or late; the playbook's template calls the alerting service."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.stage.alerting import PATH, AlertingService
from tests.stage.kubectl import documents
from tests.stage.limits import LimitsScene, option, step
from tests.stage.operator import OperatorProcess
from tests.stage.people import ON_CALL, also, may
from tests.stage.scene import AUREUS, calm

Document = dict[str, Any]
KEY = "0123456789abcdef0123456789abcdef"
# What the event says is data: a text of the incident stays one text of the event.
EVENT = {
    "event_action": "trigger",
    "dedup_key": "shop/${incident.name}",
    "payload": {
        "summary": "${incident.severity}: ${incident.type} of ${incident.component}",
        "source": "shop",
        "severity": "${incident.severity == 'P0' ? 'critical' : 'error'}",
        "custom_details": {"incident": "${incident.name}"},
    },
}


@pytest.fixture
def service() -> Iterator[AlertingService]:
    with AlertingService(KEY).up() as up:
        yield up


@pytest.fixture
def activated(limits: LimitsScene, service: AlertingService) -> Iterator[Callable[..., Document]]:
    """An incident of which an option waits for a yes: it has the service called before it changes anything. By its policy a P0 is
    to be taken on within so long, and mitigated."""
    policy = f"alerting-{limits.namespace}"

    def made(key: str = "routing-key", within: str = "5m", restored: str = "30m", severity: str = "P0") -> Document:
        def own(document: Document) -> None:
            calm(document)
            document["metadata"]["name"] = policy
            document["spec"] |= {"default": False, "http": {"allowedOrigins": [service.origin]}}
            document["spec"]["levels"][0] |= {"respondWithin": within, "restoreWithin": restored}

        limits.kubectl.apply(documents(AUREUS / "policy.yaml", own))
        data = {"routing-key": KEY, "another": "f" * 32}
        limits.kubectl.apply([{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pagerduty"}, "stringData": data}])
        limits.kubectl.apply(also(ON_CALL, "stanch-triage"))
        secret = [{"name": "routing_key", "secretRef": {"name": "pagerduty", "key": key}}]
        page = {"url": service.origin, "path": PATH, "method": "POST", "json": EVENT, "secretFields": secret, "expect": [202]}
        higher = {"target": "app", "set": {"RATE_LIMIT_QUERY": "20"}}
        approval = {"roles": {"incident-commander": 1}, "timeout": "10m"}
        activate = option("activate", step("page", http=page), step("raise", setEnv=higher), approval=approval)
        return limits.until(limits.play(activate, policyRef={"name": policy}, severity=severity), "AwaitingApproval")

    yield made
    limits.kubectl("delete", "responsepolicy", policy, "--ignore-not-found")


def states(limits: LimitsScene, incident: Document) -> Document:
    return {name: one["state"] for name, one in limits.steps(incident).items()}


@pytest.mark.requirement("B-02")
def test_on_call_takes_it_on_classifies_it_and_one_alert_says_how_grave_it_is(
    activated: Callable[..., Document], limits: LimitsScene, service: AlertingService, operator: OperatorProcess
) -> None:
    incident = activated(severity="P1")
    name = incident["metadata"]["name"]
    limits.decide(limits.on_call, "Acknowledge", incident, role="on-call", reason=None)
    limits.until_true("they may classify", lambda: may(limits.kubectl, ON_CALL, "classify", "on-call"))
    limits.decide(limits.on_call, "Classify", incident, role="on-call", severity="P0")
    limits.until_status(name, ".attempt", "2")
    incident = limits.until(name, "AwaitingApproval")
    assert service.calls == 0, "nobody is called before the yes"
    limits.answer_plan("Approve", incident)
    incident = limits.ended(name, activate="Confirmed")
    assert states(limits, incident) == {"page": "Done", "raise": "Done"}
    payload = {"summary": "P0: rate-limiting of limits", "source": "shop", "severity": "critical"}
    said = {"routing_key": KEY, "event_action": "trigger", "dedup_key": f"shop/{name}"}
    assert service.alerts == {f"shop/{name}": [{**said, "payload": {**payload, "custom_details": {"incident": name}}}]}
    assert service.calls == 1 and limits.asked("/settings")["query"] == "20"
    assert {one["type"]: one["reason"] for one in incident["status"]["conditions"]}["Acknowledged"] == "InTime"
    told = [json.dumps(incident), operator.log.read_text(), limits.kubectl("get", "events", "-o", "json")]
    told += [path.read_text(errors="replace") for path in (operator.folder / "packs").rglob("*") if path.is_file()]
    assert not [text for text in told if KEY in text], "the routing key is told nowhere"


@pytest.mark.requirement("B-02")
def test_whoever_takes_it_on_late_calls_all_the_same_and_hides_no_breach(
    activated: Callable[..., Document], limits: LimitsScene, service: AlertingService
) -> None:
    incident = activated(within="1s", restored="2s")
    name = incident["metadata"]["name"]
    limits.until_status(name, ".conditions[?(@.type=='Restored')].reason", "Overdue")
    limits.until_time(datetime.fromisoformat(incident["status"]["restoreBy"]))
    limits.decide(limits.on_call, "Acknowledge", incident, role="on-call", reason=None)
    limits.answer_plan("Approve", incident)
    incident = limits.ended(name, activate="Confirmed")
    assert list(service.alerts) == [f"shop/{name}"]
    reasons = {one["type"]: one["reason"] for one in incident["status"]["conditions"]}
    assert (reasons["Acknowledged"], reasons["Restored"]) == ("Late", "Late")


@pytest.mark.requirement("B-02")
def test_who_says_no_to_it_calls_nobody(activated: Callable[..., Document], limits: LimitsScene, service: AlertingService) -> None:
    incident = activated()
    limits.answer_plan("Reject", incident)
    incident = limits.ended(incident["metadata"]["name"], activate="Denied")
    assert "steps" not in incident["status"]
    assert service.calls == 0 and limits.asked("/settings")["query"] == "10"


@pytest.mark.requirement("B-02")
def test_where_the_service_refuses_nobody_is_said_to_be_called(
    activated: Callable[..., Document], limits: LimitsScene, service: AlertingService
) -> None:
    incident = activated(key="another")
    limits.answer_plan("Approve", incident)
    incident = limits.ended(incident["metadata"]["name"], activate="Failed")
    assert "answered 400" in incident["status"]["options"][0]["message"]
    assert states(limits, incident) == {"page": "Failed"}
    assert (service.calls, service.alerts) == (1, {}) and limits.asked("/settings")["query"] == "10"


@pytest.mark.requirement("B-02")
def test_where_its_answer_is_lost_a_person_says_and_nobody_is_called_twice(
    activated: Callable[..., Document], limits: LimitsScene, service: AlertingService
) -> None:
    service.mute = True
    incident = activated()
    name = incident["metadata"]["name"]
    limits.answer_plan("Approve", incident)
    incident = limits.until_status(name, ".steps[0].state", "Indeterminate")
    assert incident["status"]["waitsFor"] == "Confirm or Reject of page"
    limits.decide(limits.on_call, "Confirm", incident, option="activate", step="page")
    limits.ended(name, activate="Confirmed")
    assert service.calls == 1 and limits.asked("/settings")["query"] == "20"

"""Which policy vouches for Decisions, how a refusal is read, and since when what was said counts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stanch.api import codec
from stanch.api.kinds import KINDS
from stanch.domain.incident import VouchRecord
from stanch.engine.errors import Refused
from stanch.engine.shipped import DECISIONS, FORGED, INCIDENTS, OTHERS, PLAYBOOKS, STATUSES, Shipped
from stanch.engine.vouching import (
    NONE,
    SETTLING,
    Distrust,
    NotVouched,
    Vouched,
    altered,
    counts_after,
    fingerprint,
    known_by,
    mark_of,
    recorded_since,
    unproven,
)
from tests.stage.kubectl import ROOT, documents

Object = dict[str, Any]
FILES = [ROOT / "manifests" / "admission" / f"{kind}.yaml" for kind in ("decisions", "incidents", "playbooks", "statuses")]
CREATED, LATER = "2026-11-20T03:00:00Z", datetime(2026, 11, 21, 3, tzinfo=UTC)


def shipped(what: Shipped = DECISIONS) -> tuple[Object, Object]:
    found = [document for file in FILES for document in documents(file)]
    policy, binding = (document for document in found if document["metadata"]["name"] == what.name)
    return policy, binding


def served() -> tuple[Object, Object]:
    """As the API server gives them back."""
    policy, binding = shipped()
    policy["spec"]["matchConstraints"] |= {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
    policy["spec"]["matchConstraints"]["resourceRules"][0]["scope"] = "*"
    policy["status"] = {"observedGeneration": 1, "typeChecking": {}}
    for number, obj in enumerate((policy, binding)):
        obj["metadata"] |= {"uid": f"u{number}", "generation": 1, "creationTimestamp": CREATED}
    return policy, binding


@pytest.mark.parametrize("what", (DECISIONS, *OTHERS), ids=lambda what: what.name)
def test_what_is_shipped_is_what_is_looked_for(what: Shipped) -> None:
    """After a change of a file in manifests/admission: these two go into engine/shipped.py."""
    assert tuple(map(fingerprint, shipped(what))) == (what.policy, what.binding)


def test_every_policy_that_is_shipped_is_looked_for() -> None:
    names = {document["metadata"]["name"] for file in FILES for document in documents(file)}
    assert names == {what.name for what in (DECISIONS, *OTHERS)}


def test_what_is_forged_is_refused_by_nothing_but_the_policy() -> None:
    """What the schema refuses never reaches the policy."""
    models = {kind.name: kind.spec for kind in KINDS}
    for what in (DECISIONS, INCIDENTS, PLAYBOOKS):
        models[what.kind].model_validate(what.probe("stanch-system")["spec"])


@pytest.mark.parametrize("what", (PLAYBOOKS, STATUSES), ids=lambda what: what.name)
def test_what_is_forged_is_refused_whatever_rights_the_operator_has(what: Shipped) -> None:
    first, *_ = shipped(what)[0]["spec"]["validations"]
    assert first["message"].startswith(what.says) and FORGED in first["expression"]


def test_a_forged_status_is_one_that_the_type_takes() -> None:
    (condition,) = codec.declared_status_of({"status": STATUSES.status}).conditions
    assert condition.reason == FORGED


def test_every_status_is_guarded() -> None:
    (rule,) = shipped(STATUSES)[0]["spec"]["matchConstraints"]["resourceRules"]
    plurals = [crd["spec"]["names"]["plural"] for file in (ROOT / "crds").glob("*s.yaml") for crd in documents(file)]
    assert sorted(rule["resources"]) == sorted(f"{plural}/status" for plural in plurals)


def test_what_the_api_server_fills_in_is_no_change() -> None:
    assert altered(DECISIONS, *served()) is None


SELECTED = {"matchLabels": {"a": "b"}}
WEAKER: dict[str, Callable[[Object], Any]] = {
    "it lets pass when it fails": lambda spec: spec.update(failurePolicy="Ignore"),
    "an expression is another one": lambda spec: spec["validations"][0].update(expression="true"),
    "a validation is gone": lambda spec: spec["validations"].pop(),
    "a variable is another one": lambda spec: spec["variables"][0].update(expression="object.spec.by"),
    "it is about updates": lambda spec: spec["matchConstraints"]["resourceRules"][0].update(operations=["UPDATE"]),
    "it is about another version": lambda spec: spec["matchConstraints"]["resourceRules"][0].update(apiVersions=["v9"]),
    "it is about some names": lambda spec: spec["matchConstraints"]["resourceRules"][0].update(resourceNames=["a"]),
    "it is about cluster-scoped ones": lambda spec: spec["matchConstraints"]["resourceRules"][0].update(scope="Cluster"),
    "it is about nothing": lambda spec: spec["matchConstraints"].update(resourceRules=[]),
    "some are left out": lambda spec: spec["matchConstraints"].update(
        excludeResourceRules=[{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]
    ),
    "it is about some namespaces": lambda spec: spec["matchConstraints"].update(namespaceSelector=SELECTED),
    "it is about some objects": lambda spec: spec["matchConstraints"].update(objectSelector=SELECTED),
    "its versions must be exact": lambda spec: spec["matchConstraints"].update(matchPolicy="Exact"),
    "there is a condition": lambda spec: spec.update(matchConditions=[{"name": "a", "expression": "false"}]),
    "it has parameters": lambda spec: spec.update(paramKind={"apiVersion": "v1", "kind": "ConfigMap"}),
    "it has what nobody knows yet": lambda spec: spec.update(mood="lenient"),
}
LOOSER: dict[str, Callable[[Object], Any]] = {
    "it is of another policy": lambda spec: spec.update(policyName="another.example.org"),
    "it warns": lambda spec: spec.update(validationActions=["Warn"]),
    "it audits": lambda spec: spec.update(validationActions=["Audit"]),
    "it does nothing": lambda spec: spec.update(validationActions=[]),
    "it is about some namespaces": lambda spec: spec.update(matchResources={"namespaceSelector": SELECTED}),
    "it has parameters": lambda spec: spec.update(paramRef={"name": "a", "parameterNotFoundAction": "Allow"}),
}


@pytest.mark.parametrize("change", WEAKER.values(), ids=list(WEAKER))
def test_a_policy_that_says_anything_else_does_not_vouch(change: Callable[[Object], Any]) -> None:
    policy, binding = served()
    change(policy["spec"])
    found = altered(DECISIONS, policy, binding)
    assert found and found.reason is Distrust.PolicyChanged and "kubectl apply -k manifests/admission" in found.message


@pytest.mark.parametrize("change", LOOSER.values(), ids=list(LOOSER))
def test_a_binding_that_says_anything_else_does_not_either(change: Callable[[Object], Any]) -> None:
    policy, binding = served()
    change(binding["spec"])
    found = altered(DECISIONS, policy, binding)
    assert found and found.reason is Distrust.BindingChanged


def test_to_be_audited_besides_is_no_change() -> None:
    policy, binding = served()
    binding["spec"]["validationActions"] = ["Audit", "Deny"]
    assert altered(DECISIONS, policy, binding) is None


def test_only_the_policy_s_own_words_prove_it() -> None:
    said = f'create decision/stanch-probe: decisions.stanch.dev "stanch-probe" is forbidden: {DECISIONS.denial}it\': set spec.by'
    assert unproven(DECISIONS, Refused("Forbidden", said)) is None
    assert (accepted := unproven(DECISIONS, None)) and accepted.reason is Distrust.ProbeAccepted
    assert (status := unproven(STATUSES, None)) and "takes a forged status of a ResponsePolicy" in status.message
    for other in ("User cannot create resource decisions", said.replace("binding 'decisions.", "binding '"), said[:-40]):
        found = unproven(DECISIONS, Refused("Forbidden", other))
        assert found and found.reason is Distrust.ProbeUnproven and other in found.message


def test_what_cannot_be_accepted_says_what_is_left() -> None:
    found = unproven(DECISIONS, None)
    assert found and "an Abort neither" in found.message and "Deleting the Incident" in found.message


def written(at: str, *fields: str, **more: str) -> Object:
    return {"time": at, "fieldsV1": {field: {} for field in fields}, **more}


def test_it_says_what_it_says_since_its_spec_was_last_written() -> None:
    policy, binding = served()
    assert recorded_since(policy, binding) == datetime(2026, 11, 20, 3, tzinfo=UTC)
    changed = written("2026-11-20T05:00:00Z", "f:metadata", "f:spec")
    status = written("2026-11-20T09:00:00Z", "f:status", subresource="status")
    binding["metadata"]["managedFields"] = [status, changed, written("2026-11-20T04:00:00Z", "f:spec")]
    assert recorded_since(policy, binding) == datetime(2026, 11, 20, 5, tzinfo=UTC)


def test_each_change_and_each_new_one_has_a_mark_of_its_own() -> None:
    marks = {mark_of(*served())}
    for key, value in (("generation", 3), ("uid", "other")):
        for which in (0, 1):
            pair = copy.deepcopy(served())
            pair[which]["metadata"][key] = value
            marks.add(mark_of(*pair))
    assert len(marks) == 5


SINCE = datetime(2026, 11, 20, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
TRUST = Vouched("m", SINCE, LATER)


KNOWN = (
    (None, SINCE),
    (VouchRecord("m", SINCE - HOUR), SINCE),
    (VouchRecord("m", SINCE + HOUR), SINCE + HOUR),
    (VouchRecord("another", SINCE), LATER),
    (VouchRecord(NONE), LATER),
)


@pytest.mark.parametrize(("known", "began"), KNOWN)
def test_what_was_another_policy_before_may_have_been_anything_until_it_was_seen(
    known: VouchRecord | None, began: datetime
) -> None:
    assert counts_after(TRUST, known) == began + SETTLING
    stored = known_by(TRUST, known)
    assert stored and counts_after(TRUST, stored) == began + SETTLING, "it stays so once it is stored"


def test_that_it_could_not_be_read_says_nothing_about_the_policy() -> None:
    before = VouchRecord("before", SINCE)
    assert known_by(TRUST, None) == VouchRecord("m", SINCE)
    assert known_by(NotVouched(Distrust.Unreadable, ""), before) == before
    others = (known_by(NotVouched(why, ""), before) for why in Distrust if why is not Distrust.Unreadable)
    assert set(others) == {VouchRecord(NONE)}
    assert timedelta(seconds=2) <= SETTLING, "whole seconds, and a policy is known a second late"

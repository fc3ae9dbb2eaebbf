"""Who writes what became of an Incident or a Decision is proven by the API server: RBAC's own patch is not enough."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from stanch.engine.shipped import STATUSES
from tests.cluster.model import ClusterError
from tests.contract.installed import Object, create, grant, install, rule, until
from tests.unit import api_examples as examples

GROUP, AT = "stanch.dev", "2026-11-21T09:00:00Z"
KINDS = ("incidents", "decisions", "playbooks")
# kubectl reads what it patches.
PATCH = [rule(GROUP, what, verb, "get") for kind in KINDS for what, verb in ((f"{kind}/status", "patch"), (kind, "get"))]
RECORD = [rule(GROUP, f"{kind}/status", "record") for kind in KINDS]
READY = {"conditions": [{"type": "Ready", "status": "True", "reason": "Valid"}]}
APPROVED = {"decision": "none", "option": "undo", "role": "incident-commander", "by": "carol", "at": AT}
BROKEN = {"decision": "none", "option": "undo", "planDigest": "sha256:0", "by": "carol", "ticket": "T", "without": "all", "at": AT}
# What somebody would write there.
FORGED: dict[str, tuple[str, Object]] = {
    "approvals": ("incident/frontend-502", {"approvals": [APPROVED]}),
    "broken glass": ("incident/frontend-502", {"brokenGlass": [BROKEN]}),
    "a Reject that is not heard": ("decision/approve-undo", {"recordedAt": AT, "effect": "NoEffect", "message": "never mind"}),
    "a Playbook that is ready": ("playbook/frontend-down", READY),
}


@pytest.fixture(scope="module", autouse=True)
def stanch(cluster: Any) -> None:
    install(cluster)


@pytest.fixture
def ladder(cluster: Any, namespace: str) -> Iterator[str]:
    """A ResponsePolicy of the test's own. The policy is in force."""
    policy = examples.policy()
    policy["metadata"]["name"], policy["spec"]["default"] = namespace, False
    cluster.kubectl("create", "-f", "-", input=json.dumps(policy))
    what = f"responsepolicy/{namespace}"
    until(lambda: STATUSES.denial in why_not(cluster, namespace, what, STATUSES.status, "--dry-run=server"))
    yield what
    cluster.kubectl("delete", what)


@pytest.fixture
def objects(cluster: Any, namespace: str, ladder: str) -> None:
    """One of each, which the administrator made."""
    me = cluster.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").strip()
    for obj, whose in ((examples.playbook(), {}), (examples.incident(), {"openedBy": me}), (examples.decision(), {"by": me})):
        obj["spec"] |= whose
        create(cluster, namespace, obj)


def why_not(cluster: Any, namespace: str, what: str, status: Object, *arguments: str) -> str:
    """What the API server says to this status; empty: it takes it."""
    patch = json.dumps({"status": status})
    try:
        cluster.kubectl("-n", namespace, "patch", what, "--subresource=status", "--type=merge", "-p", patch, *arguments)
    except ClusterError as refused:
        return str(refused)
    return ""


@pytest.mark.requirement("A-17")
@pytest.mark.usefixtures("objects")
@pytest.mark.parametrize("name", FORGED)
def test_who_may_patch_alone_records_nothing(cluster: Any, namespace: str, name: str) -> None:
    what, status = FORGED[name]
    kind, _, named = what.partition("/")
    grant(cluster, namespace, "mallory", *PATCH)
    said = why_not(cluster, namespace, what, status, "--as=mallory")
    assert f"'mallory' may not record in the status of {kind}s '{named}'" in said and "verbs [record]" in said
    grant(cluster, namespace, "mallory", *PATCH, *RECORD)
    assert why_not(cluster, namespace, what, status, "--as=mallory") == ""


@pytest.mark.usefixtures("objects")
def test_to_replace_it_is_to_write_it_too(cluster: Any, namespace: str) -> None:
    grant(cluster, namespace, "mallory", rule(GROUP, "incidents/status", "update"))
    found = json.loads(cluster.kubectl("-n", namespace, "get", "incident", "frontend-502", "-o", "json"))
    body = json.dumps({**found, "status": {"approvals": [APPROVED]}})
    with pytest.raises(ClusterError, match="'mallory' may not record in the status of incidents 'frontend-502'"):
        cluster.kubectl("replace", "--subresource=status", "-f", "-", "--as=mallory", input=body)


@pytest.mark.usefixtures("objects")
def test_to_record_on_one_kind_is_not_to_record_on_another(cluster: Any, namespace: str) -> None:
    grant(cluster, namespace, "mallory", *PATCH, RECORD[1], rule(GROUP, "incidents", "record"))
    assert "may not record in the status of incidents" in why_not(cluster, namespace, *FORGED["approvals"], "--as=mallory")
    assert why_not(cluster, namespace, *FORGED["a Reject that is not heard"], "--as=mallory") == ""


@pytest.fixture
def anywhere(cluster: Any, namespace: str) -> Iterator[str]:
    """A user who may patch statuses of ResponsePolicies, which are cluster-scoped."""
    may(cluster, namespace, "get", "patch")
    cluster.kubectl("create", "clusterrolebinding", namespace, f"--clusterrole={namespace}", "--user=mallory")
    yield "--as=mallory"
    cluster.kubectl("delete", f"clusterrole/{namespace}", f"clusterrolebinding/{namespace}")


def may(cluster: Any, name: str, *verbs: str) -> None:
    rules = [rule(GROUP, "responsepolicies/status", *verbs), rule(GROUP, "responsepolicies", "get")]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}
    cluster.kubectl("apply", "-f", "-", input=json.dumps(role))


def test_of_a_response_policy_neither(cluster: Any, namespace: str, ladder: str, anywhere: str) -> None:
    named = f"may not record in the status of responsepolicies '{namespace}'"
    until(lambda: named in why_not(cluster, namespace, ladder, READY, anywhere))
    may(cluster, namespace, "get", "patch", "record")
    until(lambda: why_not(cluster, namespace, ladder, READY, anywhere) == "")


def test_what_the_operator_forges_is_refused_in_the_policy_s_words(cluster: Any, namespace: str, ladder: str) -> None:
    """Also to who may do everything, as the administrator here; and they may write another one."""
    assert STATUSES.denial in why_not(cluster, namespace, ladder, STATUSES.status, "--dry-run=server")
    assert why_not(cluster, namespace, ladder, READY, "--dry-run=server") == ""

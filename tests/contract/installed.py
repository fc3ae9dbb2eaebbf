"""Stanch's kinds and admission policies on the cluster under test, and people who may do what they were granted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stanch.engine.shipped import PLAYBOOKS
from tests.cluster.model import ClusterError
from tests.stage.kubectl import established

ROOT = Path(__file__).parents[2]
Object = dict[str, Any]
PATIENCE = 30.0

PROBES = {
    "set spec.by to your own name": {
        "kind": "Decision",
        "spec": {"incidentRef": {"name": "a", "uid": "a"}, "verb": "Note", "by": "nobody", "reason": "probe"},
    },
    "set spec.openedBy to your own name": {
        "kind": "Incident",
        "spec": {"title": "a", "type": "a", "severity": "a", "openedBy": "nobody"},
    },
    PLAYBOOKS.says: {"kind": "Playbook", "spec": PLAYBOOKS.spec},
}


def install(cluster: Any) -> None:
    """As a person does it. Returns when the kinds are served and the policies are in force."""
    with cluster.installing():
        cluster.kubectl("apply", "-k", str(ROOT / "crds"))
        established(cluster.kubectl, *crds(cluster))
        cluster.kubectl("apply", "-k", str(ROOT / "manifests" / "admission"))
    for message, probe in PROBES.items():
        until(lambda message=message, probe=probe: message in why_refused(cluster, "default", probe, "--dry-run=server"))


def crds(cluster: Any) -> list[str]:
    found = cluster.kubectl("get", "crd", "-l", "app.kubernetes.io/part-of=stanch", "-o", "name")
    return found.split()


def create(cluster: Any, namespace: str, obj: Object, *arguments: str) -> Object:
    """What the API server made of it. Raises ClusterError with what it said."""
    named = {"apiVersion": "stanch.dev/v1alpha1", **obj, "metadata": {"name": "probe", **obj.get("metadata", {})}}
    made = cluster.kubectl("-n", namespace, "create", "-f", "-", "-o", "json", *arguments, input=json.dumps(named))
    return json.loads(made)


def why_refused(cluster: Any, namespace: str, obj: Object, *arguments: str) -> str:
    """What the API server said; empty when it took the object."""
    try:
        create(cluster, namespace, obj, *arguments)
    except ClusterError as refused:
        return str(refused)
    return ""


def refused(says: str) -> Any:
    """The block is refused, and the message says this."""
    return pytest.raises(ClusterError, match=says)


def grant(cluster: Any, namespace: str, user: str, *rules: Object) -> None:
    """A Role of the user's own with these rules; returns when the API server's authorizer knows it."""
    name = user.replace(":", "-")
    for obj in (
        {"kind": "Role", "rules": list(rules)},
        {
            "kind": "RoleBinding",
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        },
    ):
        body = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}, **obj}
        cluster.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(body))
    for rule in rules:
        until(lambda rule=rule: allowed(cluster, namespace, user, rule))


def allowed(cluster: Any, namespace: str, user: str, rule: Object) -> bool:
    """Whether the first verb of the rule on its first name is allowed."""
    attributes = {
        "namespace": namespace,
        "verb": rule["verbs"][0],
        "group": rule["apiGroups"][0],
        "resource": rule["resources"][0],
        "name": rule.get("resourceNames", [""])[0],
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": attributes},
    }
    answer = cluster.kubectl("create", "-f", "-", "-o", "json", input=json.dumps(review))
    return json.loads(answer)["status"]["allowed"]


def rule(group: str, resource: str, *verbs: str, names: tuple[str, ...] = ()) -> Object:
    found: Object = {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}
    return found | ({"resourceNames": list(names)} if names else {})


def until(holds: Callable[[], bool]) -> None:
    """Asks again (each question is a request) until it holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"not so within {PATIENCE:.0f} s"

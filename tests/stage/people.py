"""The people of a scene, and the ready-made rights that each of them has: manifests/roles/people.yaml, and nothing besides."""

from __future__ import annotations

from typing import Any

from tests.stage.kubectl import ROOT, Kubectl, documents

ON_CALL = "alice"
COMMANDER = "carol"
SECURITY = "sam"
COMMS = "mia"
SHIPPED = {one["metadata"]["name"]: one["rules"] for one in documents(ROOT / "manifests" / "roles" / "people.yaml")}
ROLES = {ON_CALL: "stanch-on-call", COMMANDER: "stanch-commander", SECURITY: "stanch-security", COMMS: "stanch-comms"}


# No ready-made role has it: which ResponsePolicy an Incident is under is said by its namespace. Tests bring policies of their own.
PICKS = {"apiGroups": ["stanch.dev"], "resources": ["responsepolicies"], "verbs": ["use"]}


def people() -> list[dict[str, Any]]:
    """Each with their own rights, and who is on call picks policies."""
    own = [document for name, role in ROLES.items() for document in person(name, SHIPPED[role])]
    return [*own, *bound(ON_CALL, "picks-policies", [PICKS])]


def glass_breakers() -> list[dict[str, Any]]:
    """Who is on call may break the glass."""
    return also(ON_CALL, "stanch-break-glass")


def also(user: str, role: str) -> list[dict[str, Any]]:
    """One more of the shipped roles for somebody who has another."""
    return bound(user, role, SHIPPED[role])


def bound(user: str, role: str, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A Role of this name, held by the user."""
    made, binding = person(role, rules)
    binding["subjects"][0]["name"] = user
    return [made, binding]


def may(kubectl: Kubectl, user: str, verb: str, role: str) -> bool:
    """Whether this user may say it as this role. The authorizer learns of a Role a moment after it was made."""
    about = {"namespace": kubectl.namespace, "verb": verb, "group": "stanch.dev", "resource": "roles", "name": role}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
    return kubectl.create({**review, "spec": {"user": user, "resourceAttributes": about}})["status"]["allowed"]


def person(name: str, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A Role and its binding to one user."""
    api, role = "rbac.authorization.k8s.io", {"metadata": {"name": name}}
    reference = {"apiGroup": api, "kind": "Role", "name": name}
    subject = {"apiGroup": api, "kind": "User", "name": name}
    return [
        {"apiVersion": f"{api}/v1", "kind": "Role", **role, "rules": rules},
        {"apiVersion": f"{api}/v1", "kind": "RoleBinding", **role, "roleRef": reference, "subjects": [subject]},
    ]

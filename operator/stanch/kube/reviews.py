"""Questions about rights, in Kubernetes' words. https://kubernetes.io/docs/reference/access-authn-authz/authorization/

Everybody who is authenticated may ask about himself (ClusterRole system:basic-user). So may a ServiceAccount that is impersonated:
the API server adds the group system:authenticated to it (apiserver, endpoints/filters/impersonation).
"""

from __future__ import annotations

from itertools import product
from typing import Any

from stanch.domain.access import Question, Rights, Rule
from stanch.engine.ports import Object

_API = "authorization.k8s.io/v1"
_PATH = f"/apis/{_API}/"
_ACCOUNT = "system:serviceaccount:"


def path(review: Object) -> str:
    return f"{_PATH}{review['kind'].lower()}s"


def access_review(asked: Question, namespace: str, user: str) -> Object:
    """About `user`; empty: about whoever asks."""
    resource, _, subresource = asked.resource.partition("/")
    attributes = {"verb": asked.verb, "group": asked.group, "resource": resource, "namespace": namespace}
    attributes |= {key: value for key, value in (("subresource", subresource), ("name", asked.name)) if value}
    about = {"user": user, "groups": groups_of(user)} if user else {}
    kind = "SubjectAccessReview" if user else "SelfSubjectAccessReview"
    return {"apiVersion": _API, "kind": kind, "spec": {"resourceAttributes": attributes, **about}}


def groups_of(user: str) -> list[str]:
    """Those that a ServiceAccount is in; nobody knows another user's."""
    namespace = user.removeprefix(_ACCOUNT).partition(":")[0] if user.startswith(_ACCOUNT) else ""
    accounts = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"] if namespace else []
    return [*accounts, "system:authenticated"]


def rules_review(namespace: str) -> Object:
    return {"apiVersion": _API, "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}


def rights_of(answer: Object) -> Rights:
    status = answer["status"]
    rules = [rule for said in status.get("resourceRules") or () for rule in _rules_of(said)]
    return Rights(tuple(rules), not status.get("incomplete", False))


def _rules_of(said: dict[str, Any]) -> list[Rule]:
    verbs, names = tuple(said.get("verbs") or ()), tuple(said.get("resourceNames") or ())
    pairs = product(said.get("apiGroups") or (), said.get("resources") or ())
    return [Rule(verbs, group, resource, names) for group, resource in pairs]

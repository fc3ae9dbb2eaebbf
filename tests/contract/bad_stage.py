"""What the tests of bad input share: both objects of a pair in one call of kubectl, and what stands in a namespace."""

from __future__ import annotations

import json
from typing import Any

from tests.stage.kubectl import Kubectl
from tests.unit.bad_input import ACCOUNT, Object, Pair, objects

KINDS = "configmaps,secrets,serviceaccounts,deployments,jobs,pods,decisions"


def whoami(cluster: Any) -> str:
    return cluster.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").strip()


def create(kubectl: Kubectl, *pairs: Pair, dry: bool = False) -> None:
    """As JSON, so that nothing of it is read as YAML. Raises ClusterError with what the API server said."""
    documents = [json.dumps(obj) for pair in pairs for obj in (pair.playbook, pair.incident)]
    mode = ["--dry-run=server"] if dry else []
    # One after the other, not as a List: of that kubectl itself would judge the fields.
    kubectl("create", "-f", "-", *mode, input="\n".join(documents))


def names(kubectl: Kubectl) -> list[str]:
    return kubectl("get", "playbooks,incidents", "-o", "name").split()


def standing(kubectl: Kubectl) -> dict[str, str]:
    """Every object that bad input could have changed or made, and its version."""
    found = json.loads(kubectl("get", KINDS, "-o", "json"))["items"]
    return {f"{obj['kind']}/{obj['metadata']['name']}": obj["metadata"]["resourceVersion"] for obj in found}


def set_up(kubectl: Kubectl, operator_namespace: str) -> None:
    """The objects, and an account that may do more than any playbook here should: it is not RBAC that refuses."""
    kubectl.apply(objects())
    account = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": kubectl.namespace}
    operator = {"kind": "ServiceAccount", "name": "stanch", "namespace": operator_namespace}
    everything: Object = {"apiGroups": ["", "apps", "batch"], "resources": ["*"], "verbs": ["get", "list", "patch", "create"]}
    acts: Object = {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get", "impersonate"]}
    kubectl.apply([*granted("keeps", account, everything), *granted("acts", operator, acts)])


def granted(name: str, subject: Object, rule: Object) -> list[Object]:
    api, head = "rbac.authorization.k8s.io", {"metadata": {"name": name}}
    reference = {"apiGroup": api, "kind": "Role", "name": name}
    return [
        {"apiVersion": f"{api}/v1", "kind": "Role", **head, "rules": [rule]},
        {"apiVersion": f"{api}/v1", "kind": "RoleBinding", **head, "roleRef": reference, "subjects": [subject]},
    ]

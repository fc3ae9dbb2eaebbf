"""Installs stanch as a user would, from the files that are shipped: CRDs, admission policies, the operator's own RBAC."""

from __future__ import annotations

from typing import Any

from tests.stage.kubectl import ROOT, Kubectl, established

SHIPPED = "stanch-system"
CLUSTER_SCOPED = ("ClusterRole", "ClusterRoleBinding")
# What an operator needs that runs as a process of the test, and not in the cluster.
IDENTITY = ("Namespace", "ServiceAccount", "Role", "RoleBinding", *CLUSTER_SCOPED)
ROLES = ("stanch-operator", "stanch-operator-policies")


def install_types(kubectl: Kubectl) -> None:
    """CRDs and admission policies; once a cluster."""
    kubectl("apply", "-k", str(ROOT / "crds"))
    established(kubectl, "crd", "-l", "app.kubernetes.io/part-of=stanch")
    kubectl("apply", "-k", str(ROOT / "manifests" / "admission"))


def install_operator(kubectl: Kubectl, namespace: str = SHIPPED) -> None:
    """The operator's ServiceAccount and rights. In another namespace its cluster roles get names of their own."""
    shipped = [document for document in kubectl.rendered(ROOT / "manifests" / "operator") if document["kind"] in IDENTITY]
    for document in shipped:
        moved(document, SHIPPED, namespace)
        if document["kind"] in CLUSTER_SCOPED:
            document["metadata"]["name"] = role_of(namespace, document["metadata"]["name"])
        if document["kind"] == "ClusterRoleBinding":
            document["roleRef"]["name"] = role_of(namespace, document["roleRef"]["name"])
    kubectl.apply(shipped)


def uninstall_operator(kubectl: Kubectl, namespace: str = SHIPPED) -> None:
    withdraw_rights(kubectl, namespace)
    kubectl("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")


def withdraw_rights(kubectl: Kubectl, namespace: str) -> None:
    """Those that do not go with the namespace."""
    for kind in CLUSTER_SCOPED:
        kubectl("delete", kind, *(role_of(namespace, role) for role in ROLES), "--ignore-not-found")


def role_of(namespace: str, shipped: str) -> str:
    """The name of one of the operator's cluster roles, and of its binding."""
    return shipped if namespace == SHIPPED else f"{shipped}-{namespace}"


def moved(document: dict[str, Any], old: str, new: str) -> None:
    """Renames a namespace wherever a document names it."""
    if document["kind"] == "Namespace" and document["metadata"]["name"] == old:
        document["metadata"]["name"] = new
    if document["metadata"].get("namespace") == old:
        document["metadata"]["namespace"] = new
    for subject in document.get("subjects", []):
        if subject.get("namespace") == old:
            subject["namespace"] = new

"""Installs stanch as a user would, from the files that are shipped: CRDs, admission policies, the operator's own RBAC."""

from __future__ import annotations

from typing import Any

from tests.stage.kubectl import ROOT, Kubectl, documents, established

SHIPPED = "stanch-system"
CLUSTER_SCOPED = ("ClusterRole", "ClusterRoleBinding")


def install_types(kubectl: Kubectl) -> None:
    """CRDs and admission policies; once a cluster."""
    kubectl.apply(documents(ROOT / "crds"))
    established(kubectl, "crd", "-l", "app.kubernetes.io/part-of=stanch")
    kubectl.apply(documents(ROOT / "manifests" / "admission"))


def install_operator(kubectl: Kubectl, namespace: str = SHIPPED) -> None:
    """The operator's ServiceAccount and rights. In another namespace its cluster roles get a name of their own."""

    def move(document: dict[str, Any]) -> None:
        moved(document, SHIPPED, namespace)
        if document["kind"] in CLUSTER_SCOPED:
            document["metadata"]["name"] = role_of(namespace)
        if document["kind"] == "ClusterRoleBinding":
            document["roleRef"]["name"] = role_of(namespace)

    kubectl.apply(documents(ROOT / "manifests" / "operator", move))


def uninstall_operator(kubectl: Kubectl, namespace: str = SHIPPED) -> None:
    for kind in CLUSTER_SCOPED:
        kubectl("delete", kind, role_of(namespace), "--ignore-not-found")
    kubectl("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")


def role_of(namespace: str) -> str:
    """Of the operator's cluster role and its binding."""
    return "stanch-operator" if namespace == SHIPPED else f"stanch-operator-{namespace}"


def moved(document: dict[str, Any], old: str, new: str) -> None:
    """Renames a namespace wherever a document names it."""
    if document["kind"] == "Namespace" and document["metadata"]["name"] == old:
        document["metadata"]["name"] = new
    if document["metadata"].get("namespace") == old:
        document["metadata"]["namespace"] = new
    for subject in document.get("subjects", []):
        if subject.get("namespace") == old:
            subject["namespace"] = new

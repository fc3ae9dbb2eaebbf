"""Argo CD's and Flux' kinds, without their controllers: what stanch reads and writes of them is what a person declares.

Their CRDs are the projects' own (`tests/others/`).
"""

from __future__ import annotations

from typing import Any

from tests.stage.kubectl import Kubectl
from tests.stage.scene import Edit

Document = dict[str, Any]
# Group, version, plural.
KINDS = {
    "Application": ("argoproj.io", "v1alpha1", "applications"),
    "Kustomization": ("kustomize.toolkit.fluxcd.io", "v1", "kustomizations"),
    "HelmRelease": ("helm.toolkit.fluxcd.io", "v2", "helmreleases"),
}
# What each must say beside what a test is about.
FROM = {"kind": "GitRepository", "name": "shop"}
NEEDED: dict[str, Document] = {
    "Application": {
        "project": "default",
        "destination": {"namespace": "shop", "server": "https://kubernetes.default.svc"},
        "source": {"repoURL": "https://git.example.org/shop.git", "path": "."},
    },
    "Kustomization": {"interval": "10m", "prune": True, "sourceRef": FROM},
    "HelmRelease": {"interval": "10m", "chartRef": {"kind": "OCIRepository", "name": "shop"}},
}
NAME = "shop"
AUTOMATED = {"prune": True, "selfHeal": True}
# The frontend, as a target that has an owner.
OWNED = "owned"


def owner(kind: str, namespace: str, **spec: Any) -> Document:
    group, version, _ = KINDS[kind]
    metadata = {"name": NAME, "namespace": namespace}
    return {"apiVersion": f"{group}/{version}", "kind": kind, "metadata": metadata, "spec": {**NEEDED[kind], **spec}}


def tracked(kind: str, namespace: str, target: str) -> Document:
    """The metadata by which `target` (namespace/name of a Deployment) belongs to the owner of that kind in `namespace`."""
    if kind == "Application":
        return {"annotations": {"argocd.argoproj.io/tracking-id": f"{namespace}_{NAME}:apps/Deployment:{target}"}}
    group = KINDS[kind][0]
    return {"labels": {f"{group}/name": NAME, f"{group}/namespace": namespace}}


def belonging(kind: str, namespace: str, target: str) -> Edit:
    """Marks the Deployment so."""

    def marked(document: Document) -> None:
        if document["kind"] == "Deployment":
            for part, marks in tracked(kind, namespace, target).items():
                document["metadata"].setdefault(part, {}).update(marks)

    return marked


def labelled(kubectl: Kubectl, namespace: str) -> None:
    """Marks the frontend as the Application in `namespace` does where Argo CD tracks by label, written as Argo CD writes it."""
    mark = f"app.kubernetes.io/instance={namespace}_{NAME}"
    kubectl("label", "deployment/frontend", mark, "--field-manager=argocd-controller")


def owned_by(kind: str, namespace: str) -> Document:
    """The target, as a playbook names it with its owner."""
    said = {"kind": kind, "namespace": namespace, "name": NAME}
    return {"name": OWNED, "kind": "Deployment", "objectName": "frontend", "owner": said}

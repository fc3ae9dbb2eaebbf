"""Argo CD's and Flux' types, without their controllers: what stanch reads and writes of them is what a person declares.

As much of their schema as stanch has to do with; the API server cuts off what stands beside it in `syncPolicy`, as it would there.
"""

from __future__ import annotations

from typing import Any

from tests.stage.scene import Edit

Document = dict[str, Any]
ANY = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
FLAG = {"type": "boolean"}
AUTOMATED = {"type": "object", "properties": {"prune": FLAG, "selfHeal": FLAG, "enabled": FLAG}}
SYNC = {"type": "object", "properties": {"automated": AUTOMATED, "syncOptions": {"type": "array", "items": {"type": "string"}}}}
KINDS = {
    "Application": ("argoproj.io", "v1alpha1", "applications", {"syncPolicy": SYNC}),
    "Kustomization": ("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", {"suspend": FLAG}),
    "HelmRelease": ("helm.toolkit.fluxcd.io", "v2", "helmreleases", {"suspend": FLAG}),
}
NAME = "shop"
AUTOMATED = {"prune": True, "selfHeal": True}
# The frontend, as a target that has an owner.
OWNED = "owned"


def types() -> list[Document]:
    return [crd(kind, *said) for kind, said in KINDS.items()]


def crd(kind: str, group: str, version: str, plural: str, spec: Document) -> Document:
    """Argo CD writes the status with the rest; Flux has a subresource for it."""
    names = {"plural": plural, "singular": kind.lower(), "kind": kind}
    schema = {"type": "object", "properties": {"spec": {**ANY, "properties": spec}, "status": ANY, "operation": ANY}}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    if kind != "Application":
        served["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"}},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [served]},
    }  # fmt: skip


def owner(kind: str, namespace: str, **spec: Any) -> Document:
    group, version, _, _ = KINDS[kind]
    return {"apiVersion": f"{group}/{version}", "kind": kind, "metadata": {"name": NAME, "namespace": namespace}, "spec": spec}


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


def owned_by(kind: str, namespace: str) -> Document:
    """The target, as a playbook names it with its owner."""
    said = {"kind": kind, "namespace": namespace, "name": NAME}
    return {"name": OWNED, "kind": "Deployment", "objectName": "frontend", "owner": said}

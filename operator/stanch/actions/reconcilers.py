"""What keeps objects as Git says, and how it is told to stop: one field of its own object.

An Application without `automated` syncs by hand only, in every release of Argo CD (`enabled: false` is read from 3.1 on).
https://argo-cd.readthedocs.io/en/stable/user-guide/auto_sync/
https://fluxcd.io/flux/components/kustomize/kustomizations/#suspend and helm/helmreleases/#suspend
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from stanch.domain.plan import Ref
from stanch.engine.ports import Object


@dataclass(frozen=True)
class Reconciler:
    """A kind that reconciles others. `path`: the field that says whether it does; `suspended`: what stands there while it does
    not (None: nothing). `home`: its namespace where a mark names none."""

    api_version: str
    kind: str
    plural: str
    title: str
    home: str
    path: tuple[str, ...]
    suspended: Any

    @property
    def group(self) -> str:
        return self.api_version.partition("/")[0]

    @property
    def field(self) -> str:
        return ".".join(self.path)

    def ref(self, namespace: str, name: str) -> Ref:
        return Ref(self.api_version, self.kind, namespace or self.home, name)

    def value(self, owner: Object) -> Any:
        """What the field says; None where it is absent, or false, which is the same."""
        found: Any = owner
        for key in self.path:
            found = found.get(key) if isinstance(found, Mapping) else None
        return None if found is False else found

    def put(self, owner: Object, value: Any) -> None:
        """Into a copy, or a patch: there None takes the field away."""
        *parents, last = self.path
        for key in parents:
            owner[key] = owner.get(key) or {}
            owner = owner[key]
        owner[last] = value

    def active(self, owner: Object) -> bool:
        """Whether it reconciles by itself."""
        value = self.value(owner)
        if self.suspended is None:
            return value is not None and not (isinstance(value, Mapping) and value.get("enabled") is False)
        return value != self.suspended

    def busy(self, owner: Object) -> str:
        """What it is in the middle of, although it is suspended; empty: nothing. A retry that waits for its time begins no more."""
        status = owner.get("status") or {}
        operation = (status.get("operationState") or {}).get("phase") == "Running"
        if self.suspended is None:
            return "a sync under way" if operation or owner.get("operation") else ""
        for condition in status.get("conditions") or ():
            if (condition["type"], condition["status"], condition.get("reason")) == ("Reconciling", "True", "Progressing"):
                return "a reconciliation under way"
        return ""


APPLICATION = Reconciler(
    "argoproj.io/v1alpha1",
    "Application",
    "applications",
    "Argo CD Application",
    "argocd",
    ("spec", "syncPolicy", "automated"),
    None,
)
KUSTOMIZATION = Reconciler(
    "kustomize.toolkit.fluxcd.io/v1",
    "Kustomization",
    "kustomizations",
    "Flux Kustomization",
    "flux-system",
    ("spec", "suspend"),
    True,
)
HELM_RELEASE = Reconciler(
    "helm.toolkit.fluxcd.io/v2", "HelmRelease", "helmreleases", "Flux HelmRelease", "flux-system", ("spec", "suspend"), True
)
BY_KIND = MappingProxyType({kind.kind: kind for kind in (APPLICATION, KUSTOMIZATION, HELM_RELEASE)})


def title_of(ref: Ref) -> str:
    """`Argo CD Application argocd/shop`."""
    return f"{BY_KIND[ref.kind].title} {ref.namespace}/{ref.name}"


def cut_down(ref: Ref, owner: Object) -> Object:
    """No more of it than says whether it reconciles."""
    kind = BY_KIND[ref.kind]
    key = kind.path[1]
    spec = owner.get("spec") or {}
    kept = {key: spec[key]} if spec.get(key) is not None else {}
    metadata = {"name": ref.name, "namespace": ref.namespace}
    return {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata, "spec": kept}

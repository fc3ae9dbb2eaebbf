"""Never fight (design, invariant 7): who reconciles an object and would take our write back.

Found out before writing. Not being able to find out counts as owned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from stanch.actions import reconcilers
from stanch.actions.effects import annotations_of, labels_of
from stanch.actions.reconcilers import Reconciler
from stanch.domain.plan import Ref
from stanch.engine.errors import Refused
from stanch.engine.parts import Before
from stanch.engine.ports import Cluster, Object
from stanch.engine.workload import controller_of

ARGO_LABEL = "argocd.argoproj.io/instance"
ARGO_TRACKING = "argocd.argoproj.io/tracking-id"
# Argo CD's too, where it tracks by label, as it did by default before 3.0; but what Helm installs bears it as well.
INSTANCE = "app.kubernetes.io/instance"
# As whom Argo CD writes: the second before 2.5, and still where it does not apply. https://github.com/argoproj/argo-cd/issues/20815
ARGO_MANAGERS = frozenset({"argocd-controller", "argocd-application-controller"})
# Prefix of Flux's labels -> who writes them, and the annotation (key, value) that makes it leave the object alone.
# https://fluxcd.io/flux/components/kustomize/kustomizations/#controlling-the-apply-behavior-of-resources
# https://fluxcd.io/flux/components/helm/helmreleases/#drift-detection
FLUX: Mapping[str, tuple[Reconciler, tuple[str, str]]] = {
    "kustomize.toolkit.fluxcd.io": (reconcilers.KUSTOMIZATION, ("kustomize.toolkit.fluxcd.io/reconcile", "disabled")),
    "helm.toolkit.fluxcd.io": (reconcilers.HELM_RELEASE, ("helm.toolkit.fluxcd.io/driftDetection", "disabled")),
}


def owners_of(target: Object) -> tuple[Ref, ...]:
    """Who reconciles the object, as its marks say; mostly nobody."""
    application = argo_application(target)
    return (*([application] if application else ()), *(ref for ref, _ in flux_owners(target)))


async def read_owner(cluster: Cluster, target: Object) -> tuple[Object, ...]:
    """Who reconciles the target, each cut down to what says whether it does; () where nobody does.

    One that could not be read is not there either: `guard_owner` then takes it for active. Raises `Retryable` only.
    """
    found = []
    for ref in owners_of(target):
        try:
            found.append(reconcilers.cut_down(ref, await cluster.get(ref)))
        except Refused:
            continue
    return tuple(found)


def as_suspended(before: Before) -> Before:
    """What will be there once those who reconcile the target are suspended."""
    return replace(before, related=tuple(_suspended(item) for item in before.related))


def _suspended(item: Object) -> Object:
    kind = reconcilers.BY_KIND.get(item.get("kind", ""))
    if kind is None:
        return item
    copy = deepcopy(item)
    kind.put(copy, kind.suspended)
    return copy


def guard_owner(before: Before) -> str:
    """Raises `Refused` (OwnedByReconciler) when something would take a write to the target back.

    Otherwise what is to be said about owners, for `Change.why`; mostly nothing. Helm and kubectl are normal.
    """
    target = before.target
    name = f"{target['kind']} {target['metadata']['name']}"
    if owner := controller_of(target):
        raise _owned(
            f"{name} is controlled by {owner['kind']} {owner['name']}, which would take the change back; change the "
            f"{owner['kind']} instead, or name it as the target"
        )
    flux = [_guard_flux(before, name, ref, off) for ref, off in flux_owners(target)]
    return "; ".join(filter(None, [*flux, _guard_argo(before, name)]))


def flux_owners(target: Object) -> Iterator[tuple[Ref, tuple[str, str]]]:
    """Each with the annotation that would make it leave the object alone."""
    labels = labels_of(target)
    for prefix, (kind, (key, value)) in FLUX.items():
        name = labels.get(f"{prefix}/name", "")
        if name and annotations_of(target).get(key) != value:
            yield kind.ref(labels.get(f"{prefix}/namespace", ""), name), (key, value)


def _guard_flux(before: Before, name: str, ref: Ref, off: tuple[str, str]) -> str:
    owner, kind = read(before, ref), reconcilers.BY_KIND[ref.kind]
    if owner is not None and not kind.active(owner):
        return f"{reconcilers.title_of(ref)} is suspended"
    metadata, unread = before.target["metadata"], "" if owner is not None else ", which could not be read, so it counts as active"
    raise _owned(
        f"{name} is reconciled by {reconcilers.title_of(ref)}{unread}; to let stanch change it: kubectl -n "
        f"{metadata['namespace']} annotate {before.target['kind'].lower()} {metadata['name']} {'='.join(off)}, and take that off "
        f"afterwards; or {SUSPEND}"
    )


def _guard_argo(before: Before, name: str) -> str:
    ref = argo_application(before.target)
    if ref is None:
        return ""
    owner = reconcilers.title_of(ref)
    application = read(before, ref)
    if application is None:
        raise _owned(
            f"{name} belongs to {owner}, which could not be read, so it counts as syncing by itself; let the "
            f"playbook's ServiceAccount get applications.argoproj.io {ref.name} in namespace {ref.namespace}, or revert "
            "in Git"
        )
    if not reconcilers.APPLICATION.active(application):
        return f"{owner} does not sync by itself"
    raise _owned(
        f"{name} is synced by {owner}, which would take the change back; turn automated sync off "
        f"(argocd app set {ref.name} --sync-policy none), or revert in Git, or {SUSPEND}"
    )


SUSPEND = "let the step say onOwnerConflict: SuspendOwner"


def read(before: Before, ref: Ref) -> Object | None:
    """The owner as `read_owner` has read it; None: it could not be read."""
    wanted = (ref.kind, ref.namespace, ref.name)
    return next((item for item in before.related if _named(item) == wanted), None)


def _named(item: Object) -> tuple[str, str, str]:
    metadata = item.get("metadata", {})
    return item.get("kind", ""), metadata.get("namespace", ""), metadata.get("name", "")


def argo_application(target: Object) -> Ref | None:
    """The Application that tracks the object: `app` in namespace argocd, or `namespace_app`.

    https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/ and operator-manual/app-any-namespace/
    """
    labels, tracked = labels_of(target), annotations_of(target).get(ARGO_TRACKING, "").partition(":")[0]
    shared = labels.get(INSTANCE, "") if written_by_argo(target) else ""
    instance = tracked or labels.get(ARGO_LABEL, "") or shared
    if not instance:
        return None
    namespace, _, name = instance.rpartition("_")
    return reconcilers.APPLICATION.ref(namespace, name)


def written_by_argo(target: Object) -> bool:
    """Into an Application, whosever it is, Argo CD writes its state: there it must be the label that it wrote."""
    path = ("metadata", "labels", INSTANCE) if target["kind"] == reconcilers.APPLICATION.kind else ()
    entries = target["metadata"].get("managedFields") or ()
    return any(entry.get("manager") in ARGO_MANAGERS and holds(entry, path) for entry in entries)


def holds(entry: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Whether the field is among an entry's of `managedFields`."""
    fields: Any = entry.get("fieldsV1") or {}
    for key in path:
        fields = fields.get(f"f:{key}") if isinstance(fields, Mapping) else None
    return fields is not None


def _owned(message: str) -> Refused:
    return Refused("OwnedByReconciler", message)

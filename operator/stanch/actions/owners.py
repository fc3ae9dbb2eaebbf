"""Never fight (design, invariant 7): who reconciles an object and would take our write back, or scales it under us.

Found out before writing. Not being able to find out counts as owned.
"""

from __future__ import annotations

from collections.abc import Mapping

from stanch.actions.effects import annotations_of, labels_of
from stanch.domain.plan import Ref
from stanch.engine.errors import Refused
from stanch.engine.parts import Before
from stanch.engine.ports import Cluster, Object
from stanch.engine.workload import controller_of

ARGO_LABEL = "argocd.argoproj.io/instance"
ARGO_TRACKING = "argocd.argoproj.io/tracking-id"
ARGO_NAMESPACE = "argocd"
# Label of Flux -> annotation (key, value) that makes it leave the object alone.
# https://fluxcd.io/flux/components/kustomize/kustomizations/#controlling-the-apply-behavior-of-resources
# https://fluxcd.io/flux/components/helm/helmreleases/#drift-detection
FLUX: Mapping[str, tuple[str, str]] = {
    "kustomize.toolkit.fluxcd.io/name": ("kustomize.toolkit.fluxcd.io/reconcile", "disabled"),
    "helm.toolkit.fluxcd.io/name": ("helm.toolkit.fluxcd.io/driftDetection", "disabled"),
}


async def read_owner(cluster: Cluster, target: Object) -> tuple[Object, ...]:
    """What tells about the owner: the Argo CD Application, cut down to its sync policy; () where there is none.

    One that could not be read is not there either: `guard_owner` then takes it for syncing. Raises `Retryable` only.
    """
    ref = argo_application(target)
    if ref is None:
        return ()
    try:
        application = await cluster.get(ref)
    except Refused:
        return ()
    policy = application.get("spec", {}).get("syncPolicy") or {}
    metadata = {"name": ref.name, "namespace": ref.namespace}
    return ({"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata, "spec": {"syncPolicy": policy}},)


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
    _guard_flux(target, name)
    return _guard_argo(before, name)


def _guard_flux(target: Object, name: str) -> None:
    metadata = target["metadata"]
    for label, (key, value) in FLUX.items():
        if label not in labels_of(target) or annotations_of(target).get(key) == value:
            continue
        raise _owned(
            f"{name} is reconciled by Flux ({label}={labels_of(target)[label]}); to let stanch change it: kubectl "
            f"-n {metadata['namespace']} annotate {target['kind'].lower()} {metadata['name']} {key}={value}, and take "
            "that off afterwards"
        )


def _guard_argo(before: Before, name: str) -> str:
    ref = argo_application(before.target)
    if ref is None:
        return ""
    owner = f"Argo CD Application {ref.namespace}/{ref.name}"
    application = next((item for item in before.related if item["kind"] == "Application"), None)
    if application is None:
        raise _owned(
            f"{name} belongs to {owner}, which could not be read, so it counts as syncing by itself; let the "
            f"playbook's ServiceAccount get applications.argoproj.io {ref.name} in namespace {ref.namespace}, or revert "
            "in Git"
        )
    automated = application["spec"]["syncPolicy"].get("automated")
    if automated is None or automated.get("enabled") is False:
        return f"{owner} does not sync by itself"
    raise _owned(
        f"{name} is synced by {owner}, which would take the change back; turn automated sync off "
        f"(argocd app set {ref.name} --sync-policy none) or revert in Git"
    )


def argo_application(target: Object) -> Ref | None:
    """The Application that tracks the object: `app` in namespace argocd, or `namespace_app`.

    https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/ and operator-manual/app-any-namespace/
    """
    tracked = annotations_of(target).get(ARGO_TRACKING, "").partition(":")[0]
    instance = tracked or labels_of(target).get(ARGO_LABEL, "")
    if not instance:
        return None
    namespace, _, name = instance.rpartition("_")
    return Ref("argoproj.io/v1alpha1", "Application", namespace or ARGO_NAMESPACE, name)


def _owned(message: str) -> Refused:
    return Refused("OwnedByReconciler", message)

"""Who scales a workload beside us: HorizontalPodAutoscalers, and KEDA behind them (design, invariant 7).

Not being allowed to read them counts as being scaled by one.
"""

from __future__ import annotations

from stanch.actions.effects import title_of
from stanch.actions.rollouts import sentences
from stanch.domain.access import Rule
from stanch.engine.errors import Refused
from stanch.engine.parts import Before
from stanch.engine.ports import Cluster, Object
from stanch.engine.workload import controller_of

API = "autoscaling/v2"
KIND = "HorizontalPodAutoscaler"
LIST = "HorizontalPodAutoscalerList"
RULE = Rule(
    ("list",), "autoscaling", "horizontalpodautoscalers", why="whether an autoscaler scales it; RBAC cannot narrow a list to names"
)
# https://keda.sh/docs/latest/concepts/scaling-deployments/#pausing-autoscaling
KEDA = "ScaledObject"
KEDA_PAUSE = "autoscaling.keda.sh/paused=true"


async def read_autoscalers(cluster: Cluster, target: Object) -> tuple[Object, ...]:
    """One list of those that scale `target`; () where they could not be read. Raises `Retryable` only."""
    listed = cluster.list(API, KIND, target["metadata"]["namespace"])
    try:
        found = [_cut_down(item) async for item in listed if scales(item, target)]
    except Refused:
        return ()
    return ({"apiVersion": API, "kind": LIST, "items": found},)


def scales(autoscaler: Object, target: Object) -> bool:
    """By kind and name, and by group: versions of one group name the same object."""
    named = autoscaler["spec"]["scaleTargetRef"]
    group = named.get("apiVersion", "").rpartition("/")[0]
    wanted = (target["kind"], target["metadata"]["name"], target["apiVersion"].rpartition("/")[0])
    return (named["kind"], named["name"], group) == wanted


def _cut_down(autoscaler: Object) -> Object:
    metadata = {key: autoscaler["metadata"][key] for key in ("name", "ownerReferences") if key in autoscaler["metadata"]}
    return {
        "kind": KIND,
        "metadata": metadata,
        "spec": {key: autoscaler["spec"].get(key) for key in ("minReplicas", "maxReplicas")},
    }


def guard_autoscalers(before: Before, replicas: int) -> str:
    """Raises `Refused` (OwnedByReconciler) where an autoscaler would not leave the target at `replicas`.

    Otherwise what is to be said about autoscalers; mostly nothing.
    """
    listed = next((item for item in before.related if item["kind"] == LIST), None)
    if listed is None:
        raise _owned(
            before,
            f"may be scaled by a {KIND}: they could not be read; let the playbook's ServiceAccount list "
            f"horizontalpodautoscalers.autoscaling in namespace {before.target['metadata']['namespace']}",
        )
    return sentences(*(_guard(before, item, replicas) for item in listed["items"]))


def _guard(before: Before, autoscaler: Object, replicas: int) -> str:
    """At zero replicas an autoscaler that may not go that low rests until somebody else scales up again.

    https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#implicit-maintenance-mode-deactivation
    """
    owner, name = controller_of(autoscaler), f"{KIND} {autoscaler['metadata']['name']}"
    least, most = autoscaler["spec"]["minReplicas"], autoscaler["spec"]["maxReplicas"]
    if owner and owner["kind"] == KEDA:
        raise _owned(before, f"is scaled by KEDA's {KEDA} {owner['name']} ({name}); pause it first (annotation {KEDA_PAUSE})")
    if replicas == 0 and least != 0 and not owner:
        return f"{name} rests while replicas is 0, and scales again once it is not"
    by = f" (of {owner['kind']} {owner['name']})" if owner else ""
    rests = "rests at 0 replicas and, once woken, " if before.target["spec"].get("replicas") == 0 else ""
    keeps = f"keeps it at {most} replicas" if least == most else f"keeps it between {least} and {most} replicas"
    raise _owned(before, f"is scaled by {name}{by}, which {rests}{keeps}; change minReplicas and maxReplicas there")


def _owned(before: Before, why: str) -> Refused:
    return Refused("OwnedByReconciler", f"{title_of(before.target)} {why}")

"""How many pods each revision of a StatefulSet or DaemonSet still has, and how many of them are ready.

ReplicaSets say it in their status. ControllerRevisions have none: the same three fields are counted from pods here.
"""

from __future__ import annotations

from collections import Counter

from stanch.actions.effects import labels_of
from stanch.engine.ports import Cluster, Object
from stanch.engine.workload import pods_of

# On the pods of both kinds: a StatefulSet's hold the revision's name, a DaemonSet's its hash.
POD_REVISION = "controller-revision-hash"


async def count_pods(cluster: Cluster, target: Object, revisions: tuple[Object, ...]) -> tuple[Object, ...]:
    """`revisions`, ControllerRevisions with a status: replicas, readyReplicas, availableReplicas.

    Raises what `cluster.list` raises.
    """
    if target["kind"] == "Deployment":
        return revisions
    total: Counter[str] = Counter()
    ready: Counter[str] = Counter()
    async for pod in pods_of(cluster, target):
        if "deletionTimestamp" not in pod["metadata"]:
            revision = labels_of(pod).get(POD_REVISION, "")
            total[revision] += 1
            ready[revision] += is_ready(pod)
    marks = [_mark(target, item) for item in revisions]
    return tuple(_counted(item, total[mark], ready[mark]) for item, mark in zip(revisions, marks, strict=True))


def _mark(target: Object, revision: Object) -> str:
    by_name = target["kind"] == "StatefulSet"
    return revision["metadata"]["name"] if by_name else labels_of(revision).get(POD_REVISION, "-")


def _counted(revision: Object, total: int, ready: int) -> Object:
    return {**revision, "status": {"replicas": total, "readyReplicas": ready, "availableReplicas": ready}}


def is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)

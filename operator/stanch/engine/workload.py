"""How a workload hangs together: its pods, its revisions, and what a revision's pod template says.

Shared by actions (which go back to a revision) and evidence (which shows them). Reads through the `Cluster` port only.
Objects are raw JSON, as the API server sends them.

- Deployment: its ReplicaSets are its revisions, numbered by annotation `deployment.kubernetes.io/revision`; pods belong
  to the ReplicaSets.
- StatefulSet, DaemonSet: their ControllerRevisions are their revisions, numbered by `.revision`; the set owns its pods.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any

from stanch.engine.errors import Refused, Retryable
from stanch.engine.ports import Cluster, Object

REVISION = "deployment.kubernetes.io/revision"
HASH_LABEL = "pod-template-hash"
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
RESTARTED_BY = "stanch.dev/restarted-by"
# Set on a pod template to make new pods of the same release: two templates that differ in them only are one release.
RESTART_MARKS = frozenset({RESTARTED_BY, "kubectl.kubernetes.io/restartedAt"})

MAX_REVISIONS = 200
_REVISION_KINDS = {"Deployment": "ReplicaSet", "StatefulSet": "ControllerRevision", "DaemonSet": "ControllerRevision"}
_OPERATORS = {
    "In": "{key} in ({values})",
    "NotIn": "{key} notin ({values})",
    "Exists": "{key}",
    "DoesNotExist": "!{key}",
}


async def pods_of(cluster: Cluster, workload: Object) -> AsyncIterator[Object]:
    """The pods that belong to `workload` by controlling ownership, not merely by label; a Pod belongs to itself.

    Kinds without a pod selector (a ConfigMap) have none. Unbounded: stop iterating when you have enough.
    Raises what `cluster.list` raises, and `Refused` where `revisions_of` does.
    """
    if workload["kind"] == "Pod":
        yield workload
        return
    selector = selector_of(workload)
    if not selector:
        return
    owners = {workload["metadata"]["uid"]}
    if workload["kind"] == "Deployment":
        owners = {item["metadata"]["uid"] for item in await revisions_of(cluster, workload)}
    async for pod in cluster.list("v1", "Pod", workload["metadata"]["namespace"], labels=selector):
        if controller_uid(pod) in owners:
            yield pod


async def ready_pod(cluster: Cluster, workload: Object) -> Object:
    """The pod of `workload` in which a command is run (`choose_ready`).

    Raises `Retryable` (NoReadyPod) where none is ready, and what `pods_of` raises.
    """
    found = choose_ready([pod async for pod in pods_of(cluster, workload)])
    if found is None:
        name = f"{workload['kind'].lower()}/{workload['metadata']['name']}"
        raise Retryable("NoReadyPod", f"{name} has no ready pod to run a command in; expected one that is Running and Ready")
    return found


def choose_ready(pods: Iterable[Object]) -> Object | None:
    """The oldest pod that is Running, Ready and not being deleted; by name among those of one second. The oldest has proven
    itself longest, and is the same one each time. None: there is none. Pure."""
    ready = [pod for pod in pods if is_ready(pod)]
    return min(ready, key=lambda pod: (created_at(pod), pod["metadata"]["name"]), default=None)


def is_ready(pod: Object) -> bool:
    status = pod.get("status") or {}
    conditions = {item["type"]: item["status"] for item in status.get("conditions") or ()}
    gone = "deletionTimestamp" in pod["metadata"]
    return not gone and status.get("phase") == "Running" and conditions.get("Ready") == "True"


def default_container(pod: Object) -> str:
    """The container that kubectl takes where none is named: the annotated one, else the first.

    https://kubernetes.io/docs/reference/labels-annotations-taints/#kubectl-kubernetes-io-default-container
    """
    names = [container["name"] for container in pod["spec"]["containers"]]
    marked = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER)
    return marked if marked in names else names[0]


async def revisions_of(cluster: Cluster, workload: Object) -> tuple[Object, ...]:
    """ReplicaSets or ControllerRevisions that `workload` controls, newest first; () for a kind without revisions.

    Raises `Refused` (TooManyRevisions) beyond MAX_REVISIONS, and what `cluster.list` raises.
    """
    kind = _REVISION_KINDS.get(workload["kind"])
    if kind is None:
        return ()
    metadata = workload["metadata"]
    found: list[Object] = []
    async for item in cluster.list("apps/v1", kind, metadata["namespace"], labels=selector_of(workload)):
        if controller_uid(item) != metadata["uid"]:
            continue
        if len(found) == MAX_REVISIONS:
            raise Refused(
                "TooManyRevisions",
                f"{workload['kind']} {metadata['name']} has more than {MAX_REVISIONS} revisions; "
                "lower its spec.revisionHistoryLimit",
            )
        found.append(item)
    return tuple(sorted(found, key=revision_number, reverse=True))


def revision_number(revision: Object) -> int:
    """Its number; 0 where the Deployment's controller has not numbered it yet."""
    if revision["kind"] == "ControllerRevision":
        return int(revision["revision"])
    number = (revision["metadata"].get("annotations") or {}).get(REVISION, "")
    return int(number) if number.isdecimal() else 0


def created_at(obj: Object) -> datetime:
    return datetime.fromisoformat(obj["metadata"]["creationTimestamp"])


def template_of(obj: Object) -> Object:
    """The pod template of a workload or of one of its revisions, without what controllers add to it. A copy."""
    spec = obj["data"]["spec"] if obj["kind"] == "ControllerRevision" else obj["spec"]
    template: Object = without_nulls(spec["template"])
    template.pop("$patch", None)
    _drop(template.setdefault("metadata", {}), "labels", {HASH_LABEL})
    return template


def release_of(obj: Object) -> Object:
    """`template_of` without restart marks: equal for two revisions that run the same release."""
    template = template_of(obj)
    _drop(template["metadata"], "annotations", RESTART_MARKS)
    return template


def current_revision(workload: Object, revisions: tuple[Object, ...]) -> Object | None:
    """The newest revision whose template is the workload's own; None while the controller has not made it yet."""
    template = template_of(workload)
    return next((item for item in revisions if template_of(item) == template), None)


def controller_of(obj: Object) -> Mapping[str, Any] | None:
    """The owner reference that controls `obj`."""
    return next((ref for ref in obj["metadata"].get("ownerReferences") or () if ref.get("controller")), None)


def controller_uid(obj: Object) -> str:
    owner = controller_of(obj)
    return owner["uid"] if owner else ""


def selector_of(workload: Object) -> str:
    """`spec.selector` in the API's query form; empty where there is none.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#list-and-watch-filtering
    """
    selector = workload.get("spec", {}).get("selector") or {}
    if not isinstance(selector, dict):
        return ""
    equal = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    return ",".join(equal + [_expression(item) for item in selector.get("matchExpressions") or ()])


def _expression(item: Mapping[str, Any]) -> str:
    return _OPERATORS[item["operator"]].format(key=item["key"], values=",".join(item.get("values") or ()))


def without_nulls(value: Any) -> Any:
    """A copy. To the API server a null field is an absent one; ControllerRevisions hold `creationTimestamp: null`."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def _drop(metadata: Object, field: str, keys: frozenset[str] | set[str]) -> None:
    """Takes keys out of labels or annotations; an empty map and an absent one are the same to the API server."""
    left = {key: value for key, value in (metadata.pop(field, None) or {}).items() if key not in keys}
    if left:
        metadata[field] = left

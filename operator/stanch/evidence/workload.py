"""What several sources read of the targets: themselves, their pods and revisions, and what pods refer to.

How pods and revisions belong to a workload is in `engine.workload`; here they are read for a capture, and what cannot
be read is said.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.engine.parts import Scope
from stanch.engine.ports import Object
from stanch.engine.workload import pods_of, revisions_of, selector_of, template_of
from stanch.evidence.reading import Listing, read

MAX_PODS = 5000
# Kinds whose pods are found by ownership, with their resource names; other kinds that select pods are unknown here.
RESOURCES = {
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "ReplicaSet": "replicasets",
    "Job": "jobs",
    "Pod": "pods",
}
ROLLED_OUT = {"Deployment": "replicasets", "StatefulSet": "controllerrevisions", "DaemonSet": "controllerrevisions"}
CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
BY_OWNER = "found by owner, which RBAC cannot express"


def ref_of(obj: Object) -> Ref:
    metadata = obj["metadata"]
    return Ref(obj["apiVersion"], obj["kind"], metadata.get("namespace", ""), metadata["name"], metadata.get("uid", ""))


async def targets(scope: Scope, source: str) -> AsyncIterator[Object]:
    """The targets, each read now; a target that cannot be read is missing."""
    for ref in scope.targets:
        found = await read(scope, f"{source}: {ref}", f"get on {resource_of(ref)}", lambda ref=ref: scope.cluster.get(ref))
        if found is not None:
            yield found


async def pods(scope: Scope, source: str, selector: str) -> AsyncIterator[Object]:
    """All pods of all targets, and those that `selector` finds, each once, one at a time in memory."""
    seen: set[str] = set()
    async for workload in targets(scope, source):
        async for pod in pods_once(scope, source, workload, seen):
            yield pod
    async for pod in selected(scope, source, selector, seen):
        yield pod


async def selected(scope: Scope, source: str, selector: str, seen: set[str]) -> AsyncIterator[Object]:
    """The pods of the namespace that `selector` finds and that are not in `seen` yet; none for an empty one."""
    if not selector:
        return
    what = f"{source}: pods with {selector}"
    by_label = Listing(
        scope, what, "list on pods", lambda: scope.cluster.list("v1", "Pod", scope.namespace, labels=selector), MAX_PODS
    )
    async for pod in by_label:
        if _first(pod, seen):
            yield pod


async def pods_once(scope: Scope, source: str, workload: Object, seen: set[str]) -> AsyncIterator[Object]:
    """The pods of one workload whose UIDs are not in `seen` yet."""
    what = f"{source}: pods of {ref_of(workload)}"
    if workload["kind"] not in RESOURCES:
        _say_foreign(scope, what, workload)
        return
    listed = Listing(
        scope,
        what,
        "list on pods (and on replicasets for a Deployment)",
        lambda: pods_of(scope.cluster, workload),
        MAX_PODS,
    )
    async for pod in listed:
        if _first(pod, seen):
            yield pod
    if listed.count == 0 and not listed.failure:
        scope.ledger.notes.append(f"{what}: there are none")


async def revisions(scope: Scope, source: str, workload: Object) -> tuple[Object, ...] | None:
    """Its ReplicaSets or ControllerRevisions, newest first; None when they cannot be read (recorded as missing)."""
    if workload["kind"] not in ROLLED_OUT:
        return ()
    what = f"{source}: revisions of {ref_of(workload)}"
    needs = f"list on {ROLLED_OUT[workload['kind']]}"
    return await read(scope, what, needs, lambda: revisions_of(scope.cluster, workload))


def without_managed_fields(obj: Object) -> Object:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": metadata}


def pod_spec_of(obj: Object) -> Object | None:
    """The spec of a pod, or of the pods that a workload makes; None for a kind that makes none."""
    if obj["kind"] == "Pod":
        return obj["spec"]
    return template_of(obj).get("spec") if obj["kind"] in RESOURCES else None


def containers_of(spec: Object) -> Iterator[Object]:
    for group in CONTAINERS:
        yield from spec.get(group) or ()


def config_maps_of(spec: Object) -> set[str]:
    """Names of the ConfigMaps that a pod spec mounts or takes environment variables from."""
    volumes = (_named(source.get("configMap"), "name") for source in _volume_sources(spec))
    return {name for name in (*volumes, *_environment(spec, "configMapRef", "configMapKeyRef")) if name}


def secrets_of(spec: Object) -> set[str]:
    """Names of the Secrets that a pod spec mounts, takes environment variables from, or pulls images with."""
    volumes = (
        _named(source.get("secret"), "secretName") or _named(source.get("secret"), "name") for source in _volume_sources(spec)
    )
    pulls = (_named(item, "name") for item in spec.get("imagePullSecrets") or ())
    return {name for name in (*volumes, *pulls, *_environment(spec, "secretRef", "secretKeyRef")) if name}


def target_rules(refs: tuple[Ref, ...]) -> tuple[Rule, ...]:
    return tuple(Rule(("get",), group_of(ref), resource_of(ref), (ref.name,)) for ref in refs)


def revision_rules(refs: tuple[Ref, ...]) -> tuple[Rule, ...]:
    needed = sorted({ROLLED_OUT[ref.kind] for ref in refs if ref.kind in ROLLED_OUT})
    return tuple(Rule(("list",), "apps", resource, why=f"revisions are {BY_OWNER}") for resource in needed)


def pod_rules(refs: tuple[Ref, ...]) -> tuple[Rule, ...]:
    """What `pods` needs."""
    replica_sets = tuple(ref for ref in refs if ref.kind == "Deployment")
    return (
        *target_rules(refs),
        *revision_rules(replica_sets),
        Rule(("get", "list"), "", "pods", why=f"pods are {BY_OWNER}"),
    )


def group_of(ref: Ref) -> str:
    group, slash, _ = ref.api_version.partition("/")
    return group if slash else ""


def resource_of(ref: Ref) -> str:
    """The resource name; for kinds that this module does not know, the plural that the API's own kinds have."""
    name = ref.kind.lower()
    plural = name if name.endswith("endpoints") else f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
    return RESOURCES.get(ref.kind, f"{name}es" if name.endswith(("s", "class")) else plural)


def _first(pod: Object, seen: set[str]) -> bool:
    uid = pod["metadata"]["uid"]
    return uid not in seen and not seen.add(uid)


def _say_foreign(scope: Scope, what: str, workload: Object) -> None:
    """A kind that selects pods in a way unknown to us has pods that we do not get: missing. The others have none."""
    if selector_of(workload):
        scope.ledger.missing.append(f"{what}: how {workload['kind']} owns its pods is unknown; name them with `selector`")
    else:
        scope.ledger.notes.append(f"{what}: a {workload['kind']} has no pods of its own")


def _volume_sources(spec: Object) -> Iterator[Object]:
    for volume in spec.get("volumes") or ():
        yield volume
        yield from (volume.get("projected") or {}).get("sources") or ()


def _environment(spec: Object, whole: str, single: str) -> Iterator[str]:
    for container in containers_of(spec):
        yield from (_named(item.get(whole), "name") for item in container.get("envFrom") or ())
        yield from (_named((item.get("valueFrom") or {}).get(single), "name") for item in container.get("env") or ())


def _named(source: Any, key: str) -> str:
    return (source or {}).get(key) or ""

"""Workloads and their revisions as the API server shows them, for the tests of actions and checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stanch.engine.parts import Before
from stanch.engine.ports import Object
from tests.unit.memory import MemoryServer

LABELS = {"app": "web"}
UIDS = {"Deployment": "uid-web", "StatefulSet": "uid-db", "DaemonSet": "uid-agent"}
START = "2026-11-21T{:02}:{:02}:00Z"


def minute(count: int) -> str:
    """Time of creation, `count` minutes after midnight."""
    return START.format(*divmod(count, 60))


def template(image: str, **annotations: str) -> Object:
    metadata: Object = {"labels": dict(LABELS)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"metadata": metadata, "spec": {"containers": [{"name": "app", "image": image}]}}


def workload(kind: str, pods: Object, *, annotations: Mapping[str, str] | None = None, **spec: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": UIDS[kind],
            "generation": 4,
            "resourceVersion": "100",
            "annotations": {"team": "shop", **(annotations or {})},
        },
        "spec": {"replicas": 4, "selector": {"matchLabels": dict(LABELS)}, "template": pods, **spec},
        "status": {"observedGeneration": 4},
    }


def deployment(pods: Object, **more: Any) -> Object:
    return workload("Deployment", pods, **more)


def replica_set(number: int, pods: Object, *, at: int = 0, was: str = "", status: Any = None, **annotations: str) -> Object:
    """`at`: minutes after midnight; `was`: the numbers that it bore before."""
    hashed = {**pods, "metadata": {**pods["metadata"], "labels": {**LABELS, "pod-template-hash": f"h{at}"}}}
    numbers = {"deployment.kubernetes.io/revision": str(number)}
    if was:
        numbers["deployment.kubernetes.io/revision-history"] = was
    metadata = {**_owned("Deployment", at), "name": f"web-h{at}", "annotations": {**numbers, **annotations}}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": metadata,
        "spec": {"template": hashed},
        "status": status or {"replicas": 0},
    }


def controller_revision(owner: str, number: int, pods: Object, *, at: int = 0) -> Object:
    patched = {**pods, "metadata": {"creationTimestamp": None, **pods["metadata"]}, "$patch": "replace"}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {**_owned(owner, at), "name": f"web-h{at}"},
        "revision": number,
        "data": {"spec": {"template": patched}},
    }


def _owned(owner: str, at: int) -> Object:
    labels = {**LABELS, "controller-revision-hash": f"h{at}"} if owner == "DaemonSet" else dict(LABELS)
    reference = {"apiVersion": "apps/v1", "kind": owner, "name": "web", "uid": UIDS[owner], "controller": True}
    return {
        "namespace": "shop",
        "uid": f"uid-{owner}-{at}",
        "labels": labels,
        "creationTimestamp": minute(at),
        "ownerReferences": [reference],
    }


def pod(owner: Object, name: str, revision: str, *, ready: bool, **metadata: Any) -> Object:
    reference = {"apiVersion": "apps/v1", "kind": owner["kind"], "name": "web", "controller": True}
    labels = {**LABELS, "controller-revision-hash": revision}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": labels,
            "ownerReferences": [{**reference, "uid": owner["metadata"]["uid"]}],
            **metadata,
        },
        "spec": {"containers": [{"name": "app", "image": "web:v1"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


def before(target: Object, *related: Object) -> Before:
    return Before(target, related)


def server_with(*objects: Object) -> MemoryServer:
    server = MemoryServer()
    for item in objects:
        server.add(item)
    return server


def config_map(data: Mapping[str, str], **more: Any) -> Object:
    metadata = {"name": "flags", "namespace": "shop", "uid": "uid-flags", "resourceVersion": "100", "annotations": {"team": "shop"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data), **more}


def autoscalers(*found: Object) -> Object:
    """What `scale` reads of the autoscalers of its target."""
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscalerList", "items": list(found)}


def autoscaler(least: int, most: int, *, name: str = "web", owner: Mapping[str, Any] | None = None, **of: str) -> Object:
    """An HorizontalPodAutoscaler; `of`: kind, name and apiVersion of what it scales, where not Deployment web."""
    metadata: Object = {"name": name, "namespace": "shop"}
    if owner:
        metadata["ownerReferences"] = [{"controller": True, **owner}]
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", **of}
    spec = {"scaleTargetRef": scaled, "minReplicas": least, "maxReplicas": most}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec}

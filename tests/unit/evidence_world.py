"""A shop in memory for the tests of evidence: a Deployment with two revisions, pods, configuration, events; and a pack."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from stanch.domain.plan import Pin, Ref, Source, Target
from stanch.domain.timeline import File
from stanch.engine.errors import Failure
from stanch.engine.parts import Ledger, Scope
from stanch.engine.paths import check_path
from stanch.engine.ports import Cluster, Object
from stanch.evidence.capture import CaptureResult, Place, capture, planned
from stanch.evidence.registry import SOURCES
from tests.unit.memory import Kind, MemoryClusters, MemoryServer

AT = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
STAMP = "20261121T080000Z"
NAMESPACE = "shop"
LABELS = {"app": "web"}


def before(minutes: float) -> str:
    return f"{AT - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"


def meta(name: str, *, minutes: float = 60, owner: Object | None = None, **more: Any) -> Object:
    metadata = {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}", "creationTimestamp": before(minutes), **more}
    if owner is not None:
        reference = {"kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
        metadata["ownerReferences"] = [{"apiVersion": owner["apiVersion"], **reference, "controller": True}]
    return metadata


def pod_spec(image: str = "shop/web:v2", **more: Any) -> Object:
    variables = [
        {"name": "GREETING", "value": "hello"},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "web-secret", "key": "password"}}},
        {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "web-env", "key": "mode"}}},
    ]
    probe = {"httpGet": {"path": "/ready", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 5}
    app = {"name": "app", "image": image, "env": variables, "readinessProbe": probe}
    mounts = [{"name": "config", "mountPath": "/etc/web", "readOnly": True}]
    volumes = [{"name": "config", "configMap": {"name": "web-config"}}, {"name": "tls", "secret": {"secretName": "web-tls"}}]
    first = {"name": "migrate", "image": "shop/migrate:v1", "command": ["sh", "-c", "migrate up"]}
    return {"initContainers": [first], "containers": [{**app, "volumeMounts": mounts}], "volumes": volumes, **more}


def template(image: str = "shop/web:v2", **annotations: str) -> Object:
    metadata: Object = {"labels": dict(LABELS)}
    return {"metadata": metadata | ({"annotations": annotations} if annotations else {}), "spec": pod_spec(image)}


def managed(manager: str, minutes: float, fields: Mapping[str, Any], operation: str = "Update") -> Object:
    return {"manager": manager, "operation": operation, "time": before(minutes), "fieldsV1": fields}


IMAGE_FIELD = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"app"}': {".": {}, "f:image": {}}}}}}}


def deployment(name: str = "web", image: str = "shop/web:v2", **metadata: Any) -> Object:
    spec = {"replicas": 2, "selector": {"matchLabels": LABELS}, "template": template(image)}
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}}
    status = {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "unavailableReplicas": 2}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta(name, minutes=6000, generation=3, **metadata),
        "spec": {**spec, "strategy": strategy},
        "status": status,
    }


def replica_set(owner: Object, number: int, image: str, minutes: float, **annotations: str) -> Object:
    pods = template(image)
    pods["metadata"]["labels"] = {**LABELS, "pod-template-hash": f"h{number}"}
    numbers = {"deployment.kubernetes.io/revision": str(number), **annotations}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": meta(f"web-h{number}", minutes=minutes, owner=owner, labels=dict(LABELS), annotations=numbers),
        "spec": {"template": pods},
    }


def pod(owner: Object | None, name: str, *, status: Object | None = None, spec: Object | None = None) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta(name, minutes=10, owner=owner, labels={**LABELS, "pod-template-hash": "h2"}),
        "spec": {"nodeName": "node-1", "restartPolicy": "Always", **(spec or pod_spec())},
        "status": status or running_status(),
    }


def running_status() -> Object:
    done = {"exitCode": 0, "reason": "Completed", "startedAt": before(10), "finishedAt": before(9.5)}
    killed = {"exitCode": 137, "reason": "OOMKilled", "startedAt": before(9), "finishedAt": before(2)}
    init = {"name": "migrate", "state": {"terminated": done}, "lastState": {}, "ready": True, "restartCount": 0}
    running = {"state": {"running": {"startedAt": before(1)}}, "lastState": {"terminated": killed}}
    ready = {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "containers with unready status"}
    return {
        "phase": "Running",
        "startTime": before(10),
        "podIPs": [{"ip": "10.0.0.7"}],
        "conditions": [{**ready, "lastTransitionTime": before(2)}],
        "initContainerStatuses": [init],
        "containerStatuses": [{"name": "app", **running, "ready": False, "restartCount": 3, "imageID": "sha256:abc"}],
    }


def event(name: str, about: Object, minutes: float, message: str, **more: Any) -> Object:
    metadata = about["metadata"]
    involved = {"kind": about["kind"], "namespace": NAMESPACE, "name": metadata["name"], "uid": metadata["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": meta(name, minutes=minutes),
        "involvedObject": involved,
        "type": "Warning",
        "reason": "BackOff",
        "source": {"component": "kubelet"},
        "lastTimestamp": before(minutes),
        "message": message,
        "count": 4,
        **more,
    }


def config_map(name: str, data: Mapping[str, str], **metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta(name, **metadata), "data": dict(data)}


class Shop:
    """`pods` of the Deployment `web`, each with a log of both containers."""

    def __init__(self, pods: int = 2) -> None:
        self.server = MemoryServer()
        self.server.register(Kind("batch/v1", "Job", "jobs", status=True, generation=True))
        fields = [managed("kubectl-set-image", 10, IMAGE_FIELD), managed("kube-controller-manager", 1, {"f:status": {}})]
        self.deployment = deployment(managedFields=fields)
        self.old = replica_set(self.deployment, 1, "shop/web:v1", 3000, **{"kubernetes.io/change-cause": "first release"})
        self.new = replica_set(self.deployment, 2, "shop/web:v2", 10)
        self.pods = [pod(self.new, f"web-h2-{number}") for number in range(pods)]
        service = {"apiVersion": "v1", "kind": "Service", "metadata": meta("web"), "spec": {"selector": LABELS}}
        other = {"apiVersion": "v1", "kind": "Service", "metadata": meta("db"), "spec": {"selector": {"app": "db"}}}
        maps = [config_map("web-config", {"web.conf": "workers=4\n"}), config_map("web-env", {"mode": "normal"})]
        self.add(self.deployment, self.old, self.new, service, other, *maps)
        for one in self.pods:
            self.add_pod(one)

    def add(self, *objects: Object) -> None:
        for item in objects:
            self.server.add(item)

    def add_pod(self, one: Object, **logs: bytes) -> None:
        self.add(one)
        name = one["metadata"]["name"]
        for container in ("migrate", "app"):
            self.log(name, container, logs.get(container, f"{container} of {name}\n".encode()))

    def log(self, pod_name: str, container: str, *parts: bytes | Failure, previous: bool = False) -> None:
        self.server.logs[NAMESPACE, pod_name, container, previous] = parts

    @property
    def cluster(self) -> Cluster:
        return MemoryClusters(self.server).own

    def as_service_account(self, name: str) -> Cluster:
        return MemoryClusters(self.server).acting_as(NAMESPACE, Pin(name, "uid"))


def ref(obj: Object) -> Ref:
    return Ref(obj["apiVersion"], obj["kind"], NAMESPACE, obj["metadata"]["name"], obj["metadata"]["uid"])


class MemoryPack:
    """A pack that keeps its files in `files`. `broken` maps the beginning of a path to what writing there raises."""

    uri = "memory://pack"

    def __init__(self, broken: Mapping[str, Failure] | None = None) -> None:
        self.files: dict[str, bytes] = {}
        self._broken = broken or {}

    async def put(self, path: str, data: bytes) -> File:
        await asyncio.sleep(0)
        self._check(path)
        assert self.files.setdefault(path, data) == data, f"{path} would be overwritten"
        return File(path, sha256(data).hexdigest(), len(data))

    @asynccontextmanager
    async def open(self, path: str) -> AsyncIterator[MemoryWriter]:
        writer = MemoryWriter(self, path)
        try:
            yield writer
        finally:
            writer.file = await self.put(path, bytes(writer.data))

    def text(self, beginning: str, ending: str = "") -> str:
        """The one file of that name, decoded."""
        (found,) = [data for path, data in self.files.items() if path.startswith(beginning) and path.endswith(ending)]
        return found.decode()

    def listing(self, folder: str = "before-1") -> dict[str, Any]:
        return json.loads(self.files[f"captures/{folder}.json"])

    def _check(self, path: str) -> None:
        check_path(path)
        for beginning, failure in self._broken.items():
            if path.startswith(beginning):
                raise failure


class MemoryWriter:
    file: File

    def __init__(self, pack: MemoryPack, path: str) -> None:
        self._pack, self._path = pack, path
        self.data = bytearray()

    async def write(self, data: bytes) -> None:
        await asyncio.sleep(0)
        self._pack._check(self._path)
        self.data += data


class FixedClock:
    def now(self) -> datetime:
        return AT


async def collected(
    shop: Shop, source: str, *targets: Object, cluster: Any = None, pack: MemoryPack | None = None, **params: Any
) -> tuple[MemoryPack, Ledger]:
    """Runs one source alone, on the Deployment unless told otherwise."""
    pack, ledger = pack or MemoryPack(), Ledger()
    refs = tuple(map(ref, targets or (shop.deployment,)))
    scope = Scope(cluster or shop.cluster, pack, NAMESPACE, refs, AT, "before-1", ledger)
    kind = SOURCES[source]
    await kind.collect(scope, kind.params(**params))
    return pack, ledger


async def captured(shop: Shop, *sources: Source, cluster: Any = None, pack: Any = None, budget: float = 20.0) -> CaptureResult:
    """Runs a whole capture of the Deployment; all sources unless told otherwise."""
    targets = [Target("app", ref(shop.deployment))]
    collects = planned(sources or [Source(name) for name in SOURCES], targets)
    place = Place(cluster or shop.cluster, pack or MemoryPack(), FixedClock(), NAMESPACE, "before-1")
    return await capture(collects, place, timedelta(seconds=budget))

"""Many pods with logs, of which no container runs: a Deployment on a node whose kubelet is `kubelet.py`.

What is read goes the whole way of a log: through the API server, which asks the node.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.api import Document
from tests.bench.place import Place
from tests.cluster.run import run

MIB = 1024 * 1024
CONTAINER = "app"
PODS = "/api/v1/namespaces/{}/pods"
READY_SECONDS = 120.0


@dataclass(frozen=True)
class Node:
    """A node that is only said to be there."""

    place: Place
    name: str

    def join(self, address: str, port: int) -> None:
        """Its kubelet is there. What the API server is told of a node's status counts only when it is told by itself."""
        self.place.kubectl.apply([{"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name}}])
        change = json.dumps({"status": said(address, port)})
        self.place.kubectl("patch", "node", self.name, "--subresource=status", "--type=merge", "-p", change)

    async def crowd(self, namespace: str, name: str, size: int) -> list[str]:
        """So many pods with the label `crowd`: its name. Returns their names once their logs can be read."""
        await self.place.api.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", self.deployment(name, size))
        async with asyncio.timeout(READY_SECONDS):
            while len(pods := await self.pods(namespace, name)) < size:
                continue
        for pod in pods:
            await self.place.api.patch(f"{PODS.format(namespace)}/{pod}/status", {"status": running()})
        return pods

    async def pods(self, namespace: str, name: str) -> list[str]:
        found = await self.place.api.get(f"{PODS.format(namespace)}?labelSelector=crowd%3D{name}")
        return [pod["metadata"]["name"] for pod in found["items"]]

    def pod(self, name: str, crowd: str) -> Document:
        """One that belongs to nothing."""
        template = self.template(crowd)
        return {**template, "metadata": {**template["metadata"], "name": name}}

    def template(self, crowd: str) -> Document:
        spec = {
            "nodeName": self.name,
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": CONTAINER, "image": "none"}],
        }
        return {"metadata": {"labels": {"crowd": crowd}}, "spec": spec}

    def deployment(self, name: str, size: int) -> Document:
        spec = {"replicas": size, "selector": {"matchLabels": {"crowd": name}}, "template": self.template(name)}
        return {"metadata": {"name": name}, "spec": spec}


def said(address: str, port: int) -> Document:
    room = {"pods": "1000", "cpu": "1000", "memory": "1Ti"}
    return {
        "addresses": [{"type": "InternalIP", "address": address}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "capacity": room,
        "allocatable": room,
        "conditions": [{"type": "Ready", "status": "True", "reason": "Said", "message": "it is said to be there"}],
    }


def running() -> Document:
    state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    status = {"name": CONTAINER, "image": "none", "imageID": "", "ready": True, "restartCount": 0, "state": state}
    ready = {"type": "Ready", "status": "True"}
    return {"phase": "Running", "containerStatuses": [status], "conditions": [ready]}


@contextmanager
def node(place: Place, address: str, size: int) -> Iterator[Node]:
    """One whose pods have logs of so many bytes. The API server takes any certificate of a kubelet, unless it is told which."""
    certificate, key = identity(place.folder)
    program = [sys.executable, "-m", "tests.bench.kubelet", str(certificate), str(key), str(size)]
    with subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as kubelet:
        try:
            assert kubelet.stdout is not None
            found = Node(place, f"{place.name}-node")
            found.join(address, int(kubelet.stdout.readline()))
            yield found
        finally:
            place.kubectl("delete", "node", f"{place.name}-node", "--ignore-not-found")
            kubelet.terminate()


def identity(folder: Path) -> tuple[Path, Path]:
    """A certificate and its key, of nobody in particular."""
    certificate, key = folder / "kubelet.crt", folder / "kubelet.key"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=kubelet"]
    run(["openssl", "req", "-x509", *kind, "-keyout", str(key), "-out", str(certificate)])
    return certificate, key

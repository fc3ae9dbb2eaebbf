"""What goes into a cluster that runs: names for pods, and fake nodes for scale."""

from __future__ import annotations

import json
import socket
import struct

from .paths import SOURCE
from .run import run, succeeds, wait_for

APPLY = ["apply", "--server-side", "--force-conflicts", "-f", "-"]
FAKE = "kwok.x-k8s.io/node"  # the annotation by which kwok knows the nodes that are its own


def install_dns(kubectl: list[str], address: str) -> None:
    """Apply CoreDNS, with this address for its Service."""
    manifests = (SOURCE / "coredns/manifests.yaml").read_text()
    run([*kubectl, *APPLY], stdin=manifests.replace("CLUSTER_DNS", address))


def wait_dns(address: str) -> None:
    """Wait until a name is resolved through the Service: node, network and proxy all work then.

    The API server's word is not enough: after a crash it holds what the last kubelet said.
    """
    wait_for(f"cluster DNS at {address}: answers", lambda: _resolves(address), 60)


def wait_logs(kubectl: list[str]) -> None:
    """Wait until the kubelet serves logs: it refuses for pods that it does not know again yet."""
    logs = [*kubectl, "--namespace=kube-system", "logs", "deployment/coredns", "--tail=1"]
    wait_for("logs of kube-system/coredns: served", lambda: succeeds(logs), 60)


def _resolves(address: str) -> bool:
    labels = ("kubernetes", "default", "svc", "cluster", "local")
    name = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
    # Header: number 1, recursion desired, one question. Question: type A, class IN.
    query = struct.pack(">6H", 1, 0x0100, 1, 0, 0, 0) + name + struct.pack(">2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        try:
            client.sendto(query, (address, 53))
            _, _, _, answers, _, _ = struct.unpack(">6H", client.recv(512)[:12])
        except (OSError, struct.error):
            return False
    return bool(answers)


def add_fake_nodes(kubectl: list[str], count: int) -> None:
    """Have at least this many nodes that kwok plays, tainted so that no pod lands there unasked."""
    if count > 0:
        nodes = {"apiVersion": "v1", "kind": "List", "items": [_fake(n) for n in range(count)]}
        run([*kubectl, *APPLY], stdin=json.dumps(nodes), timeout=300)


def _fake(number: int) -> dict[str, object]:
    name = f"fake-{number:04d}"
    size = {"cpu": "32", "memory": "256Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "annotations": {FAKE: "fake"}, "labels": {"type": "kwok", "kubernetes.io/hostname": name}},
        "spec": {"taints": [{"key": FAKE, "value": "fake", "effect": "NoSchedule"}]},
        "status": {"allocatable": size, "capacity": size},
    }

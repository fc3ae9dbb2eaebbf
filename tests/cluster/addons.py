"""What goes into a cluster that runs: names for pods, and fake nodes for scale."""

from __future__ import annotations

import json

from .paths import SOURCE
from .run import run

APPLY = ["apply", "--server-side", "--force-conflicts", "-f", "-"]
FAKE = "kwok.x-k8s.io/node"  # the annotation by which kwok knows the nodes that are its own


def install_dns(kubectl: list[str], address: str) -> None:
    """Apply CoreDNS, with this address for its Service."""
    manifests = (SOURCE / "coredns/manifests.yaml").read_text()
    run([*kubectl, *APPLY], stdin=manifests.replace("CLUSTER_DNS", address))


def wait_dns(kubectl: list[str]) -> None:
    """Wait until CoreDNS answers; raises ClusterError."""
    run([*kubectl, "--namespace=kube-system", "rollout", "status", "deployment/coredns",
         "--timeout=60s"])


def add_fake_nodes(kubectl: list[str], count: int) -> None:
    """Have at least this many nodes that kwok plays, tainted so that no pod lands there unasked."""
    if count > 0:
        nodes = {"apiVersion": "v1", "kind": "List", "items": [_fake(n) for n in range(count)]}
        run([*kubectl, *APPLY], stdin=json.dumps(nodes), timeout=300)


def _fake(number: int) -> dict[str, object]:
    name = f"fake-{number:04d}"
    size = {"cpu": "32", "memory": "256Gi", "pods": "110"}
    return {
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "annotations": {FAKE: "fake"},
                     "labels": {"type": "kwok", "kubernetes.io/hostname": name}},
        "spec": {"taints": [{"key": FAKE, "value": "fake", "effect": "NoSchedule"}]},
        "status": {"allocatable": size, "capacity": size},
    }

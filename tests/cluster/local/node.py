"""The node: containerd, kubelet and kube-proxy, in the cluster's namespaces.

Paths below /run are those of the namespaces (see `init.sh`), not of the machine.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ..images import PAUSE
from ..paths import write
from ..run import run, succeeds, wait_for
from . import access
from .cgroups import cgroup_name
from .controlplane import ControlPlane
from .network import Network
from .space import Space

DATA = "/run/node"
SOCKET = "/run/containerd/containerd.sock"
CTR = ["ctr", "--address", SOCKET, "--namespace", "k8s.io"]

# restrict_oom_score_adj: without CAP_SYS_RESOURCE a container's score cannot be lowered.
CONTAINERD = """\
version = 2
root = "{data}/containerd"
state = "/run/containerd"
[grpc]
address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{data}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.internal.v1.opt"]
path = "{data}/containerd/opt"
"""


@dataclass(frozen=True)
class Node:
    """The one real node of a cluster."""

    cluster: str
    name: str
    state: Path
    binaries: Path
    network: Network

    def start_containerd(self, space: Space) -> None:
        """Start the container runtime and wait until it answers; raises ClusterError."""
        config = CONTAINERD.format(data=DATA, socket=SOCKET, pause=PAUSE)
        write(self.state / "node/containerd.toml", config)
        write(self.state / "node/cni/10-pods.conflist", json.dumps(_pod_network(self.network)))
        space.spawn("containerd", ["containerd", "--config", f"{DATA}/containerd.toml"])
        wait_for(f"{self.state / 'logs/containerd.log'}: containerd answers", lambda: succeeds([*space.enter, *CTR, "version"]), 30)

    def import_images(self, space: Space, archives: list[Path]) -> None:
        """Make the archives' images known, each archive once; raises ClusterError."""
        seen = self.state / "node/containerd/imported"
        for archive in archives:
            if not (seen / archive.name).exists():
                self.import_image(space, archive)
                write(seen / archive.name, "")

    def import_image(self, space: Space, archive: Path) -> None:
        """Make one archive's images known, in place of others of the same names."""
        # Through standard input: the path may not exist inside.
        run([*space.enter, *CTR, "images", "import", "-"], stdin=archive, timeout=300)

    def start_kubelet(self, space: Space, control: ControlPlane, kubectl: list[str]) -> None:
        """Start the kubelet unless it runs; it registers the node by itself."""
        if space.runs(space.pid_file("kubelet")):
            return
        config = write(self.state / "kubelet.json", json.dumps(self._kubelet(control)))
        user = control.component_kubeconfig(access.node_user(self.name))
        self._doubt(kubectl)
        space.spawn(
            "kubelet",
            [
                str(self.binaries / "kubelet"),
                f"--config={config}",
                f"--kubeconfig={user}",
                f"--hostname-override={self.name}",
                f"--node-ip={self.network.node}",
            ],
        )

    def start_proxy(self, space: Space, control: ControlPlane) -> None:
        """Start kube-proxy, which makes Services work in these namespaces and from the host."""
        user = control.component_kubeconfig(access.PROXY)
        config = write(self.state / "kube-proxy.json", json.dumps(self._proxy(user)))
        space.spawn("kube-proxy", [str(self.binaries / "kube-proxy"), f"--config={config}"])

    def wait_ready(self, kubectl: list[str]) -> None:
        """Wait until the API server knows the node as ready; raises ClusterError."""
        wait_for(
            f"{self.state / 'logs/kubelet.log'}: node {self.name} is registered",
            lambda: succeeds([*kubectl, "get", "node", self.name]),
            60,
        )
        run([*kubectl, "wait", "--for=condition=Ready", f"node/{self.name}", "--timeout=60s"])

    def _doubt(self, kubectl: list[str]) -> None:
        """Take back what an earlier kubelet said last, so that Ready is the new one's word."""
        unknown = {"type": "Ready", "status": "Unknown", "reason": "KubeletStarting"}
        succeeds(
            [
                *kubectl,
                "patch",
                "node",
                self.name,
                "--subresource=status",
                "--patch",
                json.dumps({"status": {"conditions": [unknown]}}),
            ]
        )

    def _kubelet(self, control: ControlPlane) -> dict[str, object]:
        few = "1%"
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(control.pki / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "containerRuntimeEndpoint": f"unix://{SOCKET}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{cgroup_name(self.cluster)}",
            "enforceNodeAllocatable": [],
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "clusterDomain": "cluster.local",
            "clusterDNS": [self.network.dns],
            "resolvConf": "",
            "podLogsDir": f"{DATA}/pod-logs",
            "volumePluginDir": f"{DATA}/volume-plugins",
            # Mounted ConfigMaps show their changes within seconds.
            "syncFrequency": "5s",
            # Images cannot be pulled again, so none is ever removed for space.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {
                "memory.available": "50Mi",
                "nodefs.available": few,
                "nodefs.inodesFree": few,
                "imagefs.available": few,
            },
        }

    def _proxy(self, user: Path) -> dict[str, object]:
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clusterCIDR": self.network.pods,
            "hostnameOverride": self.name,
            "clientConnection": {"kubeconfig": str(user)},
            "oomScoreAdj": 0,
            # Zero leaves the machine's connection tracking as it is.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
            "nftables": {"minSyncPeriod": "0.2s", "syncPeriod": "30s"},
        }


def _pod_network(network: Network) -> dict[str, object]:
    """Point to point, not a bridge: every packet is routed, so Services need no br_netfilter."""
    ranges = [[{"subnet": network.pods}]]
    # Addresses are kept below /run: they are all free again when the node starts anew.
    ipam = {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "/run/cni-addresses"}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "ptp", "ipam": ipam}]}

"""A cluster from binaries built here: a real API server, kubelet and pods, without Docker.

Everything of one cluster lives in Linux namespaces of its own (`local/space.py`), so
that two clusters do not meet, and nothing outlives `down`.
"""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

from .. import addons, apt, build, images, paths
from ..local import cgroups, controlplane, network
from ..local.access import admin_kubeconfig
from ..local.node import Node
from ..local.space import Space
from ..model import Cluster, ClusterError, Status, checked_name
from ..progress import step
from ..run import locked, run, say

PARTS = (*controlplane.PARTS, "containerd", "kubelet", "kube-proxy")


class Local:
    """The cluster of this name, on this machine."""

    name = "local binaries"

    def __init__(self, cluster: str) -> None:
        self.cluster = checked_name(cluster)
        self.state = paths.state_dir(cluster)
        self.space = Space(self.state)

    def up(self, fake_nodes: int = 0) -> Cluster:
        """Bring the cluster up, or start what of it does not run; raises ClusterError."""
        apt.install_missing()
        binaries = build.binaries()
        archives = [*images.node_archives(binaries), *images.workload_archives()]
        with self._lock():
            return self._up(binaries, archives, fake_nodes)

    def down(self) -> None:
        """End every process of the cluster and remove what it left; raises ClusterError."""
        with self._lock():
            self._remove()
            self._lock_file.unlink()

    def load_image(self, archive: Path) -> None:
        """Make the images of a docker-archive known to the node; raises ClusterError."""
        if not archive.is_file():
            raise ClusterError(f"{archive}: no such file; name an archive as `docker save` writes it")
        self._node(build.binaries(), network.recorded(self.state)).import_image(self.space, archive)

    def status(self) -> Status:
        """What runs and what does not."""
        parts = self._parts()
        whole = all(found == "running" for found in parts.values())
        state = "down" if not self.state.exists() else "up" if whole else "broken"
        kubeconfig = paths.kubeconfig(self.cluster)
        return Status(self.cluster, self.name, state, parts, str(kubeconfig) if kubeconfig.exists() else None)

    def signal(self, part: str, signal: str) -> None:
        """Send a signal, such as STOP or CONT, to a part that runs; raises ClusterError."""
        file = next((file for file in self._pid_files() if file.stem == part and self.space.runs(file)), None)
        if file is None:
            raise ClusterError(f"cluster {self.cluster}: {part} does not run; its parts: {', '.join(PARTS)}")
        run([*self.space.enter, "kill", f"-{signal}", file.read_text().strip()])

    def _up(self, binaries: Path, archives: list[Path], fake_nodes: int) -> Cluster:
        control = self._control(binaries)
        if control.is_there() and not control.is_as_wanted():
            say(f"cluster {self.cluster}: unfinished, or of other programs or settings; made anew")
            self._remove()
            control = self._control(binaries)
        node = self._node(binaries, control.network)
        with step("[1/4] namespaces"):
            self._enclose(control.network)
        with step("[2/4] control plane and images"):
            self._start_control_and_runtime(control, node, archives)
        kubectl = [str(binaries / "kubectl"), f"--kubeconfig={self._kubeconfig(control)}"]
        with step("[3/4] node"):
            self._join(control, node, kubectl)
        with step("[4/4] cluster DNS"):
            self._check_parts()
            addons.add_fake_nodes(kubectl, fake_nodes)
            addons.wait_dns(control.network.dns)
            addons.wait_logs(kubectl)
        self._check_parts()
        return self._cluster(control)

    def _parts(self) -> dict[str, str]:
        runs = {file.stem for file in self._pid_files() if self.space.runs(file)}
        return {part: "running" if part in runs else "stopped" for part in PARTS}

    def _pid_files(self) -> list[Path]:
        folders = self.state / "pids", self.state / "kwok/clusters" / self.cluster / "pids"
        return [file for folder in folders for file in folder.glob("*.pid")]

    def _check_parts(self) -> None:
        """Some parts are not waited for: say so when one ended at once."""
        stopped = [part for part, found in self._parts().items() if found != "running"]
        if stopped:
            raise ClusterError(f"cluster {self.cluster}: {', '.join(stopped)} ended by itself; see the logs below {self.state}")

    def _remove(self) -> None:
        self.space.stop()
        if (self.state / "network.json").exists():
            network.disconnect(network.recorded(self.state))
        cgroups.remove(self.cluster)
        _remove_state(self.state)

    def _enclose(self, net: network.Network) -> None:
        if self.space.pid is None:
            cgroups.remove(self.cluster)  # of pods that ended with the last namespaces
        cgroups.create(self.cluster)
        pid = self.space.start()
        network.connect(net, pid, self.space.enter)

    def _start_control_and_runtime(self, control: controlplane.ControlPlane, node: Node, archives: list[Path]) -> None:
        """Both at once: each waits mostly for its own disk and its own sockets."""
        with ThreadPoolExecutor(max_workers=1) as side:
            runtime = side.submit(self._start_runtime, node, archives)
            control.start(self.space)
            runtime.result()

    def _start_runtime(self, node: Node, archives: list[Path]) -> None:
        node.start_containerd(self.space)
        node.import_images(self.space, archives)

    def _join(self, control: controlplane.ControlPlane, node: Node, kubectl: list[str]) -> None:
        control.wait_ready(self.space, kubectl)
        addons.install_dns(kubectl, control.network.dns)
        node.start_kubelet(self.space, control, kubectl)
        node.start_proxy(self.space, control)
        node.wait_ready(kubectl)

    def _kubeconfig(self, control: controlplane.ControlPlane) -> Path:
        text = admin_kubeconfig(self.state, f"stanch-{self.cluster}", control.server, control.pki / "ca.crt")
        return paths.write(paths.kubeconfig(self.cluster), text)

    def _control(self, binaries: Path) -> controlplane.ControlPlane:
        net = network.allot(self.state)
        return controlplane.ControlPlane(self.cluster, self.state, binaries, net, self._node(binaries, net).name)

    def _node(self, binaries: Path, net: network.Network) -> Node:
        return Node(self.cluster, f"{self.cluster}-node", self.state, binaries, net)

    def _cluster(self, control: controlplane.ControlPlane) -> Cluster:
        return Cluster(
            self.cluster,
            self.name,
            paths.kubeconfig(self.cluster),
            control.binaries / "kubectl",
            can_run_pods=True,
            audit_log=control.audit_log,
            host_address=control.network.host,
        )

    @property
    def _lock_file(self) -> Path:
        """Outside the state folder, which goes while it is held."""
        return paths.clusters_dir() / f"{self.cluster}.lock"

    def _lock(self) -> AbstractContextManager[None]:
        return locked(self._lock_file, f"bringing cluster {self.cluster} up or down")


def _remove_state(state: Path) -> None:
    """Remove the folder. Mounts below it ended with the namespaces: one that is there is not ours."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    mine = [m for m in mounts if m.startswith(f"{state}/")]
    if mine:
        raise ClusterError(f"{mine[0]}: mounted by something else; unmount it, then run `down` again")
    if state.exists():
        shutil.rmtree(state)

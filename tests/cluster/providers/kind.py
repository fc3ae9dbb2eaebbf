"""kind, through pytest-kind, where Docker answers.

This provider was NOT run on the machine that it was written on (no Docker daemon there).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..addons import add_fake_nodes
from ..images import workload_archives
from ..model import Cluster, ClusterError, Status, checked_name
from ..paths import kubeconfig
from ..progress import step
from ..run import run

if TYPE_CHECKING:
    from pytest_kind import KindCluster

NODE_IMAGE = "kindest/node:v1.34.0"


class Kind:
    """The kind cluster of this name; pytest-kind downloads kind and kubectl themselves."""

    name = "kind"

    def __init__(self, cluster: str) -> None:
        self.cluster = checked_name(cluster)

    def up(self, fake_nodes: int = 0) -> Cluster:
        """Create the cluster unless it is there, and give it our images; raises ClusterError."""
        kind = self._kind()
        with step("[1/2] kind cluster"):
            kind.create()
        with step("[2/2] images"):
            for archive in workload_archives(docker=True):
                self.load_image(archive)
        add_fake_nodes([str(kind.kubectl_path), f"--kubeconfig={kind.kubeconfig_path}"], fake_nodes)
        return Cluster(self.cluster, self.name, kind.kubeconfig_path, kind.kubectl_path,
                       can_run_pods=True)

    def down(self) -> None:
        """Delete the cluster."""
        self._kind().delete()

    def load_image(self, archive: Path) -> None:
        """Make the images of a docker-archive known to the node; raises ClusterError."""
        kind = self._kind()
        kind.ensure_kind()
        run([str(kind.kind_path), "load", "image-archive", str(archive), "--name", self.cluster],
            timeout=300)

    def status(self) -> Status:
        """Whether kind knows the cluster."""
        kind = self._kind()
        kind.ensure_kind()
        known = self.cluster in run([str(kind.kind_path), "get", "clusters"]).split()
        return Status(self.cluster, self.name, "up" if known else "down", {},
                      str(kubeconfig(self.cluster)) if known else None)

    def _kind(self) -> KindCluster:
        try:
            from pytest_kind import KindCluster
        except ImportError as missing:
            raise ClusterError("pytest-kind: not installed; run this in the project's "
                               "environment (make venv)") from missing
        goal = kubeconfig(self.cluster)
        goal.parent.mkdir(parents=True, exist_ok=True)
        return KindCluster(self.cluster, kubeconfig=goal, image=NODE_IMAGE)

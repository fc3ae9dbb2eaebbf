"""kind, through pytest-kind, where Docker answers.

pytest-kind 22.11 brings an old kind and kubectl by itself, so newer ones are named here.
This provider was NOT run on the machine that it was written on (no Docker daemon there).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .. import audit
from ..build import kubernetes_version
from ..images import workload_archives
from ..model import Cluster, ClusterError, Status, checked_name
from ..paths import cache_root, kubeconfig, state_dir, write
from ..progress import step
from ..run import run

if TYPE_CHECKING:
    from pytest_kind import KindCluster

KIND = "v0.30.0"
# An image is good for the kind that it was built for, and the digest is what says so.
NODE_IMAGE = "kindest/node:v1.34.0@sha256:7416a61b42b1662ca6ca89f02028ac133a309a2a30ba309614e8ec94d976dc5a"
# Where the node and its API server see the folder with audit policy and log.
AUDIT = "/var/log/kubernetes/audit"


class Kind:
    """The kind cluster of this name; pytest-kind downloads kind and kubectl themselves."""

    name = "kind"

    def __init__(self, cluster: str, without: tuple[str, ...] = ()) -> None:
        """`without`: admission plugins that are turned off."""
        self.cluster, self.without = checked_name(cluster), without

    def up(self, fake_nodes: int = 0) -> Cluster:
        """Create the cluster unless it is there, and give it our images; raises ClusterError."""
        if fake_nodes:
            raise ClusterError("fake nodes: kind has no kwok; leave them out, or use local binaries")
        kind = self._kind()
        with step("[1/2] kind cluster"), _failures_told():
            kind.ensure_kubectl()
            kind.create(self._config())
        with step("[2/2] images"):
            for archive in workload_archives(docker=True):
                self.load_image(archive)
        return Cluster(
            self.cluster, self.name, kind.kubeconfig_path, kind.kubectl_path,
            can_run_pods=True, audit_log=self._audit / "audit.log", host_address=_gateway(),
        )  # fmt: skip

    def down(self) -> None:
        """Delete the cluster, its kubeconfig with it."""
        kind = self._kind()
        with _failures_told():
            kind.ensure_kind()
            kind.delete()
        shutil.rmtree(state_dir(self.cluster), ignore_errors=True)

    def load_image(self, archive: Path) -> None:
        """Make the images of a docker-archive known to the node; raises ClusterError."""
        run([self._program(), "load", "image-archive", str(archive), "--name", self.cluster], timeout=300)

    def status(self) -> Status:
        """Whether kind knows the cluster."""
        known = self.cluster in run([self._program(), "get", "clusters"]).split()
        return Status(self.cluster, self.name, "up" if known else "down", {}, str(kubeconfig(self.cluster)) if known else None)

    @property
    def _audit(self) -> Path:
        return state_dir(self.cluster) / "audit"

    def _config(self) -> Path:
        """The API server writes its audit log into a folder of ours (https://kind.sigs.k8s.io/docs/user/auditing/)."""
        write(self._audit / "policy.json", json.dumps(audit.POLICY))
        # Made by us: the API server's own would be for root alone, and it keeps owner and mode when it begins another.
        (self._audit / "audit.log").touch(0o600)
        paths = {"audit-log-path": f"{AUDIT}/audit.log", "audit-policy-file": f"{AUDIT}/policy.json"}
        off = {"disable-admission-plugins": ",".join(self.without)} if self.without else {}
        volume = {"name": "audit", "hostPath": AUDIT, "mountPath": AUDIT, "pathType": "Directory"}
        patch = {"kind": "ClusterConfiguration", "apiServer": {"extraArgs": {**paths, **off}, "extraVolumes": [volume]}}
        mount = {"hostPath": str(self._audit), "containerPath": AUDIT}
        node = {"role": "control-plane", "kubeadmConfigPatches": [json.dumps(patch)], "extraMounts": [mount]}
        config = {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": [node]}
        return write(state_dir(self.cluster) / "kind.json", json.dumps(config))

    def _program(self) -> str:
        kind = self._kind()
        with _failures_told():
            kind.ensure_kind()
        return str(kind.kind_path)

    def _kind(self) -> KindCluster:
        """pytest-kind's own object, with all its files in the cache."""
        # It reads these when it is imported.
        os.environ.setdefault("KIND_VERSION", KIND)
        os.environ.setdefault("KUBECTL_VERSION", kubernetes_version())
        try:
            from pytest_kind import KindCluster
        except ImportError as missing:
            raise ClusterError(
                "pytest-kind: not installed; use the project's environment, as `uv run python -m tests.cluster …` does"
            ) from missing
        tools = cache_root() / "kind"
        tools.mkdir(parents=True, exist_ok=True)
        goal = kubeconfig(self.cluster)
        goal.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.chdir(tools):  # it makes a folder where it stands
            return KindCluster(
                self.cluster,
                goal,
                NODE_IMAGE,
                kind_path=tools / f"kind-{KIND}",
                kubectl_path=tools / f"kubectl-{kubernetes_version()}",
            )


def _gateway() -> str | None:
    """This machine's address on kind's network; None where Docker runs in a machine of its own."""
    gateways = "{{range .IPAM.Config}}{{.Gateway}} {{end}}"
    found = run(["docker", "network", "inspect", "kind", "--format", gateways]).split()
    return next((g for g in found if "." in g), None) if sys.platform == "linux" else None


@contextlib.contextmanager
def _failures_told() -> Iterator[None]:
    """pytest-kind lets through what its programs and downloads raise."""
    try:
        yield
    except (OSError, subprocess.CalledProcessError) as wrong:  # requests' errors are OSErrors
        raise ClusterError(f"kind: {wrong}; is Docker well, and is the network there?") from wrong

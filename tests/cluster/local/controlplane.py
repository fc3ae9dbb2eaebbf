"""etcd, API server, controller manager, scheduler and kwok, put together by kwokctl."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from .. import audit
from ..addons import FAKE
from ..build import kubernetes_version
from ..paths import write
from ..run import run, succeeds, wait_for
from . import access
from .network import Network
from .space import Space

PORT = 6443

PARTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok-controller")

CONTROLLERS = {
    # With credentials of their own, controllers show as system:serviceaccount:kube-system:….
    "use-service-account-credentials": "true",
    "leader-elect": "false",
    "kube-api-qps": "100",
    "kube-api-burst": "200",
    "flex-volume-plugin-dir": "/run/node/volume-plugins",
}


@dataclass(frozen=True)
class ControlPlane:
    """The control plane of one cluster."""

    name: str
    state: Path
    binaries: Path
    network: Network
    node: str

    @property
    def server(self) -> str:
        """The API server's address, the same from the host, the node and (by IP) the pods."""
        return f"https://{self.network.node}:{PORT}"

    @property
    def workdir(self) -> Path:
        """kwokctl's folder for this cluster."""
        return self.state / "kwok" / "clusters" / self.name

    @property
    def pki(self) -> Path:
        """The folder with ca.crt, admin.crt and admin.key."""
        return self.workdir / "pki"

    @property
    def audit_log(self) -> Path:
        """JSON lines, one for each request that `audit.POLICY` keeps."""
        return self.state / "audit.log"

    def start(self, space: Space) -> None:
        """Create it, or start the parts of it that do not run; raises ClusterError."""
        self._forget_dead(space)
        access.token_file(self.state, self.node)
        write(self._policy, json.dumps(audit.POLICY))
        for user in (access.CONTROLLER_MANAGER, access.SCHEDULER):
            self.component_kubeconfig(user)
        config = write(self.state / "kwokctl.yaml", self._config())
        # A kubeconfig of "" keeps kwokctl from adding a context to the user's own file.
        self._kwokctl(space, "create", "cluster", "--config", str(config), "--kubeconfig", "", "--wait", "60s")
        write(self._made_of, self._fingerprint())

    def component_kubeconfig(self, user: str) -> Path:
        """A kubeconfig file for one of the cluster's own parts."""
        return access.component_kubeconfig(self.state, user, self.server, self.pki / "ca.crt")

    def wait_ready(self, space: Space, kubectl: list[str]) -> None:
        """Wait until the API server says that it is ready, and all parts run; raises ClusterError."""
        wait_for(f"{self.server}/readyz: ok", lambda: succeeds([*kubectl, "get", "--raw", "/readyz"]), 60)
        wait_for(f"{self.workdir / 'logs'}: all of {', '.join(PARTS)} run", lambda: self._runs_whole(space), 60)

    def is_there(self) -> bool:
        """Whether its creation was begun."""
        return (self.state / "kwok").exists()

    def is_as_wanted(self) -> bool:
        """Whether it was created to its end, from these programs and with these settings.

        kwokctl itself goes on with half a setup, or with the settings of last time.
        """
        made_of = self._made_of.read_text() if self._made_of.exists() else None
        return made_of == self._fingerprint()

    @property
    def _policy(self) -> Path:
        return self.state / "audit-policy.yaml"

    def _user_file(self, user: str) -> str:
        return str(access.kubeconfig_path(self.state, user))

    @property
    def _made_of(self) -> Path:
        return self.state / "kwok" / "made-of"

    def _fingerprint(self) -> str:
        return hashlib.sha256(f"{access.ADMIN} {self._config()} {audit.POLICY}".encode()).hexdigest()

    def _runs_whole(self, space: Space) -> bool:
        """Whether every part runs; starts those that do not.

        The controller manager ends when the API server is not healthy within 10 s of its start, as on
        a slow disk, and kwokctl tells of neither. To `create` again starts nothing once the API server answers.
        """
        if all(space.runs(self._pid_file(part)) for part in PARTS):
            return True
        self._forget_dead(space)
        self._kwokctl(space, "start", "cluster")
        return False

    def _kwokctl(self, space: Space, *argv: str) -> None:
        run([*space.enter, str(self.binaries / "kwokctl"), "--name", self.name, *argv], env=self._environment(), timeout=180)

    def _pid_file(self, part: str) -> Path:
        return self.workdir / "pids" / f"{part}.pid"

    def _forget_dead(self, space: Space) -> None:
        """kwokctl takes any process with a kept number for its own, even after a restart."""
        for pid_file in map(self._pid_file, PARTS):
            if not space.runs(pid_file):
                pid_file.unlink(missing_ok=True)

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "KWOK_WORKDIR": str(self.state / "kwok"),
            "KUBECONFIG": str(self.state / "kwok" / "unused-kubeconfig"),
        }

    def _config(self) -> str:
        options = {
            "runtime": "binary",
            "kubeVersion": kubernetes_version(),
            "securePort": True,
            "kubeAuthorization": True,
            "kubeAdmission": True,
            "kubeApiserverPort": PORT,
            "kubeApiserverCertSANs": [
                self.network.node,
                self.network.api_service,
                "localhost",
                "kubernetes.default.svc",
                "kubernetes.default",
            ],
            "bindAddress": "127.0.0.1",
            "kubeAuditPolicy": str(self._policy),
            **self._programs(),
            # As long as Kubernetes' own defaults; kwokctl's are five times that.
            "nodeLeaseDurationSeconds": 40,
            "kubeControllerManagerNodeMonitorPeriodMilliseconds": 5_000,
            "kubeControllerManagerNodeMonitorGracePeriodMilliseconds": 50_000,
        }
        return json.dumps(
            {
                "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
                "kind": "KwokctlConfiguration",
                "options": options,
                "componentsPatches": self._patches(),
            }
        )

    def _programs(self) -> dict[str, str]:
        return {
            "etcdBinary": str(self.binaries / "etcd"),
            "kubectlBinary": str(self.binaries / "kubectl"),
            "kubeApiserverBinary": str(self.binaries / "kube-apiserver"),
            "kubeControllerManagerBinary": str(self.binaries / "kube-controller-manager"),
            "kubeSchedulerBinary": str(self.binaries / "kube-scheduler"),
            "kwokControllerBinary": str(self.binaries / "kwok"),
        }

    def _patches(self) -> list[dict[str, object]]:
        return [
            # As kind has it: a test cluster need not outlive the machine, and a slow disk slows all tests.
            _patch("etcd", {"unsafe-no-fsync": "true"}, {}),
            _patch("kube-apiserver", self._apiserver(), {"bind-address": "0.0.0.0", "audit-log-path": str(self.audit_log)}),
            _patch("kube-controller-manager", CONTROLLERS, {"kubeconfig": self._user_file(access.CONTROLLER_MANAGER)}),
            _patch("kube-scheduler", {"leader-elect": "false"}, {"kubeconfig": self._user_file(access.SCHEDULER)}),
            # As flags: given in a KwokConfiguration, they cost kwok its other defaults.
            _patch("kwok-controller", {"manage-nodes-with-annotation-selector": f"{FAKE}=fake"}, {"manage-all-nodes": "false"}),
        ]

    def _apiserver(self) -> dict[str, str]:
        return {
            "advertise-address": self.network.node,
            "service-cluster-ip-range": self.network.services,
            "kubelet-preferred-address-types": "InternalIP",
            "kubelet-client-certificate": str(self.pki / "admin.crt"),
            "kubelet-client-key": str(self.pki / "admin.key"),
            "token-auth-file": str(self.state / "tokens.csv"),
        }


def _patch(name: str, added: dict[str, str], replaced: dict[str, str]) -> dict[str, object]:
    return {
        "name": name,
        "extraArgs": [
            *({"key": key, "value": value} for key, value in added.items()),
            *({"key": key, "value": value, "override": True} for key, value in replaced.items()),
        ],
    }

"""An API server without nodes from the folder in KUBEBUILDER_ASSETS, for contract tests.

As envtest does it: etcd and kube-apiserver with a certificate signed by itself. RBAC is
on. Nothing runs controllers here, so no pods start and deleted namespaces stay.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
from pathlib import Path

from .. import audit, paths
from ..local.access import encoded, kubeconfig
from ..model import Cluster, ClusterError, Status, checked_name
from ..process import Process
from ..progress import step
from ..run import locked, run, succeeds, wait_for

HERE = "127.0.0.1"


class Assets:
    """etcd and an API server as two processes on this machine."""

    name = "KUBEBUILDER_ASSETS"

    def __init__(self, cluster: str, folder: Path, without: tuple[str, ...] = ()) -> None:
        """`without`: admission plugins that are turned off."""
        self.cluster, self.folder, self.without = checked_name(cluster), folder, ("ServiceAccount", *without)
        self.state = paths.state_dir(cluster)

    @classmethod
    def named(cls, cluster: str) -> Assets | None:
        """The provider where the variable is set, else None; raises ClusterError if it is wrong."""
        value = os.environ.get("KUBEBUILDER_ASSETS")
        if not value:
            return None
        missing = [p for p in ("etcd", "kube-apiserver", "kubectl") if not (Path(value) / p).exists()]
        if missing:
            raise ClusterError(
                f"KUBEBUILDER_ASSETS={value}: lacks {', '.join(missing)}; unset it, "
                "or point it to what `setup-envtest use -p path` prints"
            )
        return cls(f"{cluster}-api"[-20:], Path(value))

    def up(self, fake_nodes: int = 0) -> Cluster:
        """Start both processes unless they run; raises ClusterError."""
        if fake_nodes:
            raise ClusterError("fake nodes: nothing plays them here; unset KUBEBUILDER_ASSETS")
        with self._lock(), step("[1/1] API server"):
            self._certificate()
            ports = self._ports()
            self._etcd.start(self._etcd_command(ports), self.state / "logs/etcd.log")
            self._apiserver.start(self._apiserver_command(ports), self.state / "logs/kube-apiserver.log")
            self._wait_ready()
        return Cluster(
            self.cluster,
            self.name,
            paths.kubeconfig(self.cluster),
            self.folder / "kubectl",
            can_run_pods=False,
            audit_log=self.state / "audit.log",
            host_address=_own_address(),
        )

    def down(self) -> None:
        """End both processes and remove what they left."""
        with self._lock():
            self._apiserver.kill()
            self._etcd.kill()
            shutil.rmtree(self.state, ignore_errors=True)
            self._lock_file.unlink()

    def load_image(self, archive: Path) -> None:
        """Refused: there is no node. Raises ClusterError."""
        raise ClusterError(f"{archive}: no node here to give it to; unset KUBEBUILDER_ASSETS")

    def status(self) -> Status:
        """What runs and what does not."""
        found = {"etcd": self._etcd.pid, "kube-apiserver": self._apiserver.pid}
        parts = {part: "running" if pid else "stopped" for part, pid in found.items()}
        state = "down" if not self.state.exists() else "up" if all(found.values()) else "broken"
        return Status(self.cluster, self.name, state, parts, str(paths.kubeconfig(self.cluster)))

    @property
    def _etcd(self) -> Process:
        return Process(self.state / "etcd.json", (f"--data-dir={self.state}/etcd",))

    @property
    def _apiserver(self) -> Process:
        return Process(self.state / "kube-apiserver.json", (f"--audit-log-path={self.state}/audit.log",))

    def _etcd_command(self, ports: dict[str, int]) -> list[str]:
        client, peer = (f"http://{HERE}:{ports[p]}" for p in ("etcd", "peer"))
        return [
            str(self.folder / "etcd"),
            *self._etcd.marks,
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]

    def _apiserver_command(self, ports: dict[str, int]) -> list[str]:
        key = self.state / "server.key"
        policy = paths.write(self.state / "audit-policy.yaml", json.dumps(audit.POLICY))
        return [
            str(self.folder / "kube-apiserver"),
            *self._apiserver.marks,
            f"--audit-policy-file={policy}",
            f"--etcd-servers=http://{HERE}:{ports['etcd']}",
            f"--bind-address={HERE}",
            f"--secure-port={ports['api']}",
            f"--tls-cert-file={self.state / 'server.crt'}",
            f"--tls-private-key-file={key}",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--token-auth-file={self.state / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            f"--disable-admission-plugins={','.join(self.without)}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--allow-privileged=true",
        ]

    def _certificate(self) -> None:
        """One certificate, its own authority, for one address."""
        if not (self.state / "server.crt").exists():
            self.state.mkdir(parents=True, exist_ok=True)
            run(
                [
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "rsa:2048",
                    "-nodes",
                    "-days",
                    "3650",
                    "-subj",
                    "/CN=kube-apiserver",
                    "-addext",
                    f"subjectAltName=IP:{HERE},DNS:localhost",
                    "-keyout",
                    str(self.state / "server.key"),
                    "-out",
                    str(self.state / "server.crt.part"),
                ]
            )
            (self.state / "server.crt.part").replace(self.state / "server.crt")

    def _ports(self) -> dict[str, int]:
        """Kept between starts; the token and the kubeconfig are written with them."""
        record = self.state / "ports.json"
        if not record.exists():
            ports = _free_ports(("api", "etcd", "peer"))
            token = secrets.token_hex(24)
            paths.write(self.state / "tokens.csv", f'{token},kubernetes-admin,admin,"system:masters"\n')
            server = {"server": f"https://{HERE}:{ports['api']}", "certificate-authority-data": encoded(self.state / "server.crt")}
            paths.write(paths.kubeconfig(self.cluster), kubeconfig(f"stanch-{self.cluster}", server, {"token": token}))
            paths.write(record, json.dumps(ports))
        return dict(json.loads(record.read_text()))

    def _wait_ready(self) -> None:
        readyz = [str(self.folder / "kubectl"), f"--kubeconfig={paths.kubeconfig(self.cluster)}", "get", "--raw", "/readyz"]
        wait_for(f"{self.state / 'logs/kube-apiserver.log'}: ready", lambda: succeeds(readyz), 60)

    @property
    def _lock_file(self) -> Path:
        return paths.clusters_dir() / f"{self.cluster}.lock"

    def _lock(self) -> contextlib.AbstractContextManager[None]:
        return locked(self._lock_file, f"bringing cluster {self.cluster} up or down")


def _free_ports(names: tuple[str, ...]) -> dict[str, int]:
    """Ports that were free together a moment ago."""
    with contextlib.ExitStack() as stack:
        sockets = {name: stack.enter_context(socket.create_server((HERE, 0))) for name in names}
        return {name: opened.getsockname()[1] for name, opened in sockets.items()}


def _own_address() -> str | None:
    """The address that packets to elsewhere leave from; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.1", 9))  # an address for documentation
        except OSError:
            return None
        return str(probe.getsockname()[0])

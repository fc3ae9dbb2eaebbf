"""A real Prometheus (Debian's) in the namespace of a scene: it asks the frontend every second how large its backlog is.
What counts its users' requests is asked as well.

Checks reach it as they would anywhere: through the API server's proxy of its Service, as the playbook's ServiceAccount.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.stage.kubectl import Kubectl, documents
from tests.stage.scene import HERE

SECONDS = 60.0


@dataclass(frozen=True)
class Prometheus:
    kubectl: Kubectl

    def set(self) -> None:
        self.kubectl.apply(documents(HERE / "prometheus.yaml"))
        self.kubectl("rollout", "status", "deployment/prometheus", "--timeout=120s", timeout=150)

    def backlog(self, number: int, *, measured_at: float | None = None) -> None:
        """What every frontend pod says its backlog is; `measured_at` in seconds since 1970, left out: at each question."""
        at = f"echo {measured_at * 1000:.0f} >backlog-at" if measured_at else "rm -f backlog-at"
        told = f"mkdir -p /etc/frontend && cd /etc/frontend && {at} && echo {number} >backlog"
        for pod in self.kubectl("get", "pods", "-l", "component=frontend", "-o", "name").split():
            self.kubectl("exec", pod, "--", "sh", "-c", told)

    def traffic(self, *, good: int = 100, fast: int = 100, slow: int = 100) -> None:
        """From now on, of a hundred requests: how many are answered, within 0.5 s, and within 2.5 s."""
        told = f"cd /traffic && echo {good} >good && echo {fast} >fast && echo {slow} >slow"
        self.kubectl("exec", "deployment/prometheus", "-c", "traffic", "--", "sh", "-c", told)

    @contextmanager
    def on_loopback(self, cluster: Any) -> Iterator[str]:
        """Its origin on this machine, as long as the block lasts: a place outside of the cluster's own Services."""
        to = [str(cluster.cluster.kubectl), f"--kubeconfig={cluster.kubeconfig}", "-n", self.kubectl.namespace, "port-forward"]
        with subprocess.Popen([*to, "service/prometheus", ":9090"], stdout=subprocess.PIPE, text=True) as forwarding:
            try:
                assert forwarding.stdout is not None
                told = forwarding.stdout.readline()  # Forwarding from 127.0.0.1:41234 -> 9090
                yield f"http://{told.split()[2]}"
            finally:
                forwarding.terminate()

    def ask(self, query: str) -> list[float]:
        """The values of an instant query, asked as the administrator."""
        path = f"/api/v1/namespaces/{self.kubectl.namespace}/services/http:prometheus:9090/proxy/api/v1/query?query={quote(query)}"
        return [float(sample["value"][1]) for sample in json.loads(self.kubectl("get", "--raw", path))["data"]["result"]]

    def until(self, query: str, values: list[float]) -> None:
        """Asks again and again: each question takes its time, and nothing sleeps in between."""
        end, seen = time.monotonic() + SECONDS, self.ask(query)
        while seen != values:
            assert time.monotonic() < end, f"{query} is {seen}, expected {values} within {SECONDS:.0f} s"
            seen = self.ask(query)

    def tells(self, number: int, **how: float) -> None:
        """The frontend has this backlog, and Prometheus knows it."""
        self.backlog(number, **how)
        self.until("frontend_backlog", [number])

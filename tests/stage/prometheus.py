"""A real Prometheus (Debian's) in the namespace of a scene: it asks the frontend every second how large its backlog is.

Checks reach it as they would anywhere: through the API server's proxy of its Service, as the playbook's ServiceAccount.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
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

"""One namespace with a real PostgreSQL, clients that can leak its connections, and the playbook for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.stage.kubectl import documents
from tests.stage.people import ON_CALL, people
from tests.stage.scene import AUREUS, HERE, Edit, Scene, calm

COUNT = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"


@dataclass(frozen=True)
class DatabaseScene(Scene):
    def set(self, playbook: Edit = lambda _: None, access: Edit = lambda _: None) -> None:
        """The database with three clients; the shipped playbook and its access, each edited; the people."""
        self.kubectl.apply(documents(HERE / "database.yaml"))
        self.kubectl.apply(documents(AUREUS / "policy.yaml", calm))
        self.kubectl.apply(documents(AUREUS / "database-connections-access.yaml", self._here(access)))
        self.kubectl.apply(people())
        self.kubectl.apply(documents(AUREUS / "database-connections.yaml", self._here(playbook)))
        for workload in ("statefulset/database", "deployment/leaky-frontend"):
            self.kubectl("rollout", "status", workload, "--timeout=120s", timeout=150)

    def query(self, sql: str) -> str:
        """As the superuser, for whom connections are reserved."""
        return self.kubectl("exec", "database-0", "--", "psql", "-U", "aureus", "-d", "aureus_metadata", "-Atc", sql).strip()

    def connections(self) -> int:
        return int(self.query(COUNT))

    def sessions(self, of: str) -> set[str]:
        """Process numbers of the sessions of `pool` or `leak`."""
        return set(self.query(f"SELECT pid FROM pg_stat_activity WHERE application_name = '{of}'").split())

    def idle(self, seconds: int) -> int:
        """How many have been idle for longer."""
        state = f"state = 'idle' AND state_change < now() - make_interval(secs => {seconds})"
        return int(self.query(f"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND {state}"))

    def clients(self) -> list[str]:
        return self.kubectl("get", "pods", "-l", "component=leaky-frontend", "-o", "name").split()

    def leak(self, each: int, *clients: str) -> None:
        """Every client, or each of these, leaks so many connections. One that is refused is not tried again."""
        for client in clients or self.clients():
            self.kubectl("exec", client, "--", "sh", "-c", f"echo {each} >/tmp/leak")

    def ask(self) -> str:
        """What a new client's question comes to; raises with what psql said."""
        return self.kubectl("exec", self.clients()[0], "--", "psql", "-Atc", "SELECT 'served'").strip()

    def replicas(self) -> int:
        return self.kubectl.get("deployment", "leaky-frontend")["spec"]["replicas"]

    def open(self, name: str = "too-many-connections", **spec: Any) -> str:
        body = {"title": "Pages time out", "type": "availability", "severity": "P1", "component": "database", **spec}
        document = {"apiVersion": "stanch.dev/v1alpha1", "kind": "Incident", "metadata": {"name": name}}
        self.on_call.create({**document, "spec": {"openedBy": ON_CALL, **body}})
        return name

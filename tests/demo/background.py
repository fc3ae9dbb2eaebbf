"""The operator as a process that outlives who started it, known again later by a record that cannot mean another process."""

from __future__ import annotations

import json
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import yaml

from tests.cluster.model import ClusterError
from tests.cluster.paths import write
from tests.cluster.process import Process
from tests.cluster.run import wait_for
from tests.demo import place
from tests.stage.account import kubeconfig_of
from tests.stage.install import SHIPPED
from tests.stage.kubectl import Kubectl
from tests.stage.operator import OperatorProcess

LEADING_SECONDS = 60.0
# It ends its ticks and gives its Lease back; without an API server it cannot, and is ended.
GRACE_SECONDS = 10.0


def record() -> Process:
    return Process(place.state() / "operator.json", ("run", str(_kubeconfig())))


def _kubeconfig() -> Path:
    return place.state() / "operator.kubeconfig"


class Background(OperatorProcess):
    """Under the ServiceAccount that is shipped, with a token of its own; detached, so that a Ctrl-C does not reach it."""

    def __init__(self, kubectl: Kubectl) -> None:
        super().__init__(kubectl, place.state(), (place.NAMESPACE,), packs=place.packs())

    def launch(self) -> int:
        """Starts it, and returns its process ID at once; `await_leading` waits."""
        write(_kubeconfig(), yaml.safe_dump(kubeconfig_of(self.kubectl.inside(self.namespace), "stanch")))
        self._since = self.log.stat().st_size if self.log.exists() else 0
        process = record()
        process.start(self._command(_kubeconfig()), self.log)
        return process.pid or 0

    def await_leading(self) -> None:
        """Raises ClusterError with the end of its log when it ends, or does not lead in time."""
        process = record()

        def leads() -> bool:
            if b"operator.leading" in self.log.read_bytes()[self._since :]:
                return True
            if process.pid is None:
                raise ClusterError(f"the operator ended by itself:\n{self._said()}")
            return False

        wait_for(f"the operator leading (its log: {place.tilde(self.log)})", leads, LEADING_SECONDS)

    def _said(self) -> str:
        return self.log.read_bytes()[self._since :][-3000:].decode(errors="replace").strip()


def standing() -> str:
    """One sentence on the operator, for whoever looks for what went wrong."""
    does = "has ended by itself" if record().pid is None else "runs"
    return f"The operator {does}; its log: {place.tilde(place.state() / 'operator.log')}"


def ask_to_stop() -> bool:
    """Whether there was one to ask. It ends by itself; `stop` waits for that."""
    pid = record().pid
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    return pid is not None


def stop() -> bool:
    """Ends the operator of an earlier run, gently where it lets itself be. Whether there was one."""
    process = record()
    if not ask_to_stop():
        return False
    try:
        wait_for("the operator's end", lambda: process.pid is None, GRACE_SECONDS, 0.1)
    except ClusterError:
        process.kill()
    return True


def take_leadership_back(kubectl: Kubectl) -> None:
    """An operator that was killed still holds the Lease. It is ours, and ended: the next need not wait for it to expire."""
    if record().pid is not None or not record().record.exists():
        return
    holder = f"{socket.gethostname()}-{json.loads(record().record.read_text())['pid']}"
    leases = kubectl.inside(SHIPPED)
    if leases("get", "lease", "stanch-leader", "--ignore-not-found", "-o", "jsonpath={.spec.holderIdentity}") == holder:
        leases("patch", "lease", "stanch-leader", "--type=merge", "-p", '{"spec":{"holderIdentity":""}}')

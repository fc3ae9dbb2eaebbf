"""A cluster that the user names; never the current context of a kubeconfig."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..addons import add_fake_nodes
from ..model import Cluster, ClusterError, Status
from ..run import run, say, succeeds


class NamedContext:
    """A context of a kubeconfig file. Nothing is created or removed there, only used."""

    name = "named context"

    def __init__(self, cluster: str, context: str, kubeconfig: Path) -> None:
        self.cluster, self.context, self.kubeconfig = cluster, context, kubeconfig

    @classmethod
    def parse(cls, cluster: str, text: str) -> NamedContext:
        """From `context` or `context@kubeconfig`; raises ClusterError without a kubeconfig."""
        context, _, file = text.partition("@")
        default = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
        kubeconfig = Path(file or default).expanduser()
        if not kubeconfig.is_file():
            raise ClusterError(f"STANCH_KUBE_CONTEXT={text}: no file {kubeconfig}; "
                               "give it as context@/path/to/kubeconfig")
        return cls(cluster, context, kubeconfig)

    def up(self, fake_nodes: int = 0) -> Cluster:
        """Check that it answers; raises ClusterError."""
        run([*self._kubectl, "get", "--raw", "/readyz"])
        add_fake_nodes(self._kubectl, fake_nodes)
        return Cluster(self.cluster, self.name, self.kubeconfig, Path(self._kubectl[0]),
                       can_run_pods=True, context=self.context)

    def down(self) -> None:
        """Nothing: what the user brought stays as it is."""
        say(f"context {self.context}: is yours, left as it is")

    def load_image(self, archive: Path) -> None:
        """Refused: there is no common way to give a node an image. Raises ClusterError."""
        raise ClusterError(f"{archive}: push it to a registry that {self.context} can pull from")

    def status(self) -> Status:
        """Whether it answers."""
        answers = succeeds([*self._kubectl, "get", "--raw", "/readyz"], timeout=20)
        parts = {"kube-apiserver": "running" if answers else "stopped"}
        return Status(self.cluster, self.name, "up" if answers else "broken", parts,
                      str(self.kubeconfig))

    @property
    def _kubectl(self) -> list[str]:
        program = shutil.which("kubectl")
        if not program:
            raise ClusterError("kubectl: not found; install it to use a named context")
        return [program, f"--kubeconfig={self.kubeconfig}", f"--context={self.context}"]

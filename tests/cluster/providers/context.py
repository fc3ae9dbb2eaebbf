"""A cluster that the user names; never the current context of a kubeconfig."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..addons import add_fake_nodes
from ..model import Cluster, ClusterError, Status, checked_name
from ..paths import kubeconfig, state_dir, write
from ..run import run, say, succeeds


class NamedContext:
    """A context of a kubeconfig file. Nothing is created or removed there, only used."""

    name = "named context"

    def __init__(self, cluster: str, context: str, source: Path) -> None:
        self.cluster, self.context, self.source = checked_name(cluster), context, source

    @classmethod
    def parse(cls, cluster: str, text: str) -> NamedContext:
        """From `context` or `context@kubeconfig`; raises ClusterError without a kubeconfig."""
        context, _, file = text.partition("@")
        default = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
        source = Path(file or default).expanduser()
        if not source.is_file():
            raise ClusterError(f"STANCH_KUBE_CONTEXT={text}: no file {source}; give it as context@/path/to/kubeconfig")
        return cls(cluster, context, source)

    def up(self, fake_nodes: int = 0) -> Cluster:
        """Check that it answers, and note this one context in a file of ours; raises ClusterError."""
        run([*self._kubectl, "get", "--raw", "/readyz"])
        add_fake_nodes(self._kubectl, fake_nodes)
        # A copy with nothing else in it: nobody who uses it can end up in another context.
        alone = run([*self._kubectl, "config", "view", "--minify", "--flatten", "--raw"])
        return Cluster(self.cluster, self.name, write(kubeconfig(self.cluster), alone), Path(self._kubectl[0]), can_run_pods=True)

    def down(self) -> None:
        """Forget our note of it; the cluster itself is the user's and stays as it is."""
        say(f"context {self.context}: is yours, left as it is")
        shutil.rmtree(state_dir(self.cluster), ignore_errors=True)

    def load_image(self, archive: Path) -> None:
        """Refused: there is no common way to give a node an image. Raises ClusterError."""
        raise ClusterError(f"{archive}: push it to a registry that {self.context} can pull from")

    def status(self) -> Status:
        """Whether it answers."""
        answers = succeeds([*self._kubectl, "get", "--raw", "/readyz"], timeout=20)
        parts = {"kube-apiserver": "running" if answers else "stopped"}
        noted = kubeconfig(self.cluster)
        state = "down" if not noted.exists() else "up" if answers else "broken"
        return Status(self.cluster, self.name, state, parts, str(noted) if noted.exists() else None)

    @property
    def _kubectl(self) -> list[str]:
        program = shutil.which("kubectl")
        if not program:
            raise ClusterError("kubectl: not found; install it to use a named context")
        return [program, f"--kubeconfig={self.source}", f"--context={self.context}"]

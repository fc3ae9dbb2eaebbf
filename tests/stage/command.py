"""The command `stanch` as a person types it: a process of its own, with that person's kubeconfig."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.stage.kubectl import Kubectl


@dataclass(frozen=True)
class Stanch:
    """`kubectl` says cluster, namespace and person."""

    kubectl: Kubectl
    folder: Path

    def __call__(self, *arguments: str, timeout: float = 60) -> str:
        """What it prints. Raises with all that it said when it ends otherwise than well."""
        command = [str(Path(sys.executable).with_name("stanch")), *arguments, "--kubeconfig", str(self._kubeconfig())]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise CommandError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def _kubeconfig(self) -> Path:
        path = self.folder / f"{self.kubectl.user or 'admin'}.kubeconfig"
        if not path.exists():
            config = yaml.safe_load(self.kubectl.run("config", "view", "--raw", "--minify", "--flatten"))
            for entry in config["users"]:
                entry["user"] |= {"as": self.kubectl.user} if self.kubectl.user else {}
            for entry in config["contexts"]:
                entry["context"]["namespace"] = self.kubectl.namespace
            path.touch(mode=0o600)
            path.write_text(yaml.safe_dump(config))
        return path


class CommandError(Exception):
    """The command did not end well."""

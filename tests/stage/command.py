"""The command `stanch` as a person types it: a process of its own, with that person's kubeconfig."""

from __future__ import annotations

import os
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
        return self._run(subprocess.DEVNULL, arguments, timeout)

    def answering(self, answer: str, *arguments: str, timeout: float = 60) -> str:
        """The same on a terminal, at which a person types that line."""
        ours, theirs = os.openpty()
        try:
            os.write(ours, f"{answer}\n".encode())
            return self._run(theirs, arguments, timeout)
        finally:
            os.close(ours)
            os.close(theirs)

    def _run(self, stdin: int, arguments: tuple[str, ...], timeout: float) -> str:
        command = [str(Path(sys.executable).with_name("stanch")), *arguments, "--kubeconfig", str(self._kubeconfig())]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, stdin=stdin)
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

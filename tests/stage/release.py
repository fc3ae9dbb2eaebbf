"""The shipped chart as one test installs it: by Helm, from a copy that collides with no other's."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.chart.build import helm
from tests.cluster.run import run
from tests.stage.account import keep
from tests.stage.kubectl import Kubectl
from tests.stage.overlay import MANIFESTS

CHART = MANIFESTS / "chart"
NAME = "stanch"
# Some are cluster-scoped, and of a fixed name: one release a cluster.
FIXED = re.compile(r"\bstanch-(operator|uninstall)\b")


@dataclass(frozen=True)
class Release:
    """In `folder`; watches the namespace `watched`, and nothing else. CRDs and admission policies are every test's."""

    folder: Path
    watched: str

    @property
    def namespace(self) -> str:
        """The operator's own."""
        return f"{self.watched}-op"

    @property
    def prefix(self) -> str:
        """Of what is cluster-scoped."""
        return f"{self.watched}-"

    def write(self) -> None:
        chart = shutil.copytree(CHART, self.folder / "chart")
        shutil.rmtree(chart / "templates" / "admission")
        for path in chart.glob("templates/*/*.yaml"):
            path.write_text(FIXED.sub(rf"{self.prefix}\g<0>", path.read_text()))

    def apply(self, kubectl: Kubectl) -> None:
        values = (f"watch.namespaces={{{self.watched}}}", "crds.install=false", "roles.create=false")
        told = [word for value in (*values, f"priorityClass.name={self.prefix}stanch") for word in ("--set", value)]
        self.helm(kubectl, "install", NAME, str(self.folder / "chart"), "--create-namespace", *told)

    def leave(self, kubectl: Kubectl) -> str:
        """As a user does it, by one command: what is owed is taken back first, or it fails."""
        return self.helm(kubectl, "uninstall", NAME)

    def remove(self, kubectl: Kubectl) -> None:
        """Whatever is owed; the namespace and the claim stay."""
        self.helm(kubectl, "uninstall", NAME, "--no-hooks")

    def delete(self, kubectl: Kubectl) -> None:
        """Whatever is owed; the namespace and the claim, too, which Helm leaves."""
        self.helm(kubectl, "uninstall", NAME, "--no-hooks", "--ignore-not-found")
        kubectl.run("delete", "namespace", self.namespace, "--ignore-not-found", "--timeout=120s", timeout=150)

    def helm(self, kubectl: Kubectl, *arguments: str) -> str:
        return run_helm(kubectl, self.folder, self.namespace, *arguments)


def run_helm(kubectl: Kubectl, folder: Path, namespace: str, *arguments: str) -> str:
    """Helm finds nothing of the user's; its home is `folder`. Raises ClusterError with what it said."""
    config = yaml.safe_load(kubectl.run("config", "view", "--raw", "--minify", "--flatten"))
    where = ("--namespace", namespace, "--kubeconfig", str(keep(folder / "kubeconfig", config)))
    return run([str(helm()), *arguments, *where], env={"PATH": os.environ["PATH"], "HOME": str(folder)}, timeout=360)

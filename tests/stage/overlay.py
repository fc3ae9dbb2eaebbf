"""The shipped operator as one test installs it: a kustomization on top of the shipped ones, which collides with no other's."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.stage.command import Stanch
from tests.stage.install import CLUSTER_SCOPED
from tests.stage.kubectl import ROOT, Kubectl

MANIFESTS = ROOT / "manifests"
# Where the shipped overlay of a single namespace watches.
EXAMPLE = "aureus"
STAYS = ("Namespace", "PersistentVolumeClaim")


@dataclass(frozen=True)
class Overlay:
    """In `folder`; watches the namespace `watched`, and nothing else. CRDs and admission policies are every test's.

    With these `components` too, what they ask for in the operator's namespace `beside` it, and these variables.
    """

    folder: Path
    watched: str
    components: tuple[str, ...] = ()
    beside: tuple[dict[str, Any], ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """The operator's own."""
        return f"{self.watched}-op"

    @property
    def prefix(self) -> str:
        """Of what is cluster-scoped."""
        return f"{self.watched}-"

    def apply(self, kubectl: Kubectl) -> None:
        kubectl.run("apply", "-k", str(self.folder))

    def leave(self, kubectl: Kubectl) -> str:
        """As a user does it, by two commands: what is owed is taken back first, or it fails."""
        stanch = Stanch(kubectl, self.folder)
        said = stanch(
            "uninstall",
            "--yes",
            "--namespace",
            self.watched,
            "--operator-namespace",
            self.namespace,
            "--timeout",
            "4m",
            timeout=300,
        )
        self.delete(kubectl)
        return said

    def remove(self, kubectl: Kubectl) -> None:
        """Whatever is owed: all but the namespace with its Secrets, and the claim, as Helm does it."""
        gone = [document for document in kubectl.rendered(self.folder) if document["kind"] not in STAYS]
        kubectl.run("delete", "-f", "-", "--timeout=120s", input=yaml.safe_dump_all(gone), timeout=150)

    def delete(self, kubectl: Kubectl) -> None:
        """Whatever is owed."""
        kubectl.run("delete", "-k", str(self.folder), "--ignore-not-found", "--timeout=120s", timeout=150)

    def write(self) -> Path:
        """The folder, for `kubectl apply -k`."""
        moved = self.folder / "moved"
        moved.mkdir(parents=True)
        (moved / "beside.yaml").write_text(yaml.safe_dump_all(self.beside))
        self._kustomization(moved, {
            "resources": [_from(moved, MANIFESTS / "operator"), *(["beside.yaml"] if self.beside else [])],
            "components": [_from(moved, MANIFESTS / "components" / name) for name in self.components],
            "namespace": self.namespace,
            "transformers": [yaml.safe_dump(self._names_of_its_own())],
        })  # fmt: skip
        self._kustomization(self.folder, {
            "resources": ["moved"],
            "components": [_from(self.folder, MANIFESTS / "components" / "single-namespace")],
            "patches": [self._binding(), self._watching()],
        })  # fmt: skip
        return self.folder

    def _names_of_its_own(self) -> dict[str, Any]:
        kinds = (*CLUSTER_SCOPED, "PriorityClass")
        return {
            "apiVersion": "builtin", "kind": "PrefixTransformer", "metadata": {"name": "own"}, "prefix": self.prefix,
            "fieldSpecs": [{"kind": kind, "path": "metadata/name"} for kind in kinds],
        }  # fmt: skip

    def _binding(self) -> dict[str, Any]:
        values = {"/metadata/namespace": self.watched, "/subjects/0/namespace": self.namespace}
        patch = [{"op": "replace", "path": path, "value": value} for path, value in values.items()]
        return {"target": {"kind": "RoleBinding", "namespace": EXAMPLE}, "patch": json.dumps(patch)}

    def _watching(self) -> dict[str, Any]:
        told = {"STANCH_NAMESPACES": self.watched, **self.variables}
        container = {"name": "stanch", "env": [{"name": name, "value": value} for name, value in told.items()]}
        spec = {"template": {"spec": {"containers": [container]}}}
        patch = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "stanch"}, "spec": spec}
        return {"target": {"kind": "Deployment"}, "patch": json.dumps(patch)}

    def _kustomization(self, folder: Path, said: dict[str, Any]) -> None:
        head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
        (folder / "kustomization.yaml").write_text(yaml.safe_dump({**head, **said}, sort_keys=False))


def on_top(folder: Path, overlay: str, *components: str) -> Path:
    """A kustomization, as a person's, of a shipped overlay with these components."""
    base, *parts = (_from(folder, MANIFESTS / name) for name in (overlay, *components))
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({"resources": [base], "components": parts}))
    return folder


def _from(folder: Path, goal: Path) -> str:
    """Kustomize takes no absolute paths."""
    return os.path.relpath(goal, folder.resolve())

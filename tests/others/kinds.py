"""CRDs out of Go modules that are locked in `modules/`, kept in the cache outside the checkout."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.model import ClusterError
from tests.cluster.paths import cache_root
from tests.cluster.progress import step
from tests.cluster.run import locked, run
from tests.stage.kubectl import Kubectl, established

Document = dict[str, Any]
MODULES = Path(__file__).resolve().parent / "modules"
FLUX, PROMETHEUS = "github.com/fluxcd", "github.com/prometheus-operator/prometheus-operator"
# By kind: the module, and the file in it.
FILES = {
    "Application": ("github.com/argoproj/argo-cd/v3", "manifests/crds/application-crd.yaml"),
    "Kustomization": (f"{FLUX}/kustomize-controller", "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml"),
    "HelmRelease": (f"{FLUX}/helm-controller", "config/crd/bases/helm.toolkit.fluxcd.io_helmreleases.yaml"),
    "ServiceMonitor": (PROMETHEUS, "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"),
    "PrometheusRule": (PROMETHEUS, "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"),
}
RECONCILERS = ("Application", "Kustomization", "HelmRelease")
MONITORING = ("ServiceMonitor", "PrometheusRule")


def crd(kind: str) -> Document:
    """Raises ClusterError where it cannot be fetched."""
    return yaml.safe_load((kept() / f"{kind}.yaml").read_text(encoding="utf-8"))


def serve(cluster: Any, *kinds: str) -> None:
    """Returns when the API server serves them. What is there is left as it is: a cluster that somebody named has its own."""
    found = [crd(kind) for kind in kinds]
    with cluster.installing():
        for one in found:
            if not cluster.kubectl("get", "crd", one["metadata"]["name"], "--ignore-not-found", "-o", "name"):
                # Not applied: some are longer than the annotation of kubectl's apply may be.
                Kubectl(cluster.kubectl).create(one)
    established(cluster.kubectl, *(f"crd/{one['metadata']['name']}" for one in found))


def kept() -> Path:
    """The folder with a file for each kind."""
    folder = cache_root() / "crds"
    goal = folder / digest()
    with locked(folder / "lock", "fetching CRDs of other projects"):
        if not goal.exists():
            with step("fetching CRDs of other projects (once)"):
                _fetch(goal)
    return goal


def digest() -> str:
    parts = [path.read_bytes() for path in (*sorted(MODULES.iterdir()), Path(__file__))]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:12]


def _fetch(goal: Path) -> None:
    """Beside the goal, then renamed: half of them is never used."""
    part = goal.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    folders = _folders()
    for kind, (module, path) in FILES.items():
        shutil.copyfile(Path(folders[module]) / path, part / f"{kind}.yaml")
    part.replace(goal)


def _folders() -> dict[str, str]:
    """Where Go keeps each module, which it has compared with `go.sum`."""
    if not shutil.which("go"):
        raise ClusterError("go: not found, and CRDs of other projects are fetched with it; install Go")
    environment = {**os.environ, "GOFLAGS": "", "GOWORK": "off"}
    with tempfile.TemporaryDirectory() as copy:
        # Go may write into the folder of a module.
        shutil.copytree(MODULES, copy, dirs_exist_ok=True)
        said = run(["go", "mod", "download", "-json"], env=environment, cwd=Path(copy), timeout=1800)
    return {module["Path"]: module["Dir"] for module in _objects(said)}


def _objects(text: str) -> Iterator[Document]:
    """JSON objects, one after the other."""
    decoder, text = json.JSONDecoder(), text.strip()
    while text:
        found, end = decoder.raw_decode(text)
        yield found
        text = text[end:].lstrip()

"""A kubeconfig with which a program speaks under a ServiceAccount, not as admin."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stanch.api.needs import OPERATOR
from tests.stage.install import install_operator, uninstall_operator
from tests.stage.kubectl import Kubectl


@dataclass(frozen=True)
class Account:
    """The operator's ServiceAccount: the namespace that it is in, and a kubeconfig that speaks under it."""

    namespace: str
    kubeconfig: Path


@contextmanager
def installed_operator(kubectl: Kubectl, namespace: str, folder: Path) -> Iterator[Account]:
    """Its account and rights as shipped, for a test that is the operator itself."""
    install_operator(kubectl, namespace)
    yield Account(namespace, keep(folder / "operator.kubeconfig", kubeconfig_of(kubectl.inside(namespace), OPERATOR)))
    uninstall_operator(kubectl, namespace)


def kubeconfig_of(kubectl: Kubectl, account: str, server: str = "") -> dict[str, Any]:
    """Of a ServiceAccount in kubectl's namespace. `server` replaces the API server's address."""
    token = kubectl("create", "token", account, "--duration=12h").strip()
    shown = json.loads(kubectl.run("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
    cluster = shown["clusters"][0]["cluster"]
    if path := cluster.pop("certificate-authority", ""):
        cluster["certificate-authority-data"] = base64.b64encode(Path(path).read_bytes()).decode()
    cluster = {**cluster, "server": server or cluster["server"]}
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": account,
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "users": [{"name": account, "user": {"token": token}}],
        "contexts": [{"name": account, "context": {"cluster": "cluster", "user": account, "namespace": kubectl.namespace}}],
    }  # fmt: skip


def keep(path: Path, kubeconfig: dict[str, Any]) -> Path:
    """In a file that nobody else reads."""
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(kubeconfig))
    return path

"""Where the demo keeps what it needs, beside the cluster: below the cache folder, so that a checkout stays clean."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import yaml

from tests.cluster.model import Cluster
from tests.cluster.paths import cache_root, write
from tests.stage.kubectl import Kubectl

DEMO = "stanch-demo"
NAMESPACE = "aureus"
# In the state folder; held by the one who plays the demo or removes it.
LOCK = "lock"


def cluster() -> str:
    """Whose name it bears; the demo's own test plays it on the cluster that the other tests are on."""
    return os.environ.get("STANCH_DEMO_CLUSTER") or DEMO


def state() -> Path:
    return cache_root() / ("demo" if cluster() == DEMO else f"demo-on-{cluster()}")


def packs() -> Path:
    return state() / "packs"


def kubeconfig() -> Path:
    """The demo's own: one context, the demo's namespace. The user's current context is never touched."""
    return state() / "kubeconfig"


def programs() -> Path:
    """A folder for the PATH: kubectl that fits the cluster, stanch, kubectl-stanch."""
    return state() / "bin"


def program(name: str) -> Path:
    """One of the checkout's Python environment."""
    return Path(sys.executable).with_name(name)


def tilde(path: Path | str, home: Path | None = None) -> str:
    """As a person would type it in a shell."""
    home = home or Path.home()
    inside = Path(path).is_relative_to(home) and home != Path("/")
    return f"~/{Path(path).relative_to(home)}" if inside else str(path)


def furnish(kubectl: Kubectl, cluster: Cluster) -> None:
    """Writes what a person needs to go on: kubeconfig, and the programs in one folder."""
    config = yaml.safe_load(kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "yaml"))
    config["contexts"][0]["context"]["namespace"] = NAMESPACE
    config["current-context"] = config["contexts"][0]["name"]
    write(kubeconfig(), yaml.safe_dump(config))
    programs().mkdir(parents=True, exist_ok=True)
    for name, target in {
        "kubectl": cluster.kubectl,
        "stanch": program("stanch"),
        "kubectl-stanch": program("kubectl-stanch"),
    }.items():
        (programs() / name).unlink(missing_ok=True)
        (programs() / name).symlink_to(target)

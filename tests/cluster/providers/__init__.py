"""Which cluster to use: the one that the user names, else kind, else local binaries."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

from ..model import ClusterError, Provider
from ..paths import state_dir
from ..run import say, succeeds


def choose(name: str) -> Provider:
    """The provider for this machine, said aloud in one line; raises ClusterError if none fits."""
    provider, why = _first_that_fits(name)
    say(f"cluster {name}: {provider.name}, because {why}")
    return provider


def existing(name: str) -> Provider:
    """The provider that holds the cluster of this name, else the one that would."""
    from .assets import Assets
    from .local import Local

    if (state_dir(name) / "network.json").exists():
        return Local(name)
    if (state_dir(name) / "ports.json").exists():
        return Assets(name, Path(os.environ.get("KUBEBUILDER_ASSETS", "")))
    return _first_that_fits(name)[0]


def docker_answers() -> bool:
    """Whether a Docker daemon can be reached from here."""
    return bool(shutil.which("docker")) and succeeds(["docker", "info"], timeout=20)


def _first_that_fits(name: str) -> tuple[Provider, str]:
    from .context import NamedContext
    from .kind import Kind
    from .local import Local

    named = os.environ.get("STANCH_KUBE_CONTEXT")
    if named:
        return NamedContext.parse(name, named), f"STANCH_KUBE_CONTEXT={named}"
    if docker_answers():
        return Kind(name), "Docker answers"
    if sys.platform == "linux" and os.geteuid() == 0:
        return Local(name), "Docker does not answer, and this is root on Linux"
    raise ClusterError(
        f"no way to a cluster on this {platform.system()}: start Docker, or run as root on "
        "Debian with Go installed, or set STANCH_KUBE_CONTEXT=context[@kubeconfig]"
    )

"""The words that providers, the command line and the fixtures share."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?")


class ClusterError(Exception):
    """Something a person has to see: says what was wrong, where, and what to do."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that is up, and how to reach it."""

    name: str
    provider: str
    kubeconfig: Path
    kubectl: Path
    can_run_pods: bool
    audit_log: Path | None = None  # JSON lines; None where the provider has no way to it
    host_address: str | None = None  # where pods reach a server that runs on this machine


@dataclass(frozen=True)
class Status:
    """What is there, for `status`; `parts` maps a component to what it is doing."""

    name: str
    provider: str
    state: str  # "up", "down", "broken"
    parts: dict[str, str]
    kubeconfig: str | None = None

    def as_json(self) -> dict[str, object]:
        """The same as plain JSON types."""
        return asdict(self)


class Provider(Protocol):
    """One way to have a cluster. Each method may be called again without harm."""

    name: str

    def up(self, fake_nodes: int = 0) -> Cluster:
        """Bring the cluster up, or repair it; raises ClusterError."""

    def down(self) -> None:
        """Remove what `up` made, and nothing else; raises ClusterError."""

    def load_image(self, archive: Path) -> None:
        """Make the images of a docker-archive known to the node; raises ClusterError."""

    def status(self) -> Status:
        """What is there now; never raises for a broken cluster."""


def checked_name(name: str) -> str:
    """The name itself, when it can serve in host names, paths and link names."""
    if not NAME.fullmatch(name):
        raise ClusterError(f"cluster name {name!r}: use 1 to 20 of a-z, 0-9 and '-', with a letter or digit at both ends")
    return name

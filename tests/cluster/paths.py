"""Where things are kept: all of it outside the checkout, all of it below one folder."""

from __future__ import annotations

import os
from pathlib import Path

from .model import ClusterError, checked_name

SOURCE = Path(__file__).resolve().parent

# The node has a /run and a /var/log of its own, so what lies below these is not seen in it.
HIDDEN_IN_NODE = ("/run/", "/var/run/", "/var/log/", "/proc/", "/sys/", "/dev/")


def cache_root() -> Path:
    """`$STANCH_CACHE`, else `stanch` in the user's cache folder; raises ClusterError."""
    named = os.environ.get("STANCH_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    root = Path(named).expanduser() if named else Path(base) / "stanch"
    root = root.absolute()
    if str(root).startswith(HIDDEN_IN_NODE):
        raise ClusterError(f"cache folder {root}: choose a place on disk; set STANCH_CACHE")
    return root


def clusters_dir() -> Path:
    """The folder with one folder for each cluster."""
    return cache_root() / "clusters"


def state_dir(name: str) -> Path:
    """The folder of one cluster (not created here)."""
    return clusters_dir() / checked_name(name)


def kubeconfig(name: str) -> Path:
    """The kubeconfig of one cluster; the user's own is never touched."""
    return state_dir(name) / "kubeconfig"


def write(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    """Write a file as a whole or not at all, with its folder; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(text.encode() if isinstance(text, str) else text)
    part.chmod(mode)
    part.replace(path)
    return path

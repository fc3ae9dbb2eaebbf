"""A cgroup of its own for each cluster: two kubelets in one would remove each other's pods."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
WANTED = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")


def cgroup_name(cluster: str) -> str:
    """The name below each hierarchy's root."""
    return f"stanch-{cluster}"


def create(cluster: str) -> None:
    """Make the cluster's cgroup in every hierarchy (version 1) or in the one (version 2)."""
    for top in _hierarchies():
        own = top / cgroup_name(cluster)
        own.mkdir(exist_ok=True)
        if (top / "cgroup.controllers").exists():
            _delegate(top)
            _delegate(own)
        _inherit_cpuset(top, own)


def remove(cluster: str) -> None:
    """Remove the cluster's cgroups; they have to be empty of processes."""
    for top in _hierarchies():
        _remove_tree(top / cgroup_name(cluster))


def leftovers(cluster: str) -> list[Path]:
    """Those that are still there."""
    return [p for top in _hierarchies() if (p := top / cgroup_name(cluster)).exists()]


def _hierarchies() -> list[Path]:
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT]
    # Version 1: a folder for each controller; links (cpu → cpu,cpuacct) name the same again.
    return [p for p in sorted(ROOT.iterdir()) if not p.is_symlink() and (p / "cgroup.procs").exists()]


def _delegate(group: Path) -> None:
    """Let the groups below have every controller that this one has (version 2)."""
    available = (group / "cgroup.controllers").read_text().split()
    for controller in (c for c in WANTED if c in available):
        with contextlib.suppress(OSError):  # one that the kernel holds back is the kubelet's to report
            (group / "cgroup.subtree_control").write_text(f"+{controller}")


def _inherit_cpuset(top: Path, own: Path) -> None:
    """A new cpuset of version 1 is empty, and nothing can run in it."""
    for setting in ("cpuset.cpus", "cpuset.mems"):
        if (own / setting).exists() and not (top / "cgroup.controllers").exists():
            (own / setting).write_text((top / setting).read_text())


def _remove_tree(group: Path) -> None:
    for child in sorted(group.rglob("*"), reverse=True) if group.exists() else []:
        if child.is_dir():
            _remove(child)
    _remove(group)


def _remove(group: Path) -> None:
    """The kernel says busy until the last process in it is wholly gone."""
    for _ in range(50):
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.1)

"""File systems out of Docker's images, for machines with Docker, which need not be Debian."""

from __future__ import annotations

from pathlib import Path

from .paths import cache_root
from .run import run


def exported(image: str) -> Path:
    """The image's file system as a tar file in the cache; raises ClusterError where it cannot be had."""
    goal = cache_root() / "docker" / f"{image.replace(':', '-')}.tar"
    if not goal.exists():
        _export(image, goal)
    return goal


def _export(image: str, goal: Path) -> None:
    goal.parent.mkdir(parents=True, exist_ok=True)
    part = goal.with_suffix(".part")
    container = run(["docker", "create", image], timeout=600).strip()
    try:
        run(["docker", "export", "--output", str(part), container], timeout=300)
        part.replace(goal)
    finally:
        run(["docker", "rm", container])

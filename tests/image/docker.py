"""The same build on machines with Docker, which need not be Debian: inside a container of it.

This was NOT run on the machine that it was written on (no Docker daemon there).
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from tests.cluster.progress import step
from tests.cluster.run import run

from .python import ROOT

DEBIAN = "python:3.11-slim-bookworm"
BUILD = 'pip install --quiet "$@" && exec python -m tests.image --out /out'


def build(folder: Path) -> Path:
    """Writes archive and bill into that folder; returns the archive. Raises ClusterError."""
    # As locked: these come from the environment that this runs in.
    builders = [f"{name}=={version(name)}" for name in ("hatchling", "uv")]
    mounts = ["--volume", f"{ROOT}:/source:ro", "--volume", f"{folder.resolve()}:/out", "--workdir", "/source"]
    with step("image of stanch, in Docker"):
        run(["docker", "run", "--rm", *mounts, DEBIAN, "sh", "-c", BUILD, "sh", *builders], timeout=1800)
    return next(folder.glob("*.oci.tar"))

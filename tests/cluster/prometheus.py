"""The files of a real Prometheus, to build an image on: one program, which needs the base's C library alone."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .apt import APT
from .archive import Entry, unpacked
from .docker import exported
from .model import ClusterError
from .paths import cache_root, write
from .run import run, say

# For machines with Docker, which need not be Debian.
DOCKER_IMAGE = "prom/prometheus:v2.42.0"

GOAL = "usr/bin/prometheus"


def rootfs(base: dict[str, Entry], *, docker: bool) -> dict[str, Entry]:
    """`base`, Prometheus, and where it keeps its data. Raises ClusterError."""
    program = unpacked(exported(DOCKER_IMAGE))["bin/prometheus"] if docker else Entry(_from_debian().read_bytes())
    return {**base, GOAL: program, "prometheus": Entry(mode=0o1777)}


def _from_debian() -> Path:
    """As a file in the cache."""
    goal = cache_root() / "prometheus" / "prometheus"
    return goal if goal.exists() else write(goal, _downloaded(), 0o755)


def _downloaded() -> bytes:
    """The program out of Debian's package, which is fetched but not installed."""
    say("apt: update, to download Prometheus")
    run([*APT, "update"], timeout=600)
    say("apt: downloading prometheus (not installed: it goes into an image)")
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        run([*APT, "download", "prometheus"], cwd=here, timeout=600)
        package = next(here.glob("prometheus_*.deb"), None)
        if package is None:
            raise ClusterError("apt-get download prometheus: left no package; is this Debian, and are its package lists whole?")
        run(["dpkg-deb", "--extract", str(package), str(here / "x")])
        return (here / "x" / GOAL).read_bytes()

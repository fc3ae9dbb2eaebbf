"""The files of a real Prometheus, to build an image on: one program, which needs the base's C library alone; and promtool."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .apt import APT
from .archive import Entry, unpacked
from .docker import exported
from .model import ClusterError
from .paths import cache_root, write
from .run import locked, run, say

# For machines with Docker, which need not be Debian.
DOCKER_IMAGE = "prom/prometheus:v2.42.0"

GOAL = "usr/bin/prometheus"
PROGRAMS = ("prometheus", "promtool")


def rootfs(base: dict[str, Entry], *, docker: bool) -> dict[str, Entry]:
    """`base`, Prometheus, and where it keeps its data. Raises ClusterError."""
    program = unpacked(exported(DOCKER_IMAGE))["bin/prometheus"] if docker else Entry(_from_debian("prometheus").read_bytes())
    return {**base, GOAL: program, "prometheus": Entry(mode=0o1777)}


def promtool(folder: Path, *arguments: str, docker: bool) -> str:
    """What the program that judges rules says about files of this folder. Raises ClusterError."""
    inside = ["docker", "run", "--rm", "--volume", f"{folder}:/rules:ro", "--workdir=/rules", "--entrypoint=promtool", DOCKER_IMAGE]
    program = inside if docker else [str(_from_debian("promtool"))]
    return run([*program, *arguments], cwd=folder, timeout=600)


def _from_debian(name: str) -> Path:
    """As a file in the cache."""
    folder = cache_root() / "prometheus"
    with locked(folder / "lock", "downloading Prometheus"):
        if not (folder / name).exists():
            _download(folder)
    return folder / name


def _download(folder: Path) -> None:
    """The programs out of Debian's package, which is fetched but not installed."""
    say("apt: update, to download Prometheus")
    run([*APT, "update"], timeout=600)
    say("apt: downloading prometheus (not installed: it goes into an image)")
    with tempfile.TemporaryDirectory() as temporary:
        here = Path(temporary)
        run([*APT, "download", "prometheus"], cwd=here, timeout=600)
        package = next(here.glob("prometheus_*.deb"), None)
        if package is None:
            raise ClusterError("apt-get download prometheus: left no package; is this Debian, and are its package lists whole?")
        run(["dpkg-deb", "--extract", str(package), str(here / "x")])
        # What is there stays: an image was built of it.
        for name in (name for name in PROGRAMS if not (folder / name).exists()):
            write(folder / name, (here / "x/usr/bin" / name).read_bytes(), 0o755)

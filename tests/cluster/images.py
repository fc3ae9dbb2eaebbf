"""The images that tests and the demo run, built here because no registry is at hand."""

from __future__ import annotations

from pathlib import Path

from . import busybox, postgres, prometheus
from .archive import Entry, Image
from .paths import SOURCE, cache_root

PAUSE = "localhost/stanch/pause:v1"
COREDNS = "localhost/stanch/coredns:v1"
FRONTEND = "localhost/stanch/frontend"  # v1 and v2: the same but for what they say they are
TOOLS = "localhost/stanch/tools:v1"
DATABASE = "localhost/stanch/postgres:v1"
CLIENT = "localhost/stanch/leak:v1"  # of that database
PROMETHEUS = "localhost/stanch/prometheus:v1"


def workload_archives(*, docker: bool = False) -> list[Path]:
    """Archives of the images that people's manifests name; raises ClusterError."""
    base = busybox.rootfs(docker=docker)
    own = [_frontend(base, "v1"), _frontend(base, "v2"), _tools(base)]
    return _written([*own, *_databases(base, docker=docker), _prometheus(base, docker=docker)])


def node_archives(binaries: Path) -> list[Path]:
    """Archives of the images that the local node itself needs."""
    return _written([_single(PAUSE, binaries / "pause"), _single(COREDNS, binaries / "coredns")])


def _written(images: list[Image]) -> list[Path]:
    return [image.archive(cache_root() / "images") for image in images]


def _single(ref: str, binary: Path) -> Image:
    return Image(ref, {binary.name: Entry(binary.read_bytes())}, (f"/{binary.name}",))


def _frontend(base: dict[str, Entry], version: str) -> Image:
    files = {**base, **_scripts("frontend", "bin", "start", "answer"), "etc/frontend": Entry()}
    return Image(f"{FRONTEND}:{version}", files, ("/bin/start",), env={"FRONTEND_VERSION": version}, port=8080)


def _tools(base: dict[str, Entry]) -> Image:
    """A shell with wget, nc and nslookup; it waits until it is told to stop."""
    idle = "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done"
    return Image(TOOLS, base, ("/bin/sh", "-c", idle))


def _databases(base: dict[str, Entry], *, docker: bool) -> list[Image]:
    """PostgreSQL, and a client that leaks connections: the same files, another start."""
    files = {**postgres.rootfs(base, docker=docker), **_scripts("database", "usr/local/bin", "start", "client")}
    env = {"POSTGRES_USER": "aureus", "POSTGRES_DB": "aureus_metadata", "APPLICATION_USER": "frontend"}
    return [
        Image(DATABASE, files, ("/usr/local/bin/start",), env=env, port=5432),
        Image(CLIENT, files, ("/usr/local/bin/client",), env={"PGDATABASE": env["POSTGRES_DB"], "PGUSER": env["APPLICATION_USER"]}),
    ]


def _prometheus(base: dict[str, Entry], *, docker: bool) -> Image:
    """It reads its configuration from a mounted file."""
    start = f"/{prometheus.GOAL}", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"
    return Image(PROMETHEUS, prometheus.rootfs(base, docker=docker), start, port=9090)


def _scripts(source: str, folder: str, *names: str) -> dict[str, Entry]:
    return {f"{folder}/{name}": Entry((SOURCE / source / name).read_bytes()) for name in names}

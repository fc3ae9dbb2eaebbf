"""The images that tests and the demo run, built here because no registry is at hand."""

from __future__ import annotations

from pathlib import Path

from .archive import Entry, Image
from .busybox import rootfs
from .paths import SOURCE, cache_root

PAUSE = "localhost/stanch/pause:v1"
COREDNS = "localhost/stanch/coredns:v1"
FRONTEND = "localhost/stanch/frontend"  # v1 and v2: the same but for what they say they are
TOOLS = "localhost/stanch/tools:v1"


def workload_archives(*, docker: bool = False) -> list[Path]:
    """Archives of the images that people's manifests name; raises ClusterError."""
    base = rootfs(docker=docker)
    return _written([_frontend(base, "v1"), _frontend(base, "v2"), _tools(base)])


def node_archives(binaries: Path) -> list[Path]:
    """Archives of the images that the local node itself needs."""
    return _written([_single(PAUSE, binaries / "pause"), _single(COREDNS, binaries / "coredns")])


def _written(images: list[Image]) -> list[Path]:
    return [image.archive(cache_root() / "images") for image in images]


def _single(ref: str, binary: Path) -> Image:
    return Image(ref, {binary.name: Entry(binary.read_bytes())}, (f"/{binary.name}",))


def _frontend(base: dict[str, Entry], version: str) -> Image:
    scripts = {f"bin/{name}": Entry((SOURCE / "frontend" / name).read_bytes()) for name in ("start", "answer")}
    files = {**base, **scripts, "etc/frontend": Entry()}
    return Image(f"{FRONTEND}:{version}", files, ("/bin/start",), env={"FRONTEND_VERSION": version}, port=8080)


def _tools(base: dict[str, Entry]) -> Image:
    """A shell with wget, nc and nslookup; it waits until it is told to stop."""
    idle = "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done"
    return Image(TOOLS, base, ("/bin/sh", "-c", idle))

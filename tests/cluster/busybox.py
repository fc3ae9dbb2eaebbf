"""A small root file system to build images on: busybox with the C library it needs.

Debian's `busybox-static` crashes when it resolves names, so it is the dynamic one.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from .apt import APT
from .archive import Entry, unpacked
from .docker import exported
from .model import ClusterError
from .paths import cache_root, write
from .run import run, say

# For machines with Docker, which need not be Debian; the tag is the version.
DOCKER_IMAGE = "busybox:1.36.1-glibc"

ETC = {
    "etc/passwd": "root:x:0:0:root:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def rootfs(*, docker: bool) -> dict[str, Entry]:
    """The files of the base; raises ClusterError where busybox cannot be had."""
    base = _from_docker() if docker else _from_debian()
    etc = {path: Entry(text.encode(), mode=0o644) for path, text in ETC.items()}
    return {**base, **etc, "tmp": Entry(mode=0o1777)}


def _from_debian() -> dict[str, Entry]:
    binary = cache_root() / "busybox" / "busybox"
    if not binary.exists():
        write(binary, _downloaded(), 0o755)
    applets = run([str(binary), "--list"]).split()
    links = {f"bin/{name}": Entry(link="/bin/busybox") for name in applets if name != "busybox"}
    return {**links, **_libraries(binary), "bin/busybox": Entry(binary.read_bytes())}


def _downloaded() -> bytes:
    """The program out of Debian's package, which is fetched but not installed."""
    say("apt: downloading busybox (not installed: it goes into the images)")
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        run([*APT, "download", "busybox"], cwd=here, timeout=300)
        package = next(here.glob("busybox_*.deb"), None)
        if package is None:
            raise ClusterError("apt-get download busybox: left no package; try apt-get update")
        run(["dpkg-deb", "--extract", str(package), str(here / "x")])
        found = [here / "x/bin/busybox", here / "x/usr/bin/busybox"]
        return next(f for f in found if f.exists()).read_bytes()


def _libraries(binary: Path) -> dict[str, Entry]:
    """The shared libraries as files at the paths where the loader looks for them."""
    paths = re.findall(r"(?:=> |^\s*)(/\S+) \(0x", run(["ldd", str(binary)]), re.M)
    return {path.lstrip("/"): Entry(Path(path).read_bytes()) for path in paths}


def _from_docker() -> dict[str, Entry]:
    return {path: entry for path, entry in unpacked(exported(DOCKER_IMAGE)).items() if path.startswith(("bin/", "lib"))}

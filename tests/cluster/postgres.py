"""The files of a real PostgreSQL, server and psql, to build an image on."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

from .apt import APT
from .archive import Entry, packed, unpacked
from .docker import exported
from .model import ClusterError
from .paths import cache_root, write
from .run import run, say

# For machines with Docker, which need not be Debian.
DOCKER_IMAGE = "postgres:15.14-bookworm"

DEPENDS = ["apt-cache", "depends", *(f"--no-{kind}" for kind in (
    "pre-depends", "recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"))]  # fmt: skip
# The C library comes with the base; LLVM, a hundred megabytes, only makes long queries quicker.
LEFT_OUT = ("libc6", "libc-", "libllvm")
PROGRAMS = ("postgres", "initdb", "psql", "pg_isready")
USER = 70


def rootfs(base: dict[str, Entry], *, docker: bool) -> dict[str, Entry]:
    """`base`, PostgreSQL, and a user of its own: the server refuses to run as root. Raises ClusterError."""
    files = _from_docker() if docker else {**base, **unpacked(_from_debian())}
    passwd = f"root:x:0:0:root:/tmp:/bin/sh\npostgres:x:{USER}:{USER}:postgres:/tmp:/bin/sh\n"
    return {
        **files,
        **_links(files),
        "etc/passwd": Entry(passwd.encode(), mode=0o644),
        "var/run": Entry(link="/run"),
        "run/postgresql": Entry(mode=0o1777),  # where psql looks for the server's socket
        "usr/share/zoneinfo": Entry(),  # looked into; UTC needs nothing in it
    }


def _links(files: dict[str, Entry]) -> dict[str, Entry]:
    """The programs on the PATH: Debian's own `psql` there is a Perl script that chooses between versions."""
    found = [path for path in files if re.fullmatch(r"usr/lib/postgresql/\d+/bin/\w+", path)]
    return {f"usr/bin/{Path(path).name}": Entry(link=f"/{path}") for path in found}


def _from_docker() -> dict[str, Entry]:
    return {path: entry for path, entry in unpacked(exported(DOCKER_IMAGE)).items() if "LLVM" not in path and "llvm" not in path}


def _from_debian() -> Path:
    """A tar file in the cache; its name changes with what is written here about how to make it."""
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    goal = cache_root() / "postgres" / f"postgres-{recipe}.tar"
    if not goal.exists():
        with tempfile.TemporaryDirectory() as folder:
            write(goal, packed(_downloaded(Path(folder))), 0o644)
    return goal


def _downloaded(here: Path) -> dict[str, Entry]:
    """What is needed of Debian's packages, which are fetched but not installed."""
    say("apt: update, to download PostgreSQL")
    run([*APT, "update"], timeout=600)
    packages = _packages()
    say(f"apt: downloading {' '.join(packages)} (not installed: they go into an image)")
    run([*APT, "download", *packages], cwd=here, timeout=600)
    for package in here.glob("*.deb"):
        run(["dpkg-deb", "--extract", str(package), str(here / "x")])
    return _needed(here / "x")


def _packages() -> list[str]:
    """Server and client of Debian's version, and the libraries that they need."""
    found = re.search(r"Depends: (postgresql-(\d+))", run([*DEPENDS, "postgresql"]))
    if not found:
        raise ClusterError("apt-cache depends postgresql: names no version; is this Debian, and are its package lists whole?")
    known: set[str] = set()
    fresh = {found[1], f"postgresql-client-{found[2]}"}
    while fresh:
        known |= fresh
        depends = run([*DEPENDS, *sorted(fresh)])
        fresh = {name for name in re.findall(r"^ +\|?Depends: ((?:lib|zlib)\S+)", depends, re.M) if _wanted(name)} - known
    return sorted(known)


def _wanted(package: str) -> bool:
    return not package.startswith(LEFT_OUT)


def _needed(root: Path) -> dict[str, Entry]:
    """Programs, the server's own files, and the libraries that the loader finds for them."""
    home = next(root.glob("usr/lib/postgresql/*"))
    programs = [home / "bin" / name for name in PROGRAMS]
    modules = [path for path in home.glob("lib/*.so") if "llvm" not in path.name]
    shared = [path for path in (root / "usr/share/postgresql" / home.name).rglob("*") if path.is_file() and "man" not in path.parts]
    files = {path.relative_to(root).as_posix(): _entry(path) for path in (*programs, *modules, *shared)}
    return {**_libraries(root, [*programs, home / "lib/plpgsql.so", home / "lib/dict_snowball.so"]), **files}


def _libraries(root: Path, needing: list[Path]) -> dict[str, Entry]:
    """From the packages, else from this machine (the C library), each at the path where the loader looks for it."""
    folders = ":".join(str(folder) for folder in root.glob("**/*-linux-gnu*") if folder.is_dir())
    listed = run(["ldd", *map(str, needing)], env={**os.environ, "LD_LIBRARY_PATH": folders})
    missing = re.findall(r"(\S+) => not found", listed)
    if missing:
        raise ClusterError(f"PostgreSQL's libraries: {', '.join(sorted(set(missing)))} are in none of the packages downloaded")
    paths = [Path(path) for path in re.findall(r"(?:=> |^\s*)(/\S+) \(0x", listed, re.M)]
    return {(path.relative_to(root) if root in path.parents else path).as_posix().lstrip("/"): _entry(path) for path in paths}


def _entry(path: Path) -> Entry:
    return Entry(path.read_bytes(), mode=path.stat().st_mode & 0o777)

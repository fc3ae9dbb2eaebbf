"""Debian's Python and the libraries that it and the wheels need, out of packages that are fetched, not installed."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from email import message_from_string
from pathlib import Path

from tests.cluster.apt import APT
from tests.cluster.model import ClusterError
from tests.cluster.run import run, say

PYTHON = "python3.11"
# libstdc++ and libgcc are what the wheels of CEL and RE2 are linked with; tar is what `kubectl cp` calls, to take packs out.
WANTED = ("base-files", "ca-certificates", "libgcc-s1", f"lib{PYTHON}-stdlib", "libstdc++6", f"{PYTHON}-minimal", "tar")
# What packages need to be installed, or for modules that stanch does not use (dbm, nis, readline, curses).
LEFT_OUT = {"cdebconf", "debconf", "media-types", "mime-support", "openssl"}
LEFT_OUT |= {"libdb5.3", "libnsl2", "libtirpc3", "libreadline8", "libncursesw6", "libtinfo6"}
DEPENDS = ["apt-cache", "depends", *(f"--no-{kind}" for kind in (
    "recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"))]  # fmt: skip
# As distroless images keep it, so that scanners know the packages: one control file each.
STATUS = "var/lib/dpkg/status.d"
# Licences stay, with everything that a program reads.
SHARED = {"base-files", "ca-certificates", "common-licenses", "doc"}
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
USER = 65532


def install(root: Path) -> None:
    """Puts the packages' newest versions there; raises ClusterError where apt cannot give them."""
    say("apt: update, to download Debian's Python")
    run([*APT, "update"], timeout=600)
    packages = _packages()
    say(f"apt: downloading {' '.join(packages)} (not installed: they go into the image)")
    fetched = root.with_name("packages")
    fetched.mkdir()
    run([*APT, "download", *packages], cwd=fetched, timeout=600)
    for package in sorted(fetched.glob("*.deb")):
        run(["dpkg-deb", "--extract", str(package), str(root)])
        _write(root / STATUS / package.name.partition("_")[0], run(["dpkg-deb", "--field", str(package)]))
    _tidy(root)


def interpreter(root: Path) -> tuple[list[str], dict[str, str]]:
    """How the Python of that folder is run here, with its own libraries; and its environment."""
    loader = next(root.glob("lib/*-linux-gnu*/ld-linux-*"))
    libraries = f"{loader.parent}:{root / 'usr/lib' / loader.parent.name}"
    command = [str(loader), "--library-path", libraries, str(root / "usr/bin" / PYTHON)]
    # What it imports itself it must not leave behind as bytecode: that would bear the time and the path of this machine.
    quiet = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    return command, {"PATH": os.defpath, "PYTHONHOME": str(root / "usr"), "LC_ALL": "C.UTF-8", **quiet}


def installed(root: Path) -> Iterator[tuple[str, str, str]]:
    """Name, version and architecture of each package."""
    for control in sorted((root / STATUS).iterdir()):
        fields = message_from_string(control.read_text())
        yield fields["Package"], fields["Version"], fields["Architecture"]


def _packages() -> list[str]:
    """Those wanted, and what they depend on."""
    known: set[str] = set()
    fresh = set(WANTED)
    while fresh:
        known |= fresh
        fresh = set(re.findall(r"^ +\|?(?:Pre)?Depends: (\w\S*)", run([*DEPENDS, *sorted(fresh)]), re.M)) - known - LEFT_OUT
    return sorted(known)


def _tidy(root: Path) -> None:
    """No manuals, no translations; the user that stanch runs as; one file of all authorities, as installing would make it."""
    for folder in (*(root / "usr/share").iterdir(), *(root / "usr/share/doc").glob("*/*")):
        if folder.name not in (SHARED if folder.parent.name == "share" else {"copyright"}):
            shutil.rmtree(folder) if folder.is_dir() and not folder.is_symlink() else folder.unlink(missing_ok=True)
    authorities = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    if not authorities:
        raise ClusterError("ca-certificates: holds no authority; are the package lists whole?")
    _write(root / BUNDLE, "".join(path.read_text() for path in authorities))
    _write(root / "etc/passwd", f"root:x:0:0:root:/:/nonexistent\nstanch:x:{USER}:{USER}:stanch:/tmp:/nonexistent\n")
    _write(root / "etc/group", f"root:x:0:\nstanch:x:{USER}:\n")
    _write(root / "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)

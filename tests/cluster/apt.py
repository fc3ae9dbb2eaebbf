"""Debian packages that the node needs: only those missing, never without saying so."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .model import ClusterError
from .run import run, say

APT = ["apt-get", "-o", "APT::Sandbox::User=root", "-o", "DPkg::Lock::Timeout=300"]

# A program (or file) that shows the package to be there → the package.
NEEDED = {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "ip": "iproute2",
    "nft": "nftables",
    "conntrack": "conntrack",
    "iptables": "iptables",
    "unshare": "util-linux",
    "mount": "mount",
    "ldd": "libc-bin",
}


def install_missing() -> None:
    """Install what the local node lacks; raises ClusterError where that is not possible."""
    missing = [package for sign, package in NEEDED.items() if not _there(sign)]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ClusterError(f"not installed: {' '.join(missing)}; install them and try again")
    say(f"apt: installing {' '.join(missing)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run([*APT, "update"], env=env, timeout=600)
    run([*APT, "install", "--yes", "--no-install-recommends", *missing], env=env, timeout=1200)


def _there(sign: str) -> bool:
    return Path(sign).exists() if sign.startswith("/") else shutil.which(sign) is not None

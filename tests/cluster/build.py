"""The cluster's programs, built from the Go module proxy into a cache outside the checkout."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .model import ClusterError
from .paths import SOURCE, cache_root
from .progress import step
from .run import locked, run

KUBERNETES = "k8s.io/kubernetes/cmd/"


@dataclass(frozen=True)
class Binary:
    """One program: its name, the folder of its Go module below this one, its package."""

    name: str
    module: str
    package: str


BINARIES = (
    Binary("etcd", ".", "go.etcd.io/etcd/server/v3"),
    Binary("kube-apiserver", ".", KUBERNETES + "kube-apiserver"),
    Binary("kube-controller-manager", ".", KUBERNETES + "kube-controller-manager"),
    Binary("kube-scheduler", ".", KUBERNETES + "kube-scheduler"),
    Binary("kubelet", ".", KUBERNETES + "kubelet"),
    Binary("kube-proxy", ".", KUBERNETES + "kube-proxy"),
    Binary("kubectl", ".", KUBERNETES + "kubectl"),
    Binary("kwokctl", "kwok", "sigs.k8s.io/kwok/cmd/kwokctl"),
    Binary("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok"),
    Binary("coredns", "coredns", "."),
    Binary("pause", "pause", "."),
)


def binaries(names: tuple[str, ...] | None = None) -> Path:
    """Build what is missing (all, or those named); returns the folder that holds them.

    Raises ClusterError where Go is missing or a build fails.
    """
    wanted = [b for b in BINARIES if names is None or b.name in names]
    folder = cache_root() / "bin" / cache_key(_go("env", "GOVERSION").strip())
    if _missing(wanted, folder):
        with locked(cache_root() / "bin" / "lock", "building the cluster's programs"):
            _build_all(_missing(wanted, folder), folder)
    return folder


def kubernetes_version() -> str:
    """The version that go.mod asks for, as in `v1.34.4`."""
    found = re.search(r"k8s\.io/kubernetes (v\S+)", (SOURCE / "go.mod").read_text())
    if not found:
        raise ClusterError(f"{SOURCE / 'go.mod'}: requires no k8s.io/kubernetes; restore the file")
    return found.group(1)


def cache_key(go_version: str) -> str:
    """Twelve characters that change with anything that changes the programs."""
    digest = hashlib.sha256(f"{go_version} {platform.machine()}\n".encode())
    for source in sorted(SOURCE.rglob("*")):
        if source.name in ("go.mod", "go.sum") or source.suffix == ".go":
            digest.update(source.relative_to(SOURCE).as_posix().encode() + b"\n")
            digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def _missing(wanted: list[Binary], folder: Path) -> list[Binary]:
    return [b for b in wanted if not (folder / b.name).exists()]


def _build_all(todo: list[Binary], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, binary in enumerate(todo, 1):
        with step(f"[{number}/{len(todo)}] {binary.name}"):
            _build(binary, folder)


def _build(binary: Binary, folder: Path) -> None:
    """Build beside the goal and rename, so that a half-written program is never run."""
    part = folder / f".{binary.name}.{os.getpid()}.part"
    try:
        _go("build", "-trimpath", "-ldflags", _ldflags(), "-o", str(part), binary.package, cwd=SOURCE / binary.module)
        part.replace(folder / binary.name)
    finally:
        part.unlink(missing_ok=True)


def _ldflags() -> str:
    """Small programs that know their version: without it the API server says v0.0.0."""
    version = kubernetes_version()
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(["-s -w", *(f"-X {package}.gitVersion={version}" for package in packages)])


def _go(*arguments: str, cwd: Path = SOURCE) -> str:
    if not shutil.which("go"):
        raise ClusterError(
            "go: not found, and the cluster's programs are built with it; install Go "
            f"{_go_needed()} or newer, or start Docker, or name a cluster in STANCH_KUBE_CONTEXT"
        )
    # cgo off: no C compiler needed, and the programs also run inside bare images.
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    return run(["go", *arguments], env=env, cwd=cwd, timeout=7200)


def _go_needed() -> str:
    found = [re.search(r"^go (\S+)", f.read_text(), re.M) for f in SOURCE.rglob("go.mod")]
    return max((f.group(1) for f in found if f), key=lambda v: [int(n) for n in v.split(".")])

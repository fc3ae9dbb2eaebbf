"""The Go operator of `peer/`, built into the cache outside the checkout, named for what it was built from."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tests.cluster.paths import cache_root
from tests.cluster.run import locked, run, say

SOURCE = Path(__file__).resolve().parent / "peer"


def peer() -> Path:
    """The program; built where it is missing. Raises ClusterError where Go is missing or the build fails."""
    program = cache_root() / "bin" / f"peer-{digest(SOURCE)}"
    with locked(cache_root() / "bin" / "peer.lock", "building the Go operator of the benchmark"):
        if not program.exists():
            say("building the Go operator that stanch is measured against (once; a minute or two)")
            built(program)
    return program


def built(program: Path) -> None:
    """Beside the goal, then renamed: a half-written program is never run."""
    part = program.with_suffix(".part")
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    run(["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(part), "."], env=environment, cwd=SOURCE, timeout=1800)
    part.replace(program)


def digest(folder: Path) -> str:
    parts = [f"{path.name}\n".encode() + path.read_bytes() for path in sorted(folder.iterdir())]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:12]

"""A Go program apart from the cluster's own, built into the cache outside the checkout, named for what it was built from."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from .model import ClusterError
from .paths import cache_root
from .progress import step
from .run import locked, run


@dataclass(frozen=True)
class GoProgram:
    """Its name, the folder of its module, its package there; `what` it is, for the person who waits; the `system` that it is for,
    empty: this machine's."""

    name: str
    source: Path
    package: str
    what: str
    system: str = ""

    def path(self) -> Path:
        """The program; built where it is missing. Raises ClusterError where Go is missing or the build fails."""
        folder = cache_root() / "bin"
        program = folder / f"{self.name}-{self.digest()}"
        with locked(folder / f"{self.name}.lock", f"building {self.what}"):
            if not program.exists():
                with step(f"building {self.what} (once; minutes)"):
                    self._build(program)
        return program

    def digest(self) -> str:
        parts = [f"{path.name}\n".encode() + path.read_bytes() for path in sorted(self.source.iterdir())]
        return hashlib.sha256(b"".join(parts)).hexdigest()[:12]

    def _build(self, program: Path) -> None:
        """Beside the goal, then renamed: a half-written program is never run."""
        if not shutil.which("go"):
            raise ClusterError(f"go: not found, and {self.what} is built with it; install Go")
        part = program.with_suffix(".part")
        # cgo off: no C compiler needed.
        environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
        environment |= {"GOOS": self.system} if self.system else {}
        built = ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(part), self.package]
        run(built, env=environment, cwd=self.source, timeout=3600)
        part.replace(program)

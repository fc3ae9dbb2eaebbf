"""The locked Python packages and stanch's own wheel, as files of an image."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from uv import find_uv_bin

from tests.cluster.run import run

from .debian import PYTHON, interpreter

ROOT = Path(__file__).resolve().parents[2]
# Where Debian's Python looks by itself.
SITE = f"usr/local/lib/{PYTHON}/dist-packages"
# -I: neither the environment nor the working folder brings code in.
START = f"#!/usr/bin/{PYTHON} -I\nimport sys\nfrom stanch.cli.main import main\nsys.exit(main())\n"
RUNTIME = ["--frozen", "--no-dev", "--no-emit-project"]


def install_dependencies(root: Path) -> None:
    """The wheels that uv.lock names for running stanch, each checked against its hash there. Raises ClusterError."""
    requirements = run([_uv(), "export", "--quiet", *RUNTIME, "--format", "requirements.txt"], cwd=ROOT)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(requirements)
        file.flush()
        run([_uv(), "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:", *_platform(),
             "--link-mode", "copy", "--target", str(root / SITE), "--requirements", file.name], timeout=600)  # fmt: skip
    (root / SITE / ".lock").unlink(missing_ok=True)
    _without_commands(root / SITE)


def _without_commands(site: Path) -> None:
    """Those of libraries: they name the Python of this machine, and so do their hashes in the lists of files."""
    shutil.rmtree(site / "bin")
    for record in site.glob("*.dist-info/RECORD"):
        kept = [line for line in record.read_text().splitlines(keepends=True) if not line.startswith(("bin/", "../../bin/"))]
        record.write_text("".join(kept))


def install_project(root: Path) -> None:
    """Stanch's wheel, built by the locked builder, and its commands. Raises ClusterError."""
    with tempfile.TemporaryDirectory() as folder:
        # The times in a wheel are fixed by its builder: equal source, equal bytes.
        where = ["--python", sys.executable, "--out-dir", folder]
        run([_uv(), "build", "--quiet", "--wheel", "--no-build-isolation", *where], cwd=ROOT)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            wheel.extractall(root / SITE)
    commands = root / "usr/local/bin"
    commands.mkdir(parents=True)
    for name in ("stanch", "kubectl-stanch"):
        (commands / name).write_text(START)
        (commands / name).chmod(0o755)


def compile_all(folder: Path, debian: Path) -> None:
    """Bytecode beside every module below `folder`, by the image's own Python: its root is read-only when it runs.

    Unchecked: it belongs to the source beside it, and neither changes.
    """
    command, environment = interpreter(debian)
    options = ["-q", "-s", str(folder), "-p", "/", "--invalidation-mode", "unchecked-hash"]
    run([*command, "-m", "compileall", *options, str(folder)], env=environment, timeout=600)


def locked_components() -> str:
    """The same packages as CycloneDX JSON, with the hashes of uv.lock."""
    return run([_uv(), "export", "--quiet", "--preview-features", "sbom-export", *RUNTIME, "--format", "cyclonedx1.5"], cwd=ROOT)


def names(root: Path) -> set[str]:
    """Of the Python packages that are installed there, in lower case with dashes."""
    return {path.name.split("-")[0].lower().replace("_", "-") for path in (root / SITE).glob("*.dist-info")}


def _platform() -> list[str]:
    """Wheels for Debian 12's C library, whatever machine this is."""
    return ["--python-version", PYTHON.removeprefix("python"), "--python-platform", f"{platform.machine()}-manylinux_2_36"]


def _uv() -> str:
    return os.fspath(find_uv_bin())

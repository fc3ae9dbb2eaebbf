"""Puts the image together, in layers from what changes least to what changes most."""

from __future__ import annotations

import hashlib
import json
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.paths import write
from tests.cluster.progress import step

from . import debian, layers, python, sbom
from .layers import Layer
from .oci import Image, architecture, archive

NAME = "localhost/stanch/stanch"
PORT = 8080
# Where a container may write, be its root read-only: mount something there.
SCRATCH = "/tmp"


@dataclass(frozen=True)
class Built:
    """The archive, its bill of materials, and the name and digest by which the image is known."""

    archive: Path
    bill: Path
    ref: str
    digest: str


def version() -> str:
    """Of the project, and the image's tag."""
    return tomllib.loads((python.ROOT / "pyproject.toml").read_text())["project"]["version"]


def build(folder: Path, *, anew: bool = False) -> Built:
    """Writes archive and bill into that folder; raises ClusterError.

    `anew`: with the newest Debian packages, not those that were fetched at the last time.
    """
    with step("[1/3] Debian's Python"):
        base = layers.kept(f"debian-{_key(debian.__file__, python.__file__)}", _debian, anew=anew)
    with step("[2/3] locked Python packages"):
        wheels = layers.kept(f"dependencies-{_dependencies_key(base)}", lambda root: _dependencies(root, base))
    with step("[3/3] stanch"), tempfile.TemporaryDirectory() as own:
        return _written(folder, Image(f"{NAME}:{version()}", [base, wheels, _project(Path(own), base)], _config()))


def _debian(root: Path) -> None:
    debian.install(root)
    python.compile_all(root, root)


def _dependencies(root: Path, base: Layer) -> None:
    python.install_dependencies(root)
    python.compile_all(root, base.root)


def _project(root: Path, base: Layer) -> Layer:
    python.install_project(root)
    python.compile_all(root, base.root)
    return layers.made(root)


def _written(folder: Path, image: Image) -> Built:
    digest = image.blobs()[0].digest
    name = f"stanch-{version()}-{architecture()}"
    base, wheels = (layer.root for layer in image.layers[:2])
    bill = sbom.bill(python.locked_components(), python.names(wheels), debian.installed(base), image.ref, digest)
    return Built(
        write(folder / f"{name}.oci.tar", archive(image), 0o644),
        write(folder / f"{name}.cdx.json", json.dumps(bill, indent=2) + "\n", 0o644),
        image.ref,
        digest,
    )


def _config() -> dict[str, object]:
    """How a container of it starts."""
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": SCRATCH, "TMPDIR": SCRATCH, "LANG": "C.UTF-8",
        "SSL_CERT_FILE": f"/{debian.BUNDLE}",
    }  # fmt: skip
    return {
        "User": f"{debian.USER}:{debian.USER}",
        "Entrypoint": ["/usr/local/bin/stanch"],
        "Cmd": ["run"],
        "Env": [f"{key}={value}" for key, value in sorted(environment.items())],
        "ExposedPorts": {f"{PORT}/tcp": {}},
        "WorkingDir": SCRATCH,
        "Labels": {
            "org.opencontainers.image.title": "stanch",
            "org.opencontainers.image.version": version(),
            "org.opencontainers.image.licenses": "Apache-2.0",
        },
    }


def _dependencies_key(base: Layer) -> str:
    """Changes with the lock file, with how it is installed, and with the Python that compiles it."""
    return _key(python.ROOT / "uv.lock", python.__file__, base.root.parent / "layer.tar.gz")


def _key(*files: str | Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()[:12]

"""Layers of an image: folders as compressed tar files, equal files, equal bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.archive import Entry, layer
from tests.cluster.paths import cache_root, write
from tests.cluster.run import locked


@dataclass(frozen=True)
class Layer:
    """`root`: its files; `data`: the compressed tar file of them."""

    root: Path
    data: bytes

    @property
    def diff_id(self) -> str:
        """Digest of what is compressed."""
        return "sha256:" + hashlib.sha256(gzip.decompress(self.data)).hexdigest()


def made(root: Path) -> Layer:
    """Of the files below a folder."""
    return Layer(root, compressed(layer({path.relative_to(root).as_posix(): _entry(path) for path in root.rglob("*")})))


def kept(name: str, fill: Callable[[Path], None], *, anew: bool = False) -> Layer:
    """The layer of this name from the cache, filled and put there where it is missing."""
    folder = cache_root() / "image" / name
    with locked(cache_root() / "image" / f"{name}.lock", f"building the image's {name}"):
        if anew:
            shutil.rmtree(folder, ignore_errors=True)
        if not (folder / "layer.tar.gz").exists():
            _fill(folder, fill)
    return Layer(folder / "root", (folder / "layer.tar.gz").read_bytes())


def _fill(folder: Path, fill: Callable[[Path], None]) -> None:
    """The compressed file comes last: where it is, the rest is whole."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "root").mkdir(parents=True)
    fill(folder / "root")
    write(folder / "layer.tar.gz", made(folder / "root").data, 0o644)


def compressed(data: bytes) -> bytes:
    """Without a time or a name in it."""
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0, compresslevel=6) as file:
        file.write(data)
    return out.getvalue()


def _entry(path: Path) -> Entry:
    """Modes that do not depend on who builds: for all to read, for nobody but root to write."""
    if path.is_symlink():
        return Entry(link=str(path.readlink()))
    if path.is_dir():
        return Entry(mode=0o1777 if path.name == "tmp" else 0o755)
    return Entry(path.read_bytes(), mode=0o755 if path.stat().st_mode & 0o100 else 0o644)

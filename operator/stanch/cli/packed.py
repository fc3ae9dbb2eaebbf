"""Where an incident's pack lies, as far as this machine can read it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from stanch.cli.ending import Code, Ending
from stanch.engine.errors import Failure
from stanch.packs.bucket import open_bucket
from stanch.packs.fetch import fetch
from stanch.packs.reach import Reach
from stanch.packs.store import HERE, local_path


def folder_of(uri: str) -> Path | None:
    """The local folder of a pack's URI; None when it lies elsewhere, or there is none yet."""
    folder = local_path(uri) if uri else None
    return folder if folder and folder.is_dir() else None


@contextmanager
def pack_at(path: str, reach: Reach = HERE) -> Iterator[Path]:
    """The folder of a pack; of one in an object store a copy, which goes at the end. Raises `Ending` (Unusable)."""
    if (folder := local_path(path)) is not None:
        yield pack_folder(str(folder))
        return
    with TemporaryDirectory(prefix="stanch-pack-") as copy:
        try:
            count = asyncio.run(fetch(open_bucket(path, reach), Path(copy)))
        except Failure as failure:
            raise Ending(f"{path} could not be copied here: {failure.message}", Code.Unusable) from failure
        if not count:
            raise Ending(f"{path} is not there: expected the URL of a pack, with chain/ below it", Code.Unusable)
        yield Path(copy)


def pack_folder(path: str) -> Path:
    """`path` as a folder. Raises `Ending` (Unusable)."""
    folder = Path(path)
    if not folder.is_dir():
        why = "is not a folder" if folder.exists() else "is not there"
        raise Ending(f"{path} {why}: expected the folder of a pack, with chain/ in it", Code.Unusable)
    return folder

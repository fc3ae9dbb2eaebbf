"""Where an incident's pack lies, as far as this machine can read it."""

from __future__ import annotations

from pathlib import Path

from stanch.cli.ending import Code, Ending
from stanch.packs.store import local_path


def folder_of(uri: str) -> Path | None:
    """The local folder of a pack's URI; None when it lies elsewhere, or there is none yet."""
    folder = local_path(uri) if uri else None
    return folder if folder and folder.is_dir() else None


def pack_folder(path: str) -> Path:
    """`path` as a folder. Raises `Ending` (Unusable)."""
    folder = Path(path)
    if not folder.is_dir():
        why = "is not a folder" if folder.exists() else "is not there"
        raise Ending(f"{path} {why}: expected the folder of a pack, with chain/ in it", Code.Unusable)
    return folder

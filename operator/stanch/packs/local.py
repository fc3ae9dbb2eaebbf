"""Reads a pack that lies in a folder, offline, and trusts nothing in it: neither names, nor sizes, nor kinds of files.

Blocking, in constant memory. No link is followed below the pack's folder, nothing but regular files is opened.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from stanch.engine.errors import Refused
from stanch.engine.paths import check_path
from stanch.packs.manifest import MAX_FILES

CHUNK = 256 * 1024


class Unreadable(Exception):
    """Not "empty" and not "missing": there is something, and it could not be read. The text says why."""


@dataclass
class Tree:
    """What lies in a pack: size by path of each regular file; what no pack holds, and what could not be looked at, as
    (path shown as ASCII, why)."""

    sizes: dict[str, int] = field(default_factory=dict)
    strange: list[tuple[str, str]] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    cut: bool = False


def walk(root: Path) -> Tree:
    """At most MAX_FILES files and as many oddities, then `cut`. A folder whose path no pack can have is not entered."""
    tree = Tree()
    open_folders = [""]
    while open_folders and not tree.cut:
        _visit(root, open_folders.pop(), tree, open_folders)
    return tree


def _visit(root: Path, folder: str, tree: Tree, open_folders: list[str]) -> None:
    try:
        with os.scandir(root / folder) as found:
            for item in found:
                _note(item, f"{folder}{item.name}", tree, open_folders)
                # Manifests and the entries past the last seal come on top of what one manifest lists.
                if len(tree.sizes) + len(tree.strange) + len(open_folders) > 2 * MAX_FILES:
                    tree.cut = True
                    return
    except OSError as error:
        tree.unreadable.append((shown(folder or "."), f"the folder cannot be read: {error.strerror}"))


def _note(item: os.DirEntry[str], path: str, tree: Tree, open_folders: list[str]) -> None:
    try:
        check_path(path)
        mode = item.stat(follow_symlinks=False)
    except Refused as refused:
        tree.strange.append((shown(path), refused.message))
    except OSError as error:
        tree.unreadable.append((shown(path), f"it cannot be read: {error.strerror}"))
    else:
        if stat.S_ISDIR(mode.st_mode):
            open_folders.append(f"{path}/")
        elif stat.S_ISREG(mode.st_mode):
            tree.sizes[path] = mode.st_size
        else:
            tree.strange.append((shown(path), "is no regular file (a link, a pipe, a device): it was added"))


def shown(path: str) -> str:
    """A path as ASCII of bounded length: it may be an enemy's."""
    return ascii(path[:200])[1:-1]


@contextmanager
def opened(root: Path, path: str) -> Iterator[BinaryIO]:
    """The regular file `path`; `Unreadable` for anything else, and for every error while it is read."""
    try:
        # Non-blocking, or opening a pipe that was put here after the walk would wait for ever.
        handle = os.open(root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Unreadable("it is no regular file")
            yield file
    except OSError as error:
        raise Unreadable(f"it cannot be read: {error.strerror}") from error


def read(root: Path, path: str, limit: int) -> bytes:
    """The whole file; `Unreadable` when it is longer than `limit`."""
    data = bytearray()
    with opened(root, path) as file:
        while chunk := file.read(min(CHUNK, limit + 1 - len(data))):
            data += chunk
    if len(data) > limit:
        raise Unreadable(f"it has more than the {limit} bytes that it may have")
    return bytes(data)


def sha256_of(root: Path, path: str, size: int) -> str:
    """Hex SHA-256 of the first `size` bytes and one more, so that a file that grows without end comes to an end."""
    total, left = hashlib.sha256(), size + 1
    with opened(root, path) as file:
        while left and (chunk := file.read(min(CHUNK, left))):
            total.update(chunk)
            left -= len(chunk)
    return total.hexdigest()

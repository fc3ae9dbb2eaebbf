"""Where packs are laid out to be verified, one after the other, each time only what differs from the one before.

Tests verify thousands of packs that differ in a few bytes; writing and removing all their files would take longer than all else.
"""

from __future__ import annotations

import atexit
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from stanch.packs.findings import Verification
from stanch.packs.verify import verify

Pack = dict[str, bytes]


class Shelf:
    def __init__(self, root: Path) -> None:
        self.root = root
        self._lying: Pack = {}

    def lay(self, files: Pack) -> Path:
        """The folder, with these files and no others. They are there until the next ones are laid out."""
        for path in self._lying.keys() - files.keys():
            self._remove(path)
        for path, data in files.items():
            if self._lying.get(path) != data:
                self._write(path, data)
        return self.root

    def _remove(self, path: str) -> None:
        del self._lying[path]
        (self.root / path).unlink()
        for folder in (self.root / path).parents:
            if folder == self.root or any(folder.iterdir()):
                break
            folder.rmdir()

    def _write(self, path: str, data: bytes) -> None:
        self._lying.pop(path, None)
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(data)
        self._lying[path] = data


@cache
def shelf() -> Shelf:
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    return Shelf(Path(folder.name))


def judged(files: Pack, **expected: object) -> Verification:
    return verify(shelf().lay(files), **expected)  # type: ignore[arg-type]

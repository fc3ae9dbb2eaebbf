"""What an archive holds, read from its layers: not from how they were made."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from email import message_from_string
from io import BytesIO
from pathlib import Path
from typing import Any

from . import debian

# How Python's installers and Debian's keep what is installed.
_WHEEL = re.compile(r"(?:^|/)[^/]+\.dist-info/METADATA$")
_DEBIAN = re.compile(rf"^{re.escape(debian.STATUS)}/[^/]+$")


def packages(archive: Path) -> set[tuple[str, str]]:
    """Name, in lower case with dashes, and version of each."""
    found: set[tuple[str, str]] = set()
    for path, data in files(archive):
        if _WHEEL.search(path) or _DEBIAN.match(path):
            fields = message_from_string(data.decode())
            found.add((named(fields["Package"] or fields["Name"]), fields["Version"]))
    return found


def named(name: str) -> str:
    return re.sub(r"[-_]+", "-", name).lower()


def files(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Path in the container and content of each file, layer by layer."""
    with tarfile.open(archive) as outer:
        [image] = _blob(outer, "index.json")["manifests"]
        for layer in _blob(outer, _path(image["digest"]))["layers"]:
            with tarfile.open(fileobj=BytesIO(_read(outer, _path(layer["digest"])))) as inner:
                for member in inner:
                    if member.isfile():
                        yield member.name.removeprefix("./"), inner.extractfile(member).read()  # type: ignore[union-attr]


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _blob(archive: tarfile.TarFile, path: str) -> dict[str, Any]:
    return json.loads(_read(archive, path))


def _read(archive: tarfile.TarFile, path: str) -> bytes:
    file = archive.extractfile(path)
    assert file is not None, f"{path} is no file of the archive"
    return file.read()

"""The S3 server as an image of its own: one program, which needs nothing beside it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from tests.cluster.archive import Entry, Image
from tests.cluster.paths import cache_root
from tests.s3.build import SERVER

REF = "localhost/stanch/s3:v1"
PROGRAM = "versitygw"


def archive() -> Path:
    """The image's archive, for a node. Raises ClusterError."""
    program = SERVER if sys.platform == "linux" else replace(SERVER, name=f"{SERVER.name}-linux", system="linux")
    files = {PROGRAM: Entry(program.path().read_bytes())}
    return Image(REF, files, (f"/{PROGRAM}",), port=9000).archive(cache_root() / "images")

"""How evidence gets into the pack: safe file names with time stamps, and a ledger that knows every file.

Failures of the pack are caught neither here nor elsewhere in `evidence`: what cannot be stored is a failed capture.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import yaml

from stanch.engine.parts import Scope
from stanch.engine.paths import safe_name
from stanch.engine.ports import Object, Writer

BUFFER = 64 * 1024
# The C library is an order faster, which a thousand pods need; the pure one writes the same YAML.
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def object_name(scope: Scope, obj: Object) -> str:
    """`frontend-1`, or `frontend-1@shop` for an object outside the capture's namespace."""
    metadata = obj["metadata"]
    elsewhere = metadata.get("namespace", scope.namespace) != scope.namespace
    return safe_name(metadata["name"]) + (f"@{safe_name(metadata['namespace'])}" if elsewhere else "")


def file_of(scope: Scope, top: str, obj: Object, extension: str, part: str = "") -> str:
    """`describe/before-1/deployment_frontend-20261121T080000Z.txt`."""
    return stamped(scope, top, f"{safe_name(obj['kind'].lower())}_{object_name(scope, obj)}{part}", extension)


def stamped(scope: Scope, top: str, name: str, extension: str) -> str:
    """`top`, this capture's folder, `name`, time stamp and extension as a path. `name` is made of safe parts."""
    return f"{top}/{scope.folder}/{name}-{scope.at:%Y%m%dT%H%M%SZ}{extension}"


async def put(scope: Scope, path: str, data: bytes) -> None:
    scope.ledger.files.append(await scope.pack.put(path, data))


@asynccontextmanager
async def opened(scope: Scope, path: str) -> AsyncIterator[Writer]:
    """A file of the pack, open for streaming. When the capture is cancelled, what was written stays and is listed."""
    writer: Writer | None = None
    try:
        async with scope.pack.open(path) as writer:
            yield writer
    except asyncio.CancelledError:
        if writer is not None:
            scope.ledger.files.append(writer.file)
        raise
    scope.ledger.files.append(writer.file)


async def put_lines(scope: Scope, path: str, lines: Iterable[str]) -> None:
    """Streams lines into a file, in pieces of about BUFFER bytes."""
    async with opened(scope, path) as writer:
        buffer = bytearray()
        for line in lines:
            buffer += line.encode("utf-8", "backslashreplace") + b"\n"
            if len(buffer) >= BUFFER:
                await writer.write(bytes(buffer))
                buffer.clear()
        await writer.write(bytes(buffer))


def as_yaml(document: Any) -> str:
    return yaml.dump(document, Dumper=DUMPER, sort_keys=False, allow_unicode=True, width=120, default_flow_style=False)

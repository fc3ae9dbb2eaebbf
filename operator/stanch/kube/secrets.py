"""Plans and before-images: written once, beside the operator, out of reach of who reads the incident's namespace."""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from collections.abc import Mapping
from contextlib import suppress

from stanch.domain.plan import Ref
from stanch.engine.errors import Conflict, NotFound, Refused
from stanch.engine.ports import Cluster, Object

LIMIT = 900 * 1024  # bytes, compressed; the API server takes 1 MiB for a whole Secret
LONGEST = 16 * 1024 * 1024  # bytes, unpacked
_KEY = "content.gz"
MANAGED = {"app.kubernetes.io/managed-by": "stanch"}


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class SecretStore:
    """Immutable Secrets of deterministic names in the operator's own namespace."""

    def __init__(self, own: Cluster, namespace: str) -> None:
        self._own = own
        self._namespace = namespace

    async def put(self, name: str, data: bytes, labels: Mapping[str, str] | None = None) -> str:
        """Stores `data` under `name` and returns its digest. The same data being there already is success.

        Other data there: `Conflict` (reason ContentDiffers), for the name is derived from what it should hold. `Conflict`
        too where the API server did not come to store it.
        """
        packed = gzip.compress(data, mtime=0)
        if len(packed) > LIMIT or len(data) > LONGEST:
            message = f"secret/{name}: {len(data)} bytes ({len(packed)} compressed), expected at most {LONGEST} ({LIMIT})"
            raise Refused("TooLarge", message)
        try:
            await self._own.create(self._secret(name, packed, labels or {}))
        except Conflict as failure:
            if failure.reason != "AlreadyExists":
                raise  # a quota that another request has changed: it was not stored
            if await self._read(name) != data:
                message = f"secret/{name} in {self._namespace} holds other content than what is to be stored under its name"
                raise Conflict("ContentDiffers", message) from failure
        return digest(data)

    async def get(self, name: str, expected: str) -> bytes:
        """The bytes whose digest is `expected`. `NotFound`; `Refused` (reason DigestMismatch) when they are others."""
        data = await self._read(name)
        if digest(data) != expected:
            message = f"secret/{name} in {self._namespace} holds {digest(data)}, expected {expected}"
            raise Refused("DigestMismatch", message)
        return data

    async def forget(self, labels: Mapping[str, str]) -> None:
        """Deletes every Secret of the store that bears these labels."""
        selector = ",".join(f"{key}={value}" for key, value in {**MANAGED, **labels}.items())
        found = [obj["metadata"] async for obj in self._own.list("v1", "Secret", self._namespace, labels=selector)]
        for metadata in found:
            with suppress(NotFound):
                await self._own.delete(Ref("v1", "Secret", self._namespace, metadata["name"], metadata["uid"]))

    async def _read(self, name: str) -> bytes:
        found = await self._own.get(Ref("v1", "Secret", self._namespace, name))
        try:
            return _unpacked(base64.b64decode(found["data"][_KEY], validate=True))
        except (KeyError, TypeError, ValueError, zlib.error) as error:
            message = f"secret/{name} in {self._namespace} is not one of stanch's: no gzip under {_KEY} ({error})"
            raise Refused("Unreadable", message) from error

    def _secret(self, name: str, packed: bytes, labels: Mapping[str, str]) -> Object:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": self._namespace,
                "labels": {**MANAGED, **labels},
            },
            "type": "stanch.dev/record",
            "immutable": True,
            "data": {_KEY: base64.b64encode(packed).decode()},
        }


def _unpacked(packed: bytes) -> bytes:
    """Bounded, for the Secret may not be what was written."""
    unpacker = zlib.decompressobj(wbits=31)
    data = unpacker.decompress(packed, LONGEST)
    if not unpacker.eof:
        raise ValueError(f"cut short, or longer than {LONGEST} bytes")
    return data

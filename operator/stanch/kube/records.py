"""Plans and before-images: written once, beside the operator.

What was there before holds values, and is a Secret. What would be done is shown to people who say yes to it: a ConfigMap, that they
may read and no Secret with it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from stanch.domain.plan import Ref
from stanch.engine.errors import Conflict, NotFound, Refused
from stanch.engine.ports import Cluster, Object

LIMIT = 900 * 1024  # bytes, compressed; the API server takes 1 MiB for a whole object
LONGEST = 16 * 1024 * 1024  # bytes, unpacked
_KEY = "content.gz"
MANAGED = {"app.kubernetes.io/managed-by": "stanch"}


@dataclass(frozen=True)
class Form:
    """How objects of a kind hold bytes: base64 under a field."""

    kind: str
    under: str
    more: Mapping[str, str] = field(default_factory=dict)

    def place(self, name: str) -> str:
        return f"{self.kind.lower()}/{name}"


SECRET = Form("Secret", "data", {"type": "stanch.dev/record"})
CONFIG_MAP = Form("ConfigMap", "binaryData")


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def plans(own: Cluster, namespace: str) -> RecordStore:
    """Up to format 2 of a status, plans were Secrets: such a one is read as long as its incident is under way."""
    return RecordStore(own, namespace, CONFIG_MAP, earlier=SECRET)


def before_images(own: Cluster, namespace: str) -> RecordStore:
    return RecordStore(own, namespace, SECRET)


class RecordStore:
    """Immutable objects of deterministic names in the operator's own namespace. `earlier`: how versions before have kept them."""

    def __init__(self, own: Cluster, namespace: str, form: Form, earlier: Form | None = None) -> None:
        self._own = own
        self._namespace = namespace
        self._form = form
        self._earlier = earlier

    async def put(self, name: str, data: bytes, labels: Mapping[str, str] | None = None) -> str:
        """Stores `data` under `name` and returns its digest. The same data being there already is success.

        Other data there: `Conflict` (reason ContentDiffers), for the name is derived from what it should hold. `Conflict`
        too where the API server did not come to store it.
        """
        packed = gzip.compress(data, mtime=0)
        if len(packed) > LIMIT or len(data) > LONGEST:
            message = (
                f"{self._form.place(name)}: {len(data)} bytes ({len(packed)} compressed), expected at most {LONGEST} ({LIMIT})"
            )
            raise Refused("TooLarge", message)
        try:
            await self._own.create(self._object(name, packed, labels or {}))
        except Conflict as failure:
            if failure.reason != "AlreadyExists":
                raise  # a quota that another request has changed: it was not stored
            if await self._read(name, self._form) != data:
                message = (
                    f"{self._form.place(name)} in {self._namespace} holds other content than what is to be stored under its name"
                )
                raise Conflict("ContentDiffers", message) from failure
        return digest(data)

    async def get(self, name: str, expected: str) -> bytes:
        """The bytes whose digest is `expected`. `NotFound`; `Refused` (reason DigestMismatch) when they are others."""
        form, data = await self._found(name)
        if digest(data) != expected:
            raise Refused("DigestMismatch", f"{form.place(name)} in {self._namespace} holds {digest(data)}, expected {expected}")
        return data

    async def forget(self, labels: Mapping[str, str]) -> None:
        """Deletes every object of the store that bears these labels."""
        selector = ",".join(f"{key}={value}" for key, value in {**MANAGED, **labels}.items())
        kind = self._form.kind
        found = [obj["metadata"] async for obj in self._own.list("v1", kind, self._namespace, labels=selector)]
        for metadata in found:
            with suppress(NotFound):
                await self._own.delete(Ref("v1", kind, self._namespace, metadata["name"], metadata["uid"]))

    async def _found(self, name: str) -> tuple[Form, bytes]:
        try:
            return self._form, await self._read(name, self._form)
        except NotFound as absent:
            if self._earlier is None:
                raise
            return self._earlier, await self._read_earlier(name, self._earlier, absent)

    async def _read_earlier(self, name: str, earlier: Form, absent: NotFound) -> bytes:
        """Who may read plans and no Secrets is told that there is none of the kind that they may read."""
        try:
            return await self._read(name, earlier)
        except Refused as failure:
            message = f"{absent.message}; as versions before kept it: {failure.message}"
            raise type(failure)(failure.reason, message) from failure

    async def _read(self, name: str, form: Form) -> bytes:
        found = await self._own.get(Ref("v1", form.kind, self._namespace, name))
        try:
            return _unpacked(base64.b64decode(found[form.under][_KEY], validate=True))
        except (KeyError, TypeError, ValueError, zlib.error) as error:
            where = f"{form.place(name)} in {self._namespace}"
            raise Refused("Unreadable", f"{where} is not one of stanch's: no gzip under {_KEY} ({error})") from error

    def _object(self, name: str, packed: bytes, labels: Mapping[str, str]) -> Object:
        return {
            "apiVersion": "v1",
            "kind": self._form.kind,
            "metadata": {
                "name": name,
                "namespace": self._namespace,
                "labels": {**MANAGED, **labels},
            },
            **self._form.more,
            "immutable": True,
            self._form.under: {_KEY: base64.b64encode(packed).decode()},
        }


def _unpacked(packed: bytes) -> bytes:
    """Bounded, for the object may not be what was written."""
    unpacker = zlib.decompressobj(wbits=31)
    data = unpacker.decompress(packed, LONGEST)
    if not unpacker.eof:
        raise ValueError(f"cut short, or longer than {LONGEST} bytes")
    return data

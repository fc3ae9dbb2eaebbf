"""Kind -> where its objects live under the API server's URL, as the API server itself says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from stanch.engine.errors import NotFound, Refused
from stanch.kube.client import ApiServer, Request

REFRESH = 5.0


@dataclass(frozen=True)
class Resource:
    """A kind as the API server serves it."""

    root: str
    plural: str
    kind: str
    namespaced: bool

    def collection(self, namespace: str) -> str:
        """Path of the objects in `namespace`; of a namespaced kind with an empty one: those of all namespaces."""
        if not namespace:
            return f"{self.root}/{self.plural}"
        if not self.namespaced:
            raise Refused("Invalid", f"{self.kind} is cluster-scoped; namespace {namespace!r} was given, expected none")
        return f"{self.root}/namespaces/{segment(namespace)}/{self.plural}"

    def object(self, namespace: str, name: str, *below: str) -> str:
        """Path of one object, or of a subresource `below` it."""
        if self.namespaced and not namespace:
            raise Refused("Invalid", f"{self.kind} {name!r} is namespaced; no namespace was given")
        return "/".join((self.collection(namespace), segment(name), *map(segment, below)))


def segment(name: str) -> str:
    """`name` as one segment of a path. Names come from people and alerts: one that would reach elsewhere is refused.

    An empty one is the worst: a delete would fall on the whole collection. Source: Kubernetes, "Path Segment Names".
    """
    if not name or name in {".", ".."} or "/" in name or "%" in name:
        raise Refused("Invalid", f"{name!r} cannot be a name: expected a non-empty one without '/' and '%', not '.' or '..'")
    return quote(name, safe="")


@dataclass(frozen=True)
class _Group:
    """The kinds of one group version, empty where the server has no such group version."""

    kinds: Mapping[str, Resource]
    read_at: float


class Discovery:
    """Cached per group version; read again when a kind is missing, at most every few seconds."""

    def __init__(self, api: ApiServer, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._monotonic = monotonic
        self._groups: dict[str, _Group] = {}
        self._lock = asyncio.Lock()

    async def resource(self, api_version: str, kind: str) -> Resource:
        """Where `kind` lives. `Refused` (reason UnknownKind) where the API server does not serve it."""
        async with self._lock:
            group = self._groups.get(api_version)
            if group is None or (kind not in group.kinds and self._monotonic() - group.read_at >= REFRESH):
                group = self._groups[api_version] = _Group(await self._read(api_version), self._monotonic())
        if kind not in group.kinds:
            raise Refused("UnknownKind", f"the API server serves no {kind} in {api_version}: misspelt, or its CRD is missing")
        return group.kinds[kind]

    async def _read(self, api_version: str) -> dict[str, Resource]:
        prefix = "/apis" if "/" in api_version else "/api"
        root = "/".join((prefix, *map(segment, api_version.split("/"))))
        try:
            found = await self._api.json(Request("GET", root, f"read which kinds {api_version} has"))
        except NotFound:
            return {}
        return {
            entry["kind"]: Resource(root, entry["name"], entry["kind"], entry["namespaced"])
            for entry in found.get("resources", ())
            if "/" not in entry["name"]
        }

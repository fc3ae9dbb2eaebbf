"""The one way in which actions of class `cas` write: change and token in a single patch, against a known version.

The token is an annotation on the object itself. There with this step's value: the write arrived (design, invariant 3).
"""

from __future__ import annotations

from stanch.domain.plan import Ref
from stanch.engine.parts import Change
from stanch.engine.ports import Cluster, Object

TOKEN = "stanch.dev/token"


def observe(obj: Object, token: str) -> bool:
    """Whether the write with this token is on the object."""
    return annotations_of(obj).get(TOKEN) == token


async def apply(cluster: Cluster, change: Change, resource_version: str) -> Object:
    """Writes by compare-and-swap. Raises `Conflict` when the object has moved on, and what `cluster.patch` raises."""
    if not resource_version:
        raise ValueError(f"{change.ref}: a compare-and-swap needs the version that the change was planned against")
    return await cluster.patch(change.ref, change.patch, resource_version=resource_version)


def revert_token(token: str) -> str:
    """Marks the taking back of the write that `token` marks."""
    return f"{token}.revert"


def ref_of(obj: Object) -> Ref:
    """Names exactly this object, by UID."""
    metadata = obj["metadata"]
    return Ref(obj["apiVersion"], obj["kind"], metadata.get("namespace", ""), metadata["name"], metadata["uid"])


def annotations_of(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def labels_of(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}

"""The one way in which actions of class `cas` write: change and token in a single patch, against a known version.

The token is an annotation on the object itself. There with this step's value: the write arrived (design, invariant 3).
"""

from __future__ import annotations

from stanch.domain.plan import Ref
from stanch.engine.errors import Refused
from stanch.engine.parts import Change, Effected, Stage
from stanch.engine.ports import Object

TOKEN = "stanch.dev/token"  # noqa: S105 (an annotation's name)


def observe(obj: Object, token: str) -> bool:
    """Whether the write with this token is on the object."""
    return annotations_of(obj).get(TOKEN) == token


async def apply(stage: Stage, change: Change, resource_version: str) -> Effected:
    """Writes by compare-and-swap. Raises `Conflict` when the object has moved on, and what `cluster.patch` raises."""
    if not resource_version:
        raise ValueError(f"{change.ref}: a compare-and-swap needs the version that the change was planned against")
    await stage.cluster.patch(change.ref, change.patch, resource_version=resource_version)
    return Effected(change.summary)


def refuse_deleted(obj: Object, verb: str) -> None:
    """Raises `Refused` (Terminating) for an object that is being deleted."""
    if obj["metadata"].get("deletionTimestamp"):
        raise Refused("Terminating", f"cannot {verb} {title_of(obj)}: it is being deleted")


def title_of(obj: Object) -> str:
    """As messages name it: `Deployment web`."""
    return f"{obj['kind']} {obj['metadata']['name']}"


def ref_of(obj: Object) -> Ref:
    """Names exactly this object, by UID."""
    metadata = obj["metadata"]
    return Ref(obj["apiVersion"], obj["kind"], metadata.get("namespace", ""), metadata["name"], metadata["uid"])


def annotations_of(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def labels_of(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}

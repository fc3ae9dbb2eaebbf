"""What a patch does to an object, and what it may not do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stanch.engine.errors import Refused
from stanch.engine.ports import Object
from tests.unit.memory.kinds import Kind

# The parts of metadata that only the server writes.
SERVERS = ("uid", "resourceVersion", "creationTimestamp", "generation", "deletionTimestamp", "managedFields")


class NotModelled(BaseException):
    """The in-memory cluster cannot say what a real one would do here. Not an Exception, so that nobody handles it."""


def copied(value: Any) -> Any:
    """A deep copy of JSON, several times as fast as one of anything."""
    kind = type(value)
    if kind is str or value is None:
        return value
    if kind is dict or isinstance(value, Mapping):
        return {name: copied(part) for name, part in value.items()}
    return [copied(part) for part in value] if isinstance(value, list | tuple) else value


def merged(value: Any, patch: Any) -> Any:
    """RFC 7386: null deletes, objects merge, everything else replaces."""
    if not isinstance(patch, Mapping):
        return copied(patch)
    result = dict(value) if isinstance(value, Mapping) else {}
    for name, part in patch.items():
        if part is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), part)
    return result


def within_the_model(kind: Kind, patch: Mapping[str, Any], subresource: str) -> None:
    if {"uid", "resourceVersion"} & set(patch.get("metadata", {})):
        raise NotModelled("uid or resourceVersion inside a patch: say them in ref and resource_version")
    if subresource and (subresource != "status" or not kind.status or set(patch) - {"status"}):
        raise NotModelled(f"{kind.kind}/{subresource} with {sorted(patch)}: only status, and nothing else in the patch")


def unmoved(stored: Object, wanted: Object) -> None:
    identity = ("apiVersion", "kind"), ("namespace", "name")
    same = all(stored[part] == wanted.get(part) for part in identity[0])
    if not same or any(stored["metadata"].get(part) != wanted["metadata"].get(part) for part in identity[1]):
        raise Refused("Invalid", "apiVersion, kind, namespace and name cannot be changed")


def kept(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata with the parts that are the server's own as they were."""
    added = set(wanted.get("finalizers", ())) - set(stored.get("finalizers", ()))
    if added and "deletionTimestamp" in stored:
        raise Refused("Invalid", f"metadata.finalizers: no new ones while the object is being deleted: {sorted(added)}")
    own = {part: stored[part] for part in SERVERS if part in stored}
    return {part: value for part, value in wanted.items() if part not in SERVERS and value not in ({}, [])} | own


def immutable(stored: Object, wanted: Object) -> None:
    if stored["kind"] in {"Secret", "ConfigMap"} and stored.get("immutable") and spec(stored) != spec(wanted):
        raise Refused("Invalid", f"{stored['kind']} {stored['metadata']['name']}: field is immutable when `immutable` is set")


def counted(kind: Kind, body: Object) -> Object:
    """The part whose changes metadata.generation counts."""
    annotations = body["metadata"].get("annotations", {}) if kind.annotated else {}
    return {**spec(body), "annotations": annotations}


def spec(body: Object) -> Object:
    return {part: value for part, value in body.items() if part not in {"metadata", "status"}}

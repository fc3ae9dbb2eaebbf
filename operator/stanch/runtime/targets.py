"""Resolves a playbook's targets to objects with UIDs: nothing else is touched by the plan (A-15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stanch.api.names import object_name
from stanch.domain.incident import Facts
from stanch.domain.plan import Ref, Target
from stanch.engine.errors import NotFound, Refused
from stanch.engine.paths import safe_name
from stanch.engine.ports import Cluster, Object

NAME = 63


Found = Mapping[str, tuple[Target, ...]]


async def resolve_targets(cluster: Cluster, facts: Facts, specs: list[Any]) -> Found:
    """The objects behind each of the playbook's targets, by its name. Raises `Refused`.

    One `Target` an object; where a selector finds several, each is named `target.object`.
    """
    return {spec.name: targets_of(spec, await objects_of(cluster, facts, spec)) for spec in specs}


def targets_of(spec: Any, objects: list[Object]) -> tuple[Target, ...]:
    several = len(objects) > 1
    return tuple(Target(of_object(spec.name, obj["metadata"]["name"], several), ref_of(spec, obj)) for obj in objects)


def of_object(name: str, object_name: str, several: bool) -> str:
    """`name`, or `name.object` where there are several: the same each time, within the 63 characters that a status takes."""
    return safe_name(f"{name}.{object_name}", NAME) if several else name


def ref_of(spec: Any, obj: Object) -> Ref:
    metadata = obj["metadata"]
    return Ref(spec.api_version, spec.kind, metadata["namespace"], metadata["name"], metadata["uid"])


async def objects_of(cluster: Cluster, facts: Facts, spec: Any) -> list[Object]:
    if spec.selector is not None:
        return await selected(cluster, facts, spec)
    name = spec.object_name or object_name(spec.name_from, facts)
    try:
        return [await cluster.get(Ref(spec.api_version, spec.kind, facts.namespace, name))]
    except NotFound as error:
        raise Refused("TargetNotFound", f"target {spec.name}: there is no {spec.kind} {name!r} in {facts.namespace}") from error


async def selected(cluster: Cluster, facts: Facts, spec: Any) -> list[Object]:
    labels = ",".join(f"{key}={value}" for key, value in spec.selector.match_labels.items())
    found: list[Object] = []
    async for obj in cluster.list(spec.api_version, spec.kind, facts.namespace, labels=labels):
        found.append(obj)
        if len(found) > spec.max_count:
            raise Refused("TooManyTargets", f"target {spec.name}: {labels} selects more than maxCount {spec.max_count}")
    if not found:
        raise Refused("TargetNotFound", f"target {spec.name}: {labels} selects no {spec.kind} in {facts.namespace}")
    return sorted(found, key=lambda obj: obj["metadata"]["name"])

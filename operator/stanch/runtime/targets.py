"""Resolves a playbook's targets to objects with UIDs: nothing else is touched by the plan (A-15)."""

from __future__ import annotations

from typing import Any

from stanch.api.names import object_name
from stanch.domain.incident import Facts
from stanch.domain.plan import Ref, Target
from stanch.engine.errors import NotFound, Refused
from stanch.engine.ports import Cluster, Object


async def resolve_targets(cluster: Cluster, facts: Facts, specs: list[Any]) -> tuple[Target, ...]:
    """One `Target` an object; where a selector finds several, each is named `target.object`. Raises `Refused`."""
    found: list[Target] = []
    for spec in specs:
        objects = await objects_of(cluster, facts, spec)
        for obj in objects:
            name = spec.name if len(objects) == 1 else f"{spec.name}.{obj['metadata']['name']}"
            found.append(Target(name, ref_of(spec, obj)))
    return tuple(found)


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

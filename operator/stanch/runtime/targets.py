"""Resolves a playbook's targets to objects with UIDs: nothing else is touched by the plan (A-15)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stanch.api.base import SUBDOMAIN_PATTERN
from stanch.domain.incident import Facts
from stanch.domain.plan import Ref, Target
from stanch.domain.record import SHORT
from stanch.engine.errors import NotFound, Refused
from stanch.engine.expressions import Failed
from stanch.engine.paths import safe_name
from stanch.engine.ports import Cluster, Object
from stanch.engine.templates import Scope, render

NAME = 63


Found = Mapping[str, tuple[Target, ...]]


async def resolve_targets(cluster: Cluster, facts: Facts, specs: list[Any], scope: Scope) -> Found:
    """The objects behind each of the playbook's targets, by its name. Raises `Refused`.

    `scope` is what `nameFrom` may speak of. One `Target` an object; where a selector finds several, each is named `target.object`.
    """
    return {spec.name: targets_of(spec, await objects_of(cluster, facts, spec, scope)) for spec in specs}


def targets_of(spec: Any, objects: list[Object]) -> tuple[Target, ...]:
    several = len(objects) > 1
    return tuple(Target(of_object(spec.name, obj["metadata"]["name"], several), ref_of(spec, obj)) for obj in objects)


def of_object(name: str, object_name: str, several: bool) -> str:
    """`name`, or `name.object` where there are several: the same each time, within the 63 characters that a status takes."""
    return safe_name(f"{name}.{object_name}", NAME) if several else name


def ref_of(spec: Any, obj: Object) -> Ref:
    metadata = obj["metadata"]
    return Ref(spec.group_version, spec.kind, metadata["namespace"], metadata["name"], metadata["uid"])


async def objects_of(cluster: Cluster, facts: Facts, spec: Any, scope: Scope) -> list[Object]:
    if spec.selector is not None:
        return await selected(cluster, facts, spec)
    name = spec.object_name or object_name(spec.name_from, scope)
    try:
        return [await cluster.get(Ref(spec.group_version, spec.kind, facts.namespace, name))]
    except NotFound as error:
        raise Refused("TargetNotFound", f"target {spec.name}: there is no {spec.kind} {name!r} in {facts.namespace}") from error


def object_name(template: str, scope: Scope) -> str:
    """`template` filled in. Raises `Refused` (NameUnknown) when that fails, or the result is no name of an object."""
    rendered = render(template, scope)
    if isinstance(rendered, Failed):
        raise Refused("NameUnknown", f"nameFrom {template!r}: {rendered.message}")
    if rendered.unbound:
        raise Refused("NameUnknown", f"nameFrom {template!r} speaks of facts, which nobody knows when targets are found")
    name = str(rendered.value)
    if len(name) > SHORT or not re.fullmatch(SUBDOMAIN_PATTERN, name):
        raise Refused("NameUnknown", f"nameFrom {template!r} gives {name[:SHORT]!a}, which is not the name of an object")
    return name


async def selected(cluster: Cluster, facts: Facts, spec: Any) -> list[Object]:
    labels = ",".join(f"{key}={value}" for key, value in spec.selector.match_labels.items())
    found: list[Object] = []
    async for obj in cluster.list(spec.group_version, spec.kind, facts.namespace, labels=labels):
        found.append(obj)
        if len(found) > spec.max_count:
            lifts = "narrow the selector in the playbook, or raise maxCount"
            raise Refused("TooManyTargets", f"target {spec.name}: {labels} selects more than maxCount {spec.max_count}; {lifts}")
    if not found:
        raise Refused("TargetNotFound", f"target {spec.name}: {labels} selects no {spec.kind} in {facts.namespace}")
    return sorted(found, key=lambda obj: obj["metadata"]["name"])

"""Who is to be suspended before a target is changed: named by the playbook, allowed by the policy, found by the target's marks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stanch.actions.owners import owners_of
from stanch.actions.reconcilers import BY_KIND, title_of
from stanch.api import names
from stanch.api.playbook import AnyPlaybook
from stanch.api.policy import ResponsePolicy
from stanch.api.targets import Owner
from stanch.domain.plan import OnOwnerConflict, Ref, Target
from stanch.engine.errors import Refused
from stanch.engine.paths import safe_name
from stanch.engine.ports import Cluster, Object
from stanch.runtime.targets import NAME, Found

# Name of a target of the plan -> its owner.
Owners = Mapping[str, Target]


async def resolve_owners(cluster: Cluster, playbook: AnyPlaybook, found: Found, policy: ResponsePolicy, namespace: str) -> Owners:
    """Of those targets only that a step may suspend somebody for. Raises `Refused`, also where an owner cannot be read."""
    owners: dict[str, Target] = {}
    steps = (step for option in playbook.options for step in option.steps)
    wanted = {name for step in steps if suspends(step) for name in names.targets_of(step)}
    for spec in playbook.targets:
        for target in found[spec.name] if spec.owner and spec.name in wanted else ():
            if ref := owner_of(await cluster.get(target.ref), spec.owner):
                allow(ref, policy, namespace)
                owners[target.name] = await pinned(cluster, ref)
    return owners


def suspends(step: Any) -> bool:
    return step.on_owner_conflict is OnOwnerConflict.SuspendOwner


def owner_of(target: Object, said: Owner) -> Ref | None:
    """None: nobody owns it whom the playbook names. Whoever else does makes the step fail."""
    wanted = BY_KIND[said.kind].ref(said.namespace or "", said.name or "")
    return next((ref for ref in owners_of(target) if replace(ref, name=ref.name if said.name else "") == wanted), None)


def allow(ref: Ref, policy: ResponsePolicy, namespace: str) -> None:
    """Raises `Refused` (OutsideNamespace)."""
    listed = (item for item in policy.outside if (item.kind, item.namespace) == (ref.kind, ref.namespace))
    if ref.namespace != namespace and not any(not item.names or ref.name in item.names for item in listed):
        raise Refused(
            "OutsideNamespace",
            f"{title_of(ref)} is outside namespace {namespace}, and the ResponsePolicy does not list it: add it to spec.outside",
        )


async def pinned(cluster: Cluster, ref: Ref) -> Target:
    """By UID. The kind's capital keeps its name apart from those of a playbook's targets."""
    owner = await cluster.get(ref)
    return Target(safe_name(f"{ref.kind}.{ref.namespace}.{ref.name}", NAME), replace(ref, uid=owner["metadata"]["uid"]))

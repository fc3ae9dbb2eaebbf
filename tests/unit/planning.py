"""A Pair planned as `runtime.resolve` plans, without a pack: policy, playbook, parameters, account, targets, rendering."""

from __future__ import annotations

from types import MappingProxyType
from typing import cast

from stanch.actions.registry import ACTIONS
from stanch.api import codec, names
from stanch.api.parameters import bind_parameters
from stanch.checks.registry import CHECKS
from stanch.domain.plan import Plan
from stanch.runtime.matching import find_playbook, find_policy
from stanch.runtime.rendering import Brief, filled, scope_of
from stanch.runtime.resolve import find_account
from stanch.runtime.targets import resolve_targets
from stanch.runtime.world import World
from tests.unit import api_examples as examples
from tests.unit.bad_input import Object, Pair, objects
from tests.unit.memory import MemoryClusters, MemoryServer

NAMESPACE = "aureus"


class Parts:
    """Of a world, what rendering looks at."""

    actions, checks = MappingProxyType(ACTIONS), MappingProxyType(CHECKS)


def server_with(pair: Pair, *more: Object) -> MemoryServer:
    server = MemoryServer()
    server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    server.add(examples.policy())
    for item in (*objects(), *more, pair.playbook, pair.incident):
        server.add({**item, "metadata": {"namespace": NAMESPACE, **item["metadata"]}})
    return server


async def planned(pair: Pair, *more: Object) -> Plan:
    """Raises `Refused`. `more` stands in the namespace too."""
    server = server_with(pair, *more)
    own = MemoryClusters(server).own
    obj = server.read(server.ref({**pair.incident, "metadata": {"namespace": NAMESPACE, **pair.incident["metadata"]}}))
    facts, spec = codec.facts_of(obj), cast(Object, obj["spec"])
    await find_policy(own, facts, spec)
    pin, playbook = await find_playbook(own, facts, spec)
    parameters = bind_parameters(playbook.parameters, spec.get("parameters") or {})
    scope = scope_of(facts, names.for_templates(playbook), parameters)
    account = await find_account(own, NAMESPACE, playbook.service_account_name)
    found = await resolve_targets(own, facts, playbook.targets, scope)
    bare = Plan(facts.uid, 1, pin, account, NAMESPACE, tuple(item for group in found.values() for item in group))
    return filled(bare, Brief(cast(World, Parts()), found, scope), playbook)

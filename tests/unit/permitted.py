"""A playbook that has all that it needs in a cluster in memory, so that a test takes away one thing."""

from __future__ import annotations

from collections.abc import Iterable

from stanch.api import codec
from stanch.api.access import Grant
from stanch.api.kinds import PlaybookSpec
from stanch.api.needs import Needs, needs
from stanch.domain.access import Rule
from stanch.engine.ports import Object
from tests.unit.memory import MemoryServer


def needs_of(playbook: Object) -> Needs:
    metadata = playbook["metadata"]
    return needs(metadata["name"], metadata["namespace"], codec.spec_of(PlaybookSpec, playbook))


def permit(server: MemoryServer, playbook: Object, *, account: bool = True) -> Needs:
    """All of it; the ServiceAccount itself unless not `account`."""
    wanted = needs_of(playbook)
    if account:
        server.add({"apiVersion": "v1", "kind": "ServiceAccount",
                    "metadata": {"name": wanted.account, "namespace": wanted.namespace}})  # fmt: skip
    server.grant(wanted.namespace, wanted.account, *rules(wanted.granted))
    return wanted


def rules(granted: Iterable[Grant]) -> list[Rule]:
    return [Rule(grant.verbs, grant.group, grant.resource, grant.names) for grant in granted]


def less(granted: Iterable[Grant], verb: str, resource: str) -> list[Rule]:
    """All but this one right."""
    found = []
    for rule in rules(granted):
        verbs = tuple(one for one in rule.verbs if (one, rule.resource) != (verb, resource))
        found += [Rule(verbs, rule.group, rule.resource, rule.names)] if verbs else []
    return found

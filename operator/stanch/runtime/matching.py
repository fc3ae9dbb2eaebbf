"""Which playbook and which policy an Incident gets. Ambiguity is a refusal, never a guess."""

from __future__ import annotations

from typing import Any

from stanch.api import codec
from stanch.api.base import API_VERSION
from stanch.api.kinds import PlaybookSpec
from stanch.api.lint import why_unusable
from stanch.api.policy import ResponsePolicy
from stanch.domain.incident import Facts
from stanch.domain.plan import Pin, Ref
from stanch.engine.errors import NotFound, Refused
from stanch.engine.ports import Cluster, Object

POLICY_LABEL = "stanch.dev/policy"


def pin(obj: Object) -> Pin:
    metadata = obj["metadata"]
    return Pin(metadata["name"], metadata["uid"], metadata.get("generation", 0))


async def find_policy(own: Cluster, facts: Facts, spec: dict[str, Any]) -> tuple[Pin, ResponsePolicy]:
    """By policyRef, else by the namespace's label, else the one marked default. Raises `Refused`."""
    name = spec.get("policyRef", {}).get("name") or await labelled_policy(own, facts.namespace)
    obj = await named_policy(own, name) if name else await default_policy(own)
    policy = codec.spec_of(ResponsePolicy, obj)
    levels = [level.name for level in policy.levels]
    if facts.severity not in levels:
        expected = ", ".join(levels)
        raise Refused("UnknownSeverity", f"policy {obj['metadata']['name']} has no severity {facts.severity!a}; it has {expected}")
    return pin(obj), policy


async def labelled_policy(own: Cluster, namespace: str) -> str:
    found = await own.get(Ref("v1", "Namespace", "", namespace))
    return (found["metadata"].get("labels") or {}).get(POLICY_LABEL, "")


async def named_policy(own: Cluster, name: str) -> Object:
    try:
        return await own.get(Ref(API_VERSION, "ResponsePolicy", "", name))
    except NotFound as error:
        raise Refused("PolicyNotFound", f"there is no ResponsePolicy {name!r}; see: kubectl get responsepolicies") from error


async def default_policy(own: Cluster) -> Object:
    every = [obj async for obj in own.list(API_VERSION, "ResponsePolicy", "")]
    defaults = [obj for obj in every if obj["spec"].get("default")]
    if len(defaults) == 1:
        return defaults[0]
    names = ", ".join(obj["metadata"]["name"] for obj in defaults) or "none"
    # policyRef is fixed once an Incident is open: only these two help this one.
    mend = f"set spec.default on one ResponsePolicy only, or label the namespace {POLICY_LABEL}=NAME"
    raise Refused("PolicyAmbiguous", f"{len(defaults)} policies are marked default ({names}), expected one: {mend}")


async def find_playbook(own: Cluster, facts: Facts, spec: dict[str, Any]) -> tuple[Pin, Any]:
    """By playbookRef, else the only one whose `match` fits. Raises `Refused`."""
    name = spec.get("playbookRef", {}).get("name")
    obj = await named_playbook(own, facts, name) if name else await matching_playbook(own, facts)
    playbook = codec.spec_of(PlaybookSpec, obj)
    if playbook.suspend:
        raise Refused("PlaybookSuspended", f"playbook {obj['metadata']['name']} is suspended: set spec.suspend to false")
    if why := why_unusable(playbook):
        raise Refused("PlaybookInvalid", f"playbook {obj['metadata']['name']}: {why}")
    return pin(obj), playbook


async def named_playbook(own: Cluster, facts: Facts, name: str) -> Object:
    try:
        return await own.get(Ref(API_VERSION, "Playbook", facts.namespace, name))
    except NotFound as error:
        raise Refused("PlaybookNotFound", f"there is no Playbook {name!r} in namespace {facts.namespace}") from error


async def matching_playbook(own: Cluster, facts: Facts) -> Object:
    every = [obj async for obj in own.list(API_VERSION, "Playbook", facts.namespace)]
    matching = [obj for obj in every if fits(obj, facts)]
    if len(matching) == 1:
        return matching[0]
    what = f"type {facts.type}, severity {facts.severity}, component {facts.component or 'none'}"
    if not matching:
        raise Refused("PlaybookNotFound", f"no Playbook of namespace {facts.namespace} matches {what}: set playbookRef")
    names = ", ".join(sorted(obj["metadata"]["name"] for obj in matching)[:5])
    raise Refused("PlaybookAmbiguous", f"{len(matching)} playbooks match {what} ({names}), expected one: set playbookRef")


def fits(obj: Object, facts: Facts) -> bool:
    """Whether every line that the playbook's `match` gives fits. Without `match` it must be named."""
    # One that this version cannot read matches too: it is named in the refusal instead of being passed over.
    match = obj["spec"].get("match")
    if match is None:
        return False
    lists = (("types", facts.type), ("severities", facts.severity), ("components", facts.component))
    wanted = match.get("labels", {}).items() <= dict(facts.labels).items()
    return wanted and all(not match.get(key) or value in match[key] for key, value in lists)

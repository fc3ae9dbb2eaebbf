"""What a playbook's ServiceAccount needs from RBAC: what its actions, checks and sources of evidence declare, merged. Pure.

Narrowed to single objects wherever RBAC can do that; where it cannot (a list, a name that only the Incident knows), the
grant says why it is wider. https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stanch.actions.registry import ACTIONS
from stanch.api.playbook import Playbook, Target
from stanch.checks.registry import CHECKS
from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.evidence.registry import SOURCES
from stanch.evidence.workload import group_of, resource_of, revision_rules

# Stands for a name that nobody knows before the Incident is there. Never the name of an object.
ANY = "*"
COMPONENT = "${incident.component}"


@dataclass(frozen=True)
class Grant:
    """One rule of a Role. `names` empty: all objects of the resource, and `why` says why no fewer."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    names: tuple[str, ...]
    why: tuple[str, ...]

    def rule(self) -> dict[str, Any]:
        """As it stands in a Role."""
        narrowed = {"resourceNames": list(self.names)} if self.names else {}
        return {"apiGroups": [self.group], "resources": [self.resource], **narrowed, "verbs": list(self.verbs)}


def grants(playbook: Playbook[Any, Any, Any], namespace: str) -> tuple[Grant, ...]:
    """All that the playbook's ServiceAccount needs in `namespace`, merged and sorted."""
    refs = {target.name: refs_of(target, playbook, namespace) for target in playbook.targets}
    wide = {target.name: why_wide(target, refs[target.name]) for target in playbook.targets}
    return merge(opened(rule, wide) for rule in declared(playbook, namespace, refs))


def refs_of(target: Target, playbook: Playbook[Any, Any, Any], namespace: str) -> tuple[Ref, ...]:
    """The objects that the target can be, by name; one named ANY where only the Incident tells."""
    names = {target.object_name} if target.object_name else possible_names(target.name_from or "", playbook)
    return tuple(Ref(target.api_version, target.kind, namespace, name) for name in sorted(filter(None, names)))


def possible_names(template: str, playbook: Playbook[Any, Any, Any]) -> set[str]:
    """`nameFrom` filled in for each component that the playbook matches. Without those, and for labels, any name."""
    components = playbook.match.components if playbook.match else []
    filled = {template.replace(COMPONENT, component) for component in components or [COMPONENT]}
    return {ANY} if not template or any("${" in name for name in filled) else filled


def why_wide(target: Target, refs: tuple[Ref, ...]) -> str:
    if all(ref.name != ANY for ref in refs):
        return ""
    chosen = "its selector finds it" if target.selector else f"its name comes from the Incident ({target.name_from})"
    return f"target {target.name} is not known beforehand: {chosen}"


def declared(playbook: Playbook[Any, Any, Any], namespace: str, refs: Mapping[str, tuple[Ref, ...]]) -> Iterator[Rule]:
    for target in playbook.targets:
        yield from planning(target, refs[target.name])
    for source in playbook.evidence.collect:
        chosen = source.chosen
        kind = SOURCES[chosen.kind]
        every = tuple(ref for found in refs.values() for ref in found)
        about = refs[chosen.target] if chosen.target else every
        yield from kind.rules(kind.params.model_validate(chosen.params), namespace, about)
    for option in playbook.options:
        yield from of_option(option, namespace, refs)


def planning(target: Target, refs: tuple[Ref, ...]) -> Iterator[Rule]:
    """Reading the target and its revisions: what it is, and when it was deployed last."""
    for ref in refs:
        yield Rule(("get",), group_of(ref), resource_of(ref), (ref.name,))
        if target.selector:
            yield Rule(("list",), group_of(ref), resource_of(ref), why=f"target {target.name} is found by its labels")
    yield from revision_rules(refs)


def of_option(option: Any, namespace: str, refs: Mapping[str, tuple[Ref, ...]]) -> Iterator[Rule]:
    for step in option.steps:
        action = ACTIONS[step.chosen.kind]
        params = action.params.model_validate(step.chosen.params)
        for ref in refs.get(step.chosen.target, ()):
            yield from action.rules(params, ref)
    for check in option.verify:
        kind = CHECKS[check.chosen.kind]
        params = kind.params.model_validate(check.chosen.params)
        for ref in refs.get(check.chosen.target, (None,)):
            yield from kind.rules(params, namespace, ref)


def opened(rule: Rule, wide: Mapping[str, str]) -> Rule:
    """A rule about ANY cannot be narrowed to names; it says so."""
    if ANY not in rule.names and rule.names:
        return rule
    reasons = [rule.why] if rule.why else []
    if ANY in rule.names:
        reasons += [why for why in wide.values() if why]
    return Rule(rule.verbs, rule.group, rule.resource, (), "; ".join(reasons))


def merge(rules: Iterable[Rule]) -> tuple[Grant, ...]:
    """One grant for each resource and set of names. A verb that is needed on all objects is not repeated for single ones."""
    named: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    whys: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for rule in rules:
        for verb in rule.verbs:
            named[rule.group, rule.resource][verb].update(rule.names or (ANY,))
            whys[rule.group, rule.resource][verb].update([rule.why] if rule.why and not rule.names else [])
    return tuple(grant for key in sorted(named) for grant in of_resource(*key, named[key], whys[key]))


def of_resource(group: str, resource: str, named: Mapping[str, set[str]], whys: Mapping[str, set[str]]) -> Iterator[Grant]:
    by_names: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for verb in sorted(named):
        by_names[() if ANY in named[verb] else tuple(sorted(named[verb]))].append(verb)
    for names, verbs in sorted(by_names.items()):
        why = sorted({why for verb in verbs for why in whys[verb]}) if not names else []
        yield Grant(group, resource, tuple(verbs), names, tuple(why))

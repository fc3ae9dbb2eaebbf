"""What a playbook's ServiceAccount needs from RBAC: what its actions, checks and sources of evidence declare, merged. Pure.

Narrowed to single objects wherever RBAC can do that; where it cannot (a list, a name that only the Incident knows), the
grant says why it is wider. https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stanch.actions.budgets import RULE as BUDGETS
from stanch.actions.reconcilers import BY_KIND
from stanch.actions.registry import ACTIONS
from stanch.actions.suspend_owner import SUSPEND_OWNER
from stanch.api import names
from stanch.api.playbook import AnyPlaybook, Target
from stanch.checks.registry import CHECKS
from stanch.domain.access import Rule
from stanch.domain.guards import Budgets
from stanch.domain.plan import OnOwnerConflict, Ref
from stanch.engine.parts import Action, CheckKind
from stanch.engine.templates import Rendered, Scope, is_template, render
from stanch.evidence.registry import SOURCES
from stanch.evidence.workload import group_of, resource_of, revision_rules

RESTART = "rolloutRestart"
# Stands for a name that nobody knows before the Incident is there. Never the name of an object.
ANY = "*"
# Namespace (empty: the playbook's), group, resource.
Place = tuple[str, str, str]


@dataclass(frozen=True)
class Grant:
    """One rule of a Role. `names` empty: all objects of the resource, and `why` says why no fewer. `namespace` empty: the
    playbook's."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    names: tuple[str, ...]
    why: tuple[str, ...]
    namespace: str = ""

    def rule(self) -> dict[str, Any]:
        """As it stands in a Role."""
        narrowed = {"resourceNames": list(self.names)} if self.names else {}
        return {"apiGroups": [self.group], "resources": [self.resource], **narrowed, "verbs": list(self.verbs)}


def grants(playbook: AnyPlaybook, namespace: str) -> tuple[Grant, ...]:
    """All that the playbook's ServiceAccount needs in `namespace`, its own, and elsewhere, merged and sorted."""
    refs = {target.name: refs_of(target, playbook, namespace) for target in playbook.targets}
    wide = {target.name: why_wide(target, refs[target.name]) for target in playbook.targets}
    return merge(opened(rule, wide) for rule in (*declared(playbook, namespace, refs), *of_owners(playbook, namespace)))


def refs_of(target: Target, playbook: AnyPlaybook, namespace: str) -> tuple[Ref, ...]:
    """The objects that the target can be, by name; one named ANY where only the Incident tells."""
    names = {target.object_name} if target.object_name else possible_names(target.name_from or "", playbook)
    return tuple(Ref(target.group_version, target.kind, namespace, name) for name in sorted(filter(None, names)))


def possible_names(template: str, playbook: AnyPlaybook) -> set[str]:
    """`nameFrom` filled in for each component that the playbook matches. Where that does not tell, any name."""
    components = playbook.match.components if playbook.match else []
    filled = {filled_in(template, component, playbook) for component in components or [""]}
    return {ANY} if ANY in filled else filled


def filled_in(template: str, component: str, playbook: AnyPlaybook) -> str:
    known = {"incident": {"component": component}} if component else {}
    rendered = render(template, Scope(known, names.for_templates(playbook)))
    return str(rendered.value) if template and isinstance(rendered, Rendered) and not rendered.unbound else ANY


def why_wide(target: Target, refs: tuple[Ref, ...]) -> str:
    if all(ref.name != ANY for ref in refs):
        return ""
    chosen = "its selector finds it" if target.selector else f"its name comes from the Incident ({target.name_from})"
    return f"target {target.name} is not known beforehand: {chosen}"


def declared(playbook: AnyPlaybook, namespace: str, refs: Mapping[str, tuple[Ref, ...]]) -> Iterator[Rule]:
    for target in playbook.targets:
        yield from planning(target, refs[target.name])
    every = tuple(ref for found in refs.values() for ref in found)
    for source in playbook.evidence.collect:
        chosen = source.chosen
        yield from SOURCES[chosen.kind].rules(source.parameters, namespace, refs[chosen.target] if chosen.target else every)
    for step in steps_of(playbook):
        yield from of_step(step, namespace, refs)
    yield from of_guards(playbook)
    for check in checks_of(playbook):
        yield from of_part(CHECKS[check.chosen.kind], check, namespace, refs)


def steps_of(playbook: AnyPlaybook) -> Iterator[Any]:
    return (step for option in playbook.options for step in option.steps)


def checks_of(playbook: AnyPlaybook) -> Iterator[Any]:
    """Every check that is ever read: of options, of steps, of the diagnosis, of recovery."""
    for option in playbook.options:
        yield from option.verify
    for step in steps_of(playbook):
        yield from step.smoke
    yield from playbook.diagnosis
    if playbook.recovery:
        yield from playbook.recovery.verify


def planning(target: Target, refs: tuple[Ref, ...]) -> Iterator[Rule]:
    """Reading the target and its revisions: what it is, and when it was deployed last."""
    for ref in refs:
        yield Rule(("get",), group_of(ref), resource_of(ref), (ref.name,))
        if target.selector:
            yield Rule(("list",), group_of(ref), resource_of(ref), why=f"target {target.name} is found by its labels")
    yield from revision_rules(refs)


def of_step(step: Any, namespace: str, refs: Mapping[str, tuple[Ref, ...]]) -> Iterator[Rule]:
    """The step's own, and those of the restarts of its consumers."""
    action, params = ACTIONS[step.chosen.kind], step.parameters
    yield from of_part(action, step, namespace, refs)
    restart = ACTIONS[RESTART]
    for name in getattr(params, action.consumers) if action.consumers else ():
        for ref in refs.get(name, ()):
            yield from restart.rules(restart.params(), namespace, ref)


def of_owners(playbook: AnyPlaybook, namespace: str) -> Iterator[Rule]:
    """To suspend and give back who owns the targets of the steps that say so."""
    steps = [step for step in steps_of(playbook) if step.on_owner_conflict is OnOwnerConflict.SuspendOwner]
    touched = {name for step in steps for name in names.targets_of(step)}
    for target in playbook.targets:
        if target.owner and target.name in touched:
            ref = BY_KIND[target.owner.kind].ref(target.owner.namespace or "", target.owner.name or ANY)
            yield from (of_owner(rule, target, namespace) for rule in SUSPEND_OWNER.rules(None, namespace, ref))


def of_owner(rule: Rule, target: Target, namespace: str) -> Rule:
    elsewhere = "" if rule.namespace == namespace else rule.namespace
    if ANY not in rule.names:
        return replace(rule, namespace=elsewhere)
    why = f"which {target.owner.kind} owns target {target.name} is read from the target"
    return replace(rule, names=(), why=why, namespace=elsewhere)


def of_guards(playbook: AnyPlaybook) -> Iterator[Rule]:
    """Which budgets select a target's pods, where a step may take some."""
    asked = playbook.guards is None or playbook.guards.pod_disruption_budgets is Budgets.Respect
    if asked and any(takes_pods(step) for step in steps_of(playbook)):
        yield BUDGETS


def takes_pods(step: Any) -> bool:
    """Its own, or by the restarts of its consumers."""
    action = ACTIONS[step.chosen.kind]
    return action.takes_pods or bool(action.consumers and getattr(step.parameters, action.consumers))


def of_part(part: Action | CheckKind, said: Any, namespace: str, refs: Mapping[str, tuple[Ref, ...]]) -> Iterator[Rule]:
    for ref in refs.get(said.chosen.target, (None,)):
        yield from part.rules(said.parameters, namespace, ref)


def opened(rule: Rule, wide: Mapping[str, str]) -> Rule:
    """A rule about ANY, or about a name that a template makes, cannot be narrowed to names; it says so."""
    made = [name for name in rule.names if is_template(name)]
    if rule.names and ANY not in rule.names and not made:
        return rule
    reasons = [rule.why] if rule.why else []
    reasons += [f"the name {name} is known only when the Incident is there" for name in made]
    if ANY in rule.names:
        reasons += [why for why in wide.values() if why]
    return replace(rule, names=(), why="; ".join(reasons))


def merge(rules: Iterable[Rule]) -> tuple[Grant, ...]:
    """One grant for each resource and set of names. A verb that is needed on all objects is not repeated for single ones."""
    named: dict[Place, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    whys: dict[Place, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for rule in rules:
        place = rule.namespace, rule.group, rule.resource
        for verb in rule.verbs:
            named[place][verb].update(rule.names or (ANY,))
            whys[place][verb].update([rule.why] if rule.why and not rule.names else [])
    return tuple(grant for key in sorted(named) for grant in of_resource(*key, named[key], whys[key]))


def of_resource(
    namespace: str, group: str, resource: str, named: Mapping[str, set[str]], whys: Mapping[str, set[str]]
) -> Iterator[Grant]:
    by_names: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for verb in sorted(named):
        by_names[() if ANY in named[verb] else tuple(sorted(named[verb]))].append(verb)
    for single, verbs in sorted(by_names.items()):
        why = sorted({why for verb in verbs for why in whys[verb]}) if not single else []
        yield Grant(group, resource, tuple(verbs), single, tuple(why), namespace)

"""What a part of stanch needs from RBAC, said by the part itself; and what somebody has of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """One RBAC rule. `names` empty means that RBAC cannot narrow it to names (lists, creates), and `why` says so.
    `namespace` empty: the playbook's."""

    verbs: tuple[str, ...]
    group: str
    resource: str
    names: tuple[str, ...] = ()
    why: str = ""
    namespace: str = ""


@dataclass(frozen=True)
class Question:
    """Whether somebody may do this. `name` empty: with every object of the resource, or the request names none."""

    verb: str
    group: str
    resource: str
    name: str = ""


@dataclass(frozen=True)
class Rights:
    """What one identity may do in a namespace. Not `complete`: somebody who lists no rules has a say too, and may allow or deny
    something else."""

    rules: tuple[Rule, ...]
    complete: bool = True

    def allow(self, asked: Question) -> bool:
        return any(covers(rule, asked) and (not rule.names or asked.name in rule.names) for rule in self.rules)

    def allow_some(self, asked: Question) -> bool:
        """With one object at least."""
        return any(covers(rule, asked) for rule in self.rules)


def covers(rule: Rule, asked: Question) -> bool:
    """Whether the rule is about this, whatever the name. As Kubernetes' pkg/apis/rbac/v1/evaluation_helpers.go has it."""
    subresource = asked.resource.partition("/")[2]
    resources = {"*", asked.resource, *([f"*/{subresource}"] if subresource else [])}
    return not {"*", asked.verb}.isdisjoint(rule.verbs) and rule.group in {"*", asked.group} and rule.resource in resources

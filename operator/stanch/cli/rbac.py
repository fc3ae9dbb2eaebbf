"""`stanch rbac`: the ServiceAccount, Roles and RoleBindings that a playbook needs, as YAML to review and apply."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from stanch.api.access import Grant, grants
from stanch.api.needs import OPERATOR, opt_in
from stanch.api.playbook import AnyPlaybook
from stanch.packs.render import printable

RBAC = "rbac.authorization.k8s.io"
_NAME = 253


@dataclass(frozen=True)
class Subject:
    """A playbook and where it lies; `operator_namespace` is where the ServiceAccount `stanch` is."""

    name: str
    namespace: str
    playbook: AnyPlaybook
    operator_namespace: str

    @property
    def account(self) -> str:
        return self.playbook.service_account_name


def objects(subject: Subject) -> list[dict[str, Any]]:
    """What is to be applied, as JSON objects."""
    needs, acts = f"stanch-playbook-{subject.name}"[:_NAME], f"stanch-acts-as-{subject.account}"[:_NAME]
    account = {"kind": "ServiceAccount", "name": subject.account, "namespace": subject.namespace}
    operator = {"kind": "ServiceAccount", "name": OPERATOR, "namespace": subject.operator_namespace}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(subject, subject.account)},
        role(subject, needs, grants(subject.playbook, subject.namespace)),
        binding(subject, needs, account),
        role(subject, acts, [opt_in(subject.account)]),
        binding(subject, acts, operator),
    ]


def metadata(subject: Subject, name: str) -> dict[str, str]:
    return {"name": name, "namespace": subject.namespace}


def role(subject: Subject, name: str, needed: Iterable[Grant]) -> dict[str, Any]:
    rules = [grant.rule() for grant in needed]
    return {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata(subject, name), "rules": rules}


def binding(subject: Subject, name: str, who: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": metadata(subject, name),
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
        "subjects": [who],
    }


def render(subject: Subject) -> str:
    """The objects as YAML, each rule that is wider than single objects under a comment that says why."""
    account, needs, bound, acts, bound_acts = objects(subject)
    who = printable(f"{subject.namespace}/{subject.name}")
    title = f"# What playbook {who} needs. Printed by `stanch rbac`; apply it with kubectl apply -f -\n"
    narrowed = "# What its steps, checks and evidence may do, as the playbook's ServiceAccount.\n"
    opt = "# The opt-in of this namespace: stanch may act as this ServiceAccount, and no other.\n"
    documents = [
        title + dump(account),
        narrowed + with_reasons(needs, grants(subject.playbook, subject.namespace)),
        dump(bound),
        opt + dump(acts),
        dump(bound_acts),
    ]
    return "---\n".join(documents)


def with_reasons(body: dict[str, Any], needed: Iterable[Grant]) -> str:
    head = dump({key: value for key, value in body.items() if key != "rules"})
    rules = "".join(reasons(grant) + dump([grant.rule()]) for grant in needed)
    return f"{head}rules:\n{rules}"


def reasons(grant: Grant) -> str:
    if grant.names:
        return ""
    whys = grant.why or ("its names are not known beforehand",)
    return "".join(f"# not narrowed to names: {printable(why)}\n" for why in whys)


def dump(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, default_flow_style=None, width=120)

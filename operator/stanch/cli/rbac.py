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
    own = subject.namespace
    objects = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(own, subject.account)},
        role(own, needs, needed_in(subject, "")),
        binding(own, needs, account),
        role(own, acts, [opt_in(subject.account)]),
        binding(own, acts, operator),
    ]
    for namespace in elsewhere(subject):
        name = f"stanch-playbook-{own}-{subject.name}"[:_NAME]
        objects += [role(namespace, name, needed_in(subject, namespace)), binding(namespace, name, account)]
    return objects


def needed_in(subject: Subject, namespace: str) -> list[Grant]:
    return [grant for grant in grants(subject.playbook, subject.namespace) if grant.namespace == namespace]


def elsewhere(subject: Subject) -> list[str]:
    """The other namespaces in which owners of targets are suspended."""
    return sorted({grant.namespace for grant in grants(subject.playbook, subject.namespace)} - {""})


def metadata(namespace: str, name: str) -> dict[str, str]:
    return {"name": name, "namespace": namespace}


def role(namespace: str, name: str, needed: Iterable[Grant]) -> dict[str, Any]:
    rules = [grant.rule() for grant in needed]
    return {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata(namespace, name), "rules": rules}


def binding(namespace: str, name: str, who: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": metadata(namespace, name),
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
        "subjects": [who],
    }


def render(subject: Subject) -> str:
    """The objects as YAML, each rule that is wider than single objects under a comment that says why."""
    account, needs, bound, acts, bound_acts, *others = objects(subject)
    who = printable(f"{subject.namespace}/{subject.name}")
    title = f"# What playbook {who} needs. Printed by `stanch rbac`; apply it with kubectl apply -f -\n"
    narrowed = "# What its steps, checks and evidence may do, as the playbook's ServiceAccount.\n"
    opt = "# The opt-in of this namespace: stanch may act as this ServiceAccount, and no other.\n"
    documents = [
        title + dump(account),
        narrowed + with_reasons(needs, needed_in(subject, "")),
        dump(bound),
        opt + dump(acts),
        dump(bound_acts),
        *(abroad(subject, document) for document in others),
    ]
    return "---\n".join(documents)


def abroad(subject: Subject, document: dict[str, Any]) -> str:
    """What is needed in the namespace of an owner, and who may act there."""
    if document["kind"] != "Role":
        return dump(document)
    namespace = document["metadata"]["namespace"]
    title = f"# To suspend who owns its targets, and give it back, in namespace {printable(namespace)}.\n"
    return title + with_reasons(document, needed_in(subject, namespace))


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

"""All that a playbook needs of a cluster before an incident needs it: its ServiceAccount, what that may do, what stanch may. Pure.

`stanch rbac` prints it; `runtime.permissions` asks what of it is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

from stanch.api.access import Grant, grants
from stanch.api.playbook import AnyPlaybook

GROUP = "stanch.dev"
# The name of the operator's own ServiceAccount, in whatever namespace.
OPERATOR = "stanch"
# What the operator does in its own name in every namespace that it works in: manifests/operator/rbac.yaml grants it.
OPERATOR_RULES = (
    Grant(GROUP, "incidents", ("get", "list", "watch", "patch", "delete"), (), ()),
    Grant(GROUP, "playbooks", ("get", "list", "watch"), (), ()),
    Grant(GROUP, "decisions", ("get", "list", "watch", "patch"), (), ()),
    Grant(GROUP, "incidents/status", ("patch", "record"), (), ()),
    Grant(GROUP, "playbooks/status", ("patch", "record"), (), ()),
    Grant(GROUP, "decisions/status", ("patch", "record"), (), ()),
    Grant("", "events", ("create",), (), ()),
)


@dataclass(frozen=True)
class Needs:
    """`account`: name of the ServiceAccount, in `namespace`; `granted` is what it needs there, `operator` what stanch does."""

    playbook: str
    namespace: str
    account: str
    granted: tuple[Grant, ...]
    operator: tuple[Grant, ...]


def needs(name: str, namespace: str, playbook: AnyPlaybook) -> Needs:
    account = playbook.service_account_name
    labels = Grant("", "namespaces", ("get",), (namespace,), ())
    operator = (opt_in(account), *OPERATOR_RULES, labels)
    return Needs(name, namespace, account, grants(playbook, namespace), operator)


def opt_in(account: str) -> Grant:
    """Lets the operator act as this one ServiceAccount; `get` pins its UID, so that a re-created one is not acted as."""
    return Grant("", "serviceaccounts", ("get", "impersonate"), (account,), ())


def user_of(namespace: str, account: str) -> str:
    """The name under which the API server knows a ServiceAccount."""
    return f"system:serviceaccount:{namespace}:{account}"

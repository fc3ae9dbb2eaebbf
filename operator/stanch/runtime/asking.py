"""Whom a machine must ask: what nobody but an alert wants is changed only where the playbook says `automatic` or people approve."""

from __future__ import annotations

from dataclasses import replace

from stanch.api.playbook import AnyPlaybook
from stanch.api.policy import ResponsePolicy
from stanch.domain.incident import Facts
from stanch.domain.plan import Approval, Plan

# Proven at admission: the API server names each account so. People are never named so.
MACHINE = "system:serviceaccount:"


def asked(plan: Plan, facts: Facts, playbook: AnyPlaybook, policy: ResponsePolicy) -> Plan:
    """Each option that asks for no approval of its own asks for the policy's. Only then: what the playbook asks for stays."""
    if playbook.automatic or not facts.opened_by.startswith(MACHINE):
        return plan
    approval = Approval({policy.approval_role: 1})
    return replace(plan, options=tuple(replace(option, approval=option.approval or approval) for option in plan.options))

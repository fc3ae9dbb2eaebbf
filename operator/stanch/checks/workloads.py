"""The workloads that checks look at: their kinds, and whether their status speaks of their latest spec."""

from __future__ import annotations

from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.engine.ports import Object

PLURALS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}


def read_rule(target: Ref) -> Rule:
    return Rule(("get",), "apps", PLURALS[target.kind], (target.name,))


def observed(workload: Object) -> bool:
    """Whether its controller has seen the latest spec; until then its status is about another one."""
    seen = status(workload, "observedGeneration")
    return seen > 0 and seen >= workload["metadata"]["generation"]


def status(workload: Object, field: str) -> int:
    """A counter of the status. The API leaves zeros out."""
    return workload.get("status", {}).get(field, 0)


def replicas(workload: Object) -> int:
    """How many pods there should be."""
    if workload["kind"] == "DaemonSet":
        return status(workload, "desiredNumberScheduled")
    return workload["spec"].get("replicas", 1)


def ready(workload: Object) -> int:
    return status(workload, "numberReady" if workload["kind"] == "DaemonSet" else "readyReplicas")


def pod_rules(target: Ref) -> tuple[Rule, ...]:
    """To find the pods that belong to it."""
    wide = "pods are found by owner, which RBAC cannot express"
    sets = Rule(("list",), "apps", "replicasets", why=f"{wide}; a Deployment's ReplicaSets own them")
    pods = Rule(("list",), "", "pods", why=wide)
    return (read_rule(target), sets, pods) if target.kind == "Deployment" else (read_rule(target), pods)

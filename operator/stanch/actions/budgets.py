"""PodDisruptionBudgets over a workload's pods: found by what its pod template's labels are.

https://kubernetes.io/docs/tasks/run-application/configure-pdb/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stanch.domain.access import Rule
from stanch.engine.availability import Unknown
from stanch.engine.errors import Refused
from stanch.engine.figures import Budget
from stanch.engine.ports import Cluster, Object

API, KIND = "policy/v1", "PodDisruptionBudget"
RULE = Rule(
    ("list",), "policy", "poddisruptionbudgets", why="which ones select the target's pods; RBAC cannot narrow a list to names"
)


async def read_budgets(cluster: Cluster, target: Object) -> tuple[Budget, ...] | Unknown:
    """Those that select the target's pods; Unknown where they could not be read. Raises `Retryable` only."""
    labels = labels_of(target)
    listed = cluster.list(API, KIND, target["metadata"]["namespace"])
    try:
        return tuple([budget(item) async for item in listed if selects(item["spec"].get("selector"), labels)])
    except Refused as failure:
        return Unknown(failure.message)


def labels_of(workload: Object) -> Mapping[str, str]:
    """Those of its pods."""
    return (workload["spec"]["template"].get("metadata") or {}).get("labels") or {}


def budget(item: Object) -> Budget:
    metadata, status = item["metadata"], item.get("status") or {}
    seen = status.get("observedGeneration", 0) >= metadata.get("generation", 0) and "disruptionsAllowed" in status
    allowed = status["disruptionsAllowed"] if seen else Unknown("its controller has not seen the latest spec")
    return Budget(metadata["name"], allowed, item["spec"].get("selector"))


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """None selects no pod, an empty one every pod."""
    if selector is None:
        return False
    equal = (selector.get("matchLabels") or {}).items() <= labels.items()
    return equal and all(fits(item, labels) for item in selector.get("matchExpressions") or ())


def fits(item: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """An operator that is not known counts as fitting: a budget too many is waited for, one too few is broken."""
    there, value, values = item["key"] in labels, labels.get(item["key"]), item.get("values") or ()
    verdicts = {"In": there and value in values, "NotIn": value not in values, "Exists": there, "DoesNotExist": not there}
    return verdicts.get(item["operator"], True)

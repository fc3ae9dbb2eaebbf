"""What `rolloutRestart` and `rolloutUndo` share: the kinds that roll out, and when a changed template would not act."""

from __future__ import annotations

from collections.abc import Iterator

from stanch.actions.effects import refuse_deleted, title_of
from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.engine.errors import Refused
from stanch.engine.ports import Object

PLURALS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
KINDS = frozenset(PLURALS)


def write_rules(ref: Ref) -> tuple[Rule, ...]:
    """To read and patch this one object."""
    return (Rule(("get", "patch"), "apps", PLURALS[ref.kind], (ref.name,)),)


def guard_rollout(target: Object, verb: str) -> None:
    """Raises `Refused` when its controller would not roll a changed template out: nothing that runs would change."""
    refuse_deleted(target, verb)
    for reason, why in _obstacles(target):
        raise Refused(reason, f"cannot {verb} {title_of(target)}: {why}")


def _obstacles(target: Object) -> Iterator[tuple[str, str]]:
    spec, metadata = target["spec"], target["metadata"]
    if spec.get("paused"):
        resume = f"kubectl -n {metadata['namespace']} rollout resume {target['kind'].lower()}/{metadata['name']}"
        yield "Paused", f"it is paused and would not roll out; find out who paused it and why, then {resume}"
    if (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        yield (
            "OnDelete",
            "its update strategy OnDelete keeps its pods until somebody deletes them; delete them one by one, or set "
            "updateStrategy.type to RollingUpdate",
        )
    partition, replicas = partition_of(target), spec.get("replicas", 1)
    if partition and partition >= replicas:
        yield (
            "Partitioned",
            f"partition {partition} with {replicas} replicas keeps every pod as it is; lower "
            "updateStrategy.rollingUpdate.partition",
        )


def partition_of(target: Object) -> int:
    """StatefulSet pods with a lower ordinal than this keep the old template."""
    return ((target["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition") or 0


def limits(target: Object) -> str:
    """What is to be said of a rollout that would not, or may not, replace all pods by itself.

    https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback
    """
    partition = partition_of(target)
    kept = f"pods with an ordinal below {partition} keep their template (partition {partition})" if partition else ""
    in_order = target["kind"] == "StatefulSet" and target["spec"].get("podManagementPolicy") != "Parallel"
    return sentences(kept, "a pod that never became ready must be deleted by hand to get the new template" if in_order else "")


def sentences(*parts: str) -> str:
    return "; ".join(part for part in parts if part)

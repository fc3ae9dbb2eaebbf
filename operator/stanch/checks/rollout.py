"""`rollout`: the latest pod template is rolled out, as `kubectl rollout status` judges it.

Source: kubectl's pkg/polymorphichelpers/rollout_status.go.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from stanch.checks.reading import confirmed, denied, unknown, unread
from stanch.checks.workloads import PLURALS, observed, read_rule, replicas, status
from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.engine.errors import Failure
from stanch.engine.parts import CheckKind, CheckScope, Reading
from stanch.engine.ports import Cluster, Object
from stanch.engine.workload import current_revision, revisions_of


class RolloutParams(BaseModel):
    """The latest pod template is rolled out and available."""

    model_config = ConfigDict(extra="forbid", frozen=True)


async def read(scope: CheckScope, _: RolloutParams) -> Reading:
    if scope.target is None or scope.target.kind not in PLURALS:
        return unknown(f"a rollout check needs a {', '.join(PLURALS)} as its target", final=True)
    try:
        workload = await scope.cluster.get(scope.target)
    except Failure as failure:
        return unread(failure)
    if deadline_passed(workload):
        return await _out_of_time(scope.cluster, workload)
    return judge(workload)


def judge(workload: Object) -> Reading:
    if (workload["spec"].get("updateStrategy") or {}).get("type") == "OnDelete":
        return unknown("update strategy OnDelete has no rollout whose end could be seen", final=True)
    if not observed(workload):
        return unknown("its controller has not seen the latest spec yet")
    waiting = _WAITING[workload["kind"]](workload)
    return denied(waiting) if waiting else confirmed(f"rolled out: {replicas(workload)} pods wanted, all there")


def _deployment(workload: Object) -> str:
    wanted, updated = replicas(workload), status(workload, "updatedReplicas")
    total, available = status(workload, "replicas"), status(workload, "availableReplicas")
    if updated < wanted:
        return f"{updated} of {wanted} pods have the new template"
    if total > updated:
        return f"{total - updated} old pods are still there"
    return f"{available} of {updated} new pods are available" if available < updated else ""


def _stateful_set(workload: Object) -> str:
    wanted, ready = replicas(workload), status(workload, "readyReplicas")
    if ready < wanted:
        return f"{ready} of {wanted} pods are ready"
    rolling = (workload["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    new, updated = wanted - rolling.get("partition", 0), status(workload, "updatedReplicas")
    return f"{updated} of {new} pods have the new template" if updated < new else ""


def _daemon_set(workload: Object) -> str:
    wanted = replicas(workload)
    updated, available = status(workload, "updatedNumberScheduled"), status(workload, "numberAvailable")
    if updated < wanted:
        return f"{updated} of {wanted} pods have the new template"
    return f"{available} of {wanted} pods are available" if available < wanted else ""


_WAITING = {"Deployment": _deployment, "StatefulSet": _stateful_set, "DaemonSet": _daemon_set}


def deadline_passed(workload: Object) -> str:
    """The message of a Deployment's condition ProgressDeadlineExceeded, where its status is about the latest spec."""
    conditions = workload.get("status", {}).get("conditions") or ()
    over = [item for item in conditions if item.get("reason") == "ProgressDeadlineExceeded"]
    return over[0].get("message", "deadline exceeded") if over and observed(workload) else ""


async def _out_of_time(cluster: Cluster, workload: Object) -> Reading:
    """Final only when it is the current template that is out of time.

    The condition outlives a change of the template until the new rollout progresses, so right after an undo it still
    speaks of the bad release. Its message names the ReplicaSet that it is about.
    """
    message = deadline_passed(workload)
    try:
        current = current_revision(workload, await revisions_of(cluster, workload))
    except Failure as failure:
        return denied(f"{message} Which revision that is about could not be read: {failure.message}")
    final = current is not None and f'"{current["metadata"]["name"]}"' in message
    return denied(message, final=final)


def rules(_: RolloutParams, namespace: str, target: Ref | None) -> tuple[Rule, ...]:
    if target is None:
        return ()
    lists = Rule(("list",), "apps", "replicasets", why="which revision is out of time; a list cannot be narrowed to names")
    return (read_rule(target), lists) if target.kind == "Deployment" else (read_rule(target),)


ROLLOUT = CheckKind(
    name="rollout",
    summary="The latest pod template is rolled out and available, as kubectl rollout status judges it",
    params=RolloutParams,
    needs_target=True,
    rules=rules,
    read=read,
)

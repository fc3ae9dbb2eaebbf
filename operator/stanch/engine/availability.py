"""How many of a workload's available pods a change leaves, at worst and at any moment. Pure.

Controllers keep more than they must, never less: what is said here is what they promise.
https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment
https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#rolling-updates
https://kubernetes.io/docs/tasks/manage-daemon/update-daemon-set/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stanch.engine.ports import Object

Patch = Mapping[str, Any]


@dataclass(frozen=True)
class Unknown:
    """A figure that could not be read, and why; what would make it known, where that is not plain."""

    why: str
    lifts: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class Unseen(Unknown):
    """How many of a workload's pods are available; how many it wants is known."""

    wanted: int


@dataclass(frozen=True)
class Pods:
    """Of one workload: how many pods it wants, how many are available, how many of these the change leaves at worst."""

    wanted: int
    available: int
    left: int

    @property
    def taken(self) -> int:
        return self.available - self.left


def pods_after(target: Object, patch: Patch) -> Pods | Unseen:
    """What `patch` leaves of the workload's pods. Nobody need know how many there are where it would take none of all."""
    wanted, available = counted(target)
    if not observed(target):
        whole = Pods(wanted, wanted, left_of(target, patch, wanted, wanted))
        return Unseen("its controller has not seen the latest spec", wanted) if whole.taken else whole
    return Pods(wanted, available, left_of(target, patch, wanted, available))


def counted(workload: Object) -> tuple[int, int]:
    """Pods that it wants, and those of them that are available."""
    status, daemons = workload.get("status") or {}, workload["kind"] == "DaemonSet"
    wanted = status.get("desiredNumberScheduled", 0) if daemons else workload["spec"].get("replicas", 1)
    return wanted, status.get("numberAvailable" if daemons else "availableReplicas", 0)


def observed(workload: Object) -> bool:
    """Whether its controller has seen the latest spec."""
    return (workload.get("status") or {}).get("observedGeneration", 0) >= workload["metadata"].get("generation", 0)


def to_go(workload: Object) -> int:
    """With how many pods its controller is not done yet: they are to be replaced, to become available or to be taken away."""
    (wanted, available), status = counted(workload), workload.get("status") or {}
    if not observed(workload):
        return max(wanted, 1)
    updated = status.get("updatedNumberScheduled" if workload["kind"] == "DaemonSet" else "updatedReplicas", 0)
    return max(0, renewed(workload["spec"], wanted) - updated, wanted - available, status.get("replicas", 0) - wanted)


def renewed(spec: Object, wanted: int) -> int:
    """How many of its pods get the latest template by themselves."""
    strategy = spec.get("updateStrategy") or {}
    if spec.get("paused") or strategy.get("type") == "OnDelete":
        return 0
    return max(0, wanted - ((strategy.get("rollingUpdate") or {}).get("partition") or 0))


def left_of(target: Object, patch: Patch, wanted: int, available: int) -> int:
    rolled = ROLLED[target["kind"]](target["spec"], wanted, available) if rolls(target, patch) else available
    return min(rolled, scaled(target, patch, wanted, available))


def rolls(target: Object, patch: Patch) -> bool:
    """Whether pods are replaced: by another template, or because what was paused goes on."""
    spec = patch.get("spec") or {}
    return "template" in spec if not target["spec"].get("paused") else spec.get("paused") is False


def rolled_deployment(spec: Object, wanted: int, available: int) -> int:
    """A rolling update never goes below wanted - maxUnavailable, and begins with pods that are not available."""
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return 0
    limits = strategy.get("rollingUpdate") or {}
    down = share(limits.get("maxUnavailable", "25%"), wanted, up=False)
    surge = share(limits.get("maxSurge", "25%"), wanted, up=True)
    return min(available, max(0, wanted - (down if down or surge else 1)))


def rolled_stateful(spec: Object, wanted: int, available: int) -> int:
    """It begins with the highest ordinal, available or not, and goes on only when that is back."""
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return available
    limits = strategy.get("rollingUpdate") or {}
    at_once = max(1, share(limits.get("maxUnavailable", 1), wanted, up=True))
    return max(0, available - min(at_once, max(0, wanted - (limits.get("partition") or 0))))


def rolled_daemons(spec: Object, wanted: int, available: int) -> int:
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return available
    limits = strategy.get("rollingUpdate") or {}
    return min(available, max(0, wanted - share(limits.get("maxUnavailable", 1), wanted, up=True)))


ROLLED = {"Deployment": rolled_deployment, "StatefulSet": rolled_stateful, "DaemonSet": rolled_daemons}


def scaled(target: Object, patch: Patch, wanted: int, available: int) -> int:
    """Going down, pods that are not available go first; of a StatefulSet those with the highest ordinals, whatever they are."""
    goal = (patch.get("spec") or {}).get("replicas", wanted)
    if goal >= wanted:
        return available
    return max(0, available - (wanted - goal)) if target["kind"] == "StatefulSet" else min(available, goal)


def share(value: int | str, of: int, *, up: bool) -> int:
    """A number, or a percentage of `of`."""
    if isinstance(value, int):
        return value
    parts = int(value.rstrip("%")) * of
    return -(-parts // 100) if up else parts // 100

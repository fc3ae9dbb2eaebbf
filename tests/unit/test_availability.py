"""What a change leaves of a workload's available pods, at worst: as the controllers promise it."""

from __future__ import annotations

from typing import Any

import pytest

from stanch.engine.availability import Pods, Unseen, pods_after, to_go

ROLL = {"spec": {"template": {"metadata": {}}}}


def workload(kind: str, wanted: int, available: int, observed: int = 4, **spec: Any) -> dict[str, Any]:
    daemons = kind == "DaemonSet"
    replicas = {} if daemons else {"replicas": wanted}
    counts = {"desiredNumberScheduled": wanted, "numberAvailable": available} if daemons else {"availableReplicas": available}
    status = {"observedGeneration": observed, **counts}
    return {"kind": kind, "metadata": {"generation": 4}, "spec": {**replicas, **spec}, "status": status}


def deployment(wanted: int, available: int, **rolling: Any) -> dict[str, Any]:
    return workload("Deployment", wanted, available, strategy={"type": "RollingUpdate", "rollingUpdate": rolling})


def stateful(wanted: int, available: int, **rolling: Any) -> dict[str, Any]:
    return workload("StatefulSet", wanted, available, updateStrategy={"type": "RollingUpdate", "rollingUpdate": rolling})


def daemons(wanted: int, available: int, **rolling: Any) -> dict[str, Any]:
    return workload("DaemonSet", wanted, available, updateStrategy={"type": "RollingUpdate", "rollingUpdate": rolling})


@pytest.mark.parametrize(
    ("target", "left"),
    [
        # A quarter, rounded down, may be missing; what is missing already counts.
        (deployment(3, 3), 3),
        (deployment(8, 8), 6),
        (deployment(8, 7), 6),
        (deployment(8, 5), 5),
        (deployment(8, 0), 0),
        (deployment(1, 1), 1),
        (deployment(4, 4, maxUnavailable=3), 1),
        (deployment(4, 4, maxUnavailable="100%"), 0),
        (deployment(4, 4, maxUnavailable=9), 0),
        # Neither more nor fewer is not possible: one goes.
        (deployment(3, 3, maxUnavailable=0, maxSurge=0), 2),
        (deployment(3, 3, maxUnavailable="10%", maxSurge="1%"), 3),
        (workload("Deployment", 3, 3, strategy={"type": "Recreate"}), 0),
        (workload("Deployment", 8, 8), 6),
        # The highest ordinal goes first, available or not.
        (stateful(3, 3), 2),
        (stateful(3, 1), 0),
        (stateful(3, 0), 0),
        (stateful(5, 5, maxUnavailable="30%"), 3),
        (stateful(5, 5, partition=4), 4),
        (stateful(5, 5, partition=4, maxUnavailable=3), 4),
        (stateful(3, 3, partition=3), 3),
        (workload("StatefulSet", 3, 3), 2),
        (workload("StatefulSet", 3, 3, updateStrategy={"type": "OnDelete"}), 3),
        (daemons(5, 5), 4),
        (daemons(5, 4), 4),
        (daemons(5, 5, maxUnavailable=0, maxSurge=1), 5),
        (daemons(5, 5, maxUnavailable="30%"), 3),
        (workload("DaemonSet", 5, 5, updateStrategy={"type": "OnDelete"}), 5),
    ],
)  # fmt: skip
def test_what_new_pods_leave_of_the_old_ones(target: dict[str, Any], left: int) -> None:
    after = pods_after(target, ROLL)
    assert isinstance(after, Pods) and after.left == left


@pytest.mark.parametrize(
    ("target", "goal", "left"),
    [
        (deployment(4, 4), 1, 1),
        (deployment(4, 2), 3, 2),
        (deployment(4, 4), 0, 0),
        (deployment(4, 4), 4, 4),
        (deployment(4, 2), 9, 2),
        (stateful(4, 4), 1, 1),
        (stateful(4, 2), 3, 1),
        (stateful(4, 1), 2, 0),
    ],
)
def test_what_scaling_leaves(target: dict[str, Any], goal: int, left: int) -> None:
    after = pods_after(target, {"spec": {"replicas": goal}})
    assert isinstance(after, Pods) and (after.left, after.taken) == (left, after.available - left)


def test_nothing_rolls_while_it_is_paused_and_all_does_when_it_goes_on() -> None:
    paused = {**deployment(8, 8), "spec": {**deployment(8, 8)["spec"], "paused": True}}
    assert pods_after(paused, ROLL) == Pods(8, 8, 8)
    assert pods_after(paused, {"spec": {"paused": False}}) == Pods(8, 8, 6)
    assert pods_after(deployment(8, 8), {"metadata": {"annotations": {"a": "b"}}}) == Pods(8, 8, 8)


def test_what_the_controller_has_not_seen_is_not_known_where_it_matters() -> None:
    stale = workload("Deployment", 8, 8, observed=3)
    assert isinstance(pods_after(stale, ROLL), Unseen)
    assert isinstance(pods_after({**stale, "status": {}}, ROLL), Unseen)
    assert pods_after(workload("Deployment", 3, 0, observed=3), ROLL) == Pods(3, 3, 3), "it takes none, however many there are"
    assert pods_after(stale, {"spec": {"replicas": 9}}) == Pods(8, 8, 8)


def rolling(kind: str, wanted: int, available: int, updated: int, **more: Any) -> dict[str, Any]:
    total = more.pop("total", wanted)
    made = workload(kind, wanted, available, **more)
    counts = {"updatedReplicas": updated, "replicas": total}
    made["status"] |= {"updatedNumberScheduled": updated} if kind == "DaemonSet" else counts
    return made


@pytest.mark.parametrize(
    ("target", "pods"),
    [
        (rolling("Deployment", 4, 4, 4), 0),
        (rolling("Deployment", 0, 0, 0), 0),
        # All are there, between two of them.
        (rolling("Deployment", 4, 4, 1), 3),
        (rolling("Deployment", 4, 3, 4), 1),
        (rolling("Deployment", 4, 4, 4, total=5), 1),
        (rolling("Deployment", 2, 4, 4, total=4), 2),
        (rolling("Deployment", 4, 4, 4, observed=3), 4),
        (rolling("Deployment", 0, 0, 0, observed=3), 1),
        (rolling("Deployment", 4, 4, 0, paused=True), 0),
        (rolling("StatefulSet", 3, 3, 3), 0),
        (rolling("StatefulSet", 3, 3, 1), 2),
        (rolling("StatefulSet", 3, 3, 1, updateStrategy={"rollingUpdate": {"partition": 2}}), 0),
        (rolling("StatefulSet", 3, 3, 0, updateStrategy={"type": "OnDelete"}), 0),
        (rolling("StatefulSet", 3, 2, 0, updateStrategy={"type": "OnDelete"}), 1),
        (rolling("StatefulSet", 1, 3, 3, total=3), 2),
        (rolling("DaemonSet", 3, 3, 3), 0),
        (rolling("DaemonSet", 3, 3, 2), 1),
        (rolling("DaemonSet", 3, 2, 3), 1),
    ],
)
def test_with_how_many_pods_its_controller_is_not_done(target: dict[str, Any], pods: int) -> None:
    assert to_go(target) == pods

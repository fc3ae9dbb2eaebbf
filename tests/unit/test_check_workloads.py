"""`rollout` and `readyShare`: what a workload's status says, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from stanch.checks.ready_share import READY_SHARE, ReadyShareParams
from stanch.checks.registry import CHECKS, by_name
from stanch.checks.rollout import ROLLOUT, RolloutParams
from stanch.domain.incident import Verdict
from stanch.domain.plan import Pin, Ref
from stanch.engine.errors import Refused, Retryable
from stanch.engine.parts import CheckKind, CheckScope, Reading
from stanch.engine.ports import Object
from tests.unit import rollouts
from tests.unit.memory import MemoryCluster, MemoryServer, MemoryWeb
from tests.unit.rollouts import replica_set, template

CONFIRMED, DENIED, INCONCLUSIVE = Verdict.Confirmed, Verdict.Denied, Verdict.Inconclusive
COMPLETE = {
    "Deployment": {"replicas": 4, "updatedReplicas": 4, "readyReplicas": 4, "availableReplicas": 4},
    "StatefulSet": {"replicas": 4, "updatedReplicas": 4, "readyReplicas": 4},
    "DaemonSet": {
        "desiredNumberScheduled": 4, "updatedNumberScheduled": 4, "numberReady": 4, "numberAvailable": 4,
    },
}  # fmt: skip


def workload(kind: str, status: dict[str, Any], observed: int = 4, **spec: Any) -> Object:
    found = rollouts.workload(kind, template("web:v2"), **spec)
    found["status"] = {"observedGeneration": observed, **status}
    return found


async def read(check: CheckKind, params: Any, *objects: Object, server: MemoryServer | None = None) -> Reading:
    """As an identity that may do what the check declares, and no more."""
    server = server or rollouts.server_with(*objects)
    target = server.ref(objects[0])
    account = server.add({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "fixer", "namespace": "shop"}})
    server.grant("shop", "fixer", *check.rules(params, "shop", target))
    cluster = MemoryCluster(server, "shop", Pin(account.name, account.uid))
    return await check.read(CheckScope(cluster, MemoryWeb(), "shop", target), params)


def rollout(*objects: Object):
    return read(ROLLOUT, RolloutParams(), *objects)


def ready_share(at_least: int, *objects: Object):
    return read(READY_SHARE, ReadyShareParams(at_least=at_least), *objects)


@pytest.mark.requirement("E-05", "E-07")
@pytest.mark.parametrize("kind", COMPLETE)
async def test_a_finished_rollout_is_confirmed(kind: str) -> None:
    assert (await rollout(workload(kind, COMPLETE[kind]))).verdict is CONFIRMED


@pytest.mark.requirement("E-07")
@pytest.mark.parametrize(
    ("kind", "lacks", "says"),
    [
        ("Deployment", {"updatedReplicas": 3}, "3 of 4 pods have the new template"),
        ("Deployment", {"replicas": 5}, "1 old pods are still there"),
        ("Deployment", {"availableReplicas": 1}, "1 of 4 new pods are available"),
        ("StatefulSet", {"readyReplicas": 2}, "2 of 4 pods are ready"),
        ("StatefulSet", {"updatedReplicas": 3}, "3 of 4 pods have the new template"),
        ("DaemonSet", {"updatedNumberScheduled": 0}, "0 of 4 pods have the new template"),
        ("DaemonSet", {"numberAvailable": 3}, "3 of 4 pods are available"),
    ],
)
async def test_an_unfinished_rollout_is_denied_and_may_still_finish(kind: str, lacks: dict, says: str) -> None:
    reading = await rollout(workload(kind, {**COMPLETE[kind], **lacks}))
    assert reading == Reading(DENIED, says, final=False)


async def test_pods_below_the_partition_need_not_be_new() -> None:
    partitioned = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 3}}}
    status = {**COMPLETE["StatefulSet"], "updatedReplicas": 1}
    assert (await rollout(workload("StatefulSet", status, **partitioned))).verdict is CONFIRMED


@pytest.mark.parametrize("kind", COMPLETE)
@pytest.mark.parametrize("observed", [0, 3])
async def test_a_status_about_an_earlier_spec_is_no_data(kind: str, observed: int) -> None:
    stale = workload(kind, COMPLETE[kind], observed)
    for reading in (await rollout(stale), await ready_share(1, stale)):
        assert (reading.verdict, reading.final) == (INCONCLUSIVE, False)


async def test_on_delete_has_no_rollout_to_see() -> None:
    reading = await rollout(workload("DaemonSet", COMPLETE["DaemonSet"], updateStrategy={"type": "OnDelete"}))
    assert (reading.verdict, reading.final) == (INCONCLUSIVE, True)


def out_of_time(replica_set_name: str) -> Object:
    message = f'ReplicaSet "{replica_set_name}" has timed out progressing.'
    condition = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": message}
    return workload("Deployment", {**COMPLETE["Deployment"], "availableReplicas": 1, "conditions": [condition]})


async def test_the_current_revision_being_out_of_time_is_final() -> None:
    current = replica_set(2, template("web:v2"), at=5)
    reading = await rollout(out_of_time("web-h5"), current)
    assert reading == Reading(DENIED, 'ReplicaSet "web-h5" has timed out progressing.', final=True)


@pytest.mark.requirement("E-07")
async def test_the_bad_release_being_out_of_time_does_not_fail_the_undo_of_it() -> None:
    """The condition outlives the change of the template until the new rollout progresses."""
    current, bad = replica_set(3, template("web:v2"), at=0), replica_set(2, template("web:v9"), at=5)
    reading = await rollout(out_of_time("web-h5"), current, bad)
    assert (reading.verdict, reading.final) == (DENIED, False)


async def test_the_deadline_of_an_earlier_spec_is_no_data() -> None:
    stale = out_of_time("web-h5")
    stale["status"]["observedGeneration"] = 3
    assert (await rollout(stale)).verdict is INCONCLUSIVE


@pytest.mark.requirement("E-05")
@pytest.mark.parametrize(
    ("ready", "at_least", "verdict"),
    [(4, 100, CONFIRMED), (3, 75, CONFIRMED), (3, 76, DENIED), (0, 0, CONFIRMED), (0, 1, DENIED), (5, 100, CONFIRMED)],
)
async def test_share_of_ready_pods(ready: int, at_least: int, verdict: Verdict) -> None:
    deployment = await ready_share(at_least, workload("Deployment", {"readyReplicas": ready}))
    daemons = await ready_share(at_least, workload("DaemonSet", {"desiredNumberScheduled": 4, "numberReady": ready}))
    assert deployment.verdict is daemons.verdict is verdict
    assert f"{ready} of 4 pods are ready" in deployment.message


async def test_no_share_of_nothing() -> None:
    assert (await ready_share(0, workload("Deployment", {}, replicas=0))).verdict is INCONCLUSIVE
    assert (await ready_share(0, workload("DaemonSet", {}))).verdict is INCONCLUSIVE


@pytest.mark.parametrize("share", [-1, 101])
def test_a_share_is_a_percentage(share: int) -> None:
    with pytest.raises(ValidationError):
        ReadyShareParams.model_validate({"atLeast": share})


CASES = [(ROLLOUT, RolloutParams()), (READY_SHARE, ReadyShareParams(at_least=50))]


@pytest.mark.parametrize(("check", "params"), CASES)
@pytest.mark.parametrize(
    ("failure", "final"), [(Retryable("Timeout", "no answer"), False), (Refused("Forbidden", "may not"), True)]
)
async def test_what_could_not_be_read_is_inconclusive(check: CheckKind, params: Any, failure: Exception, final: bool) -> None:
    found = workload("Deployment", COMPLETE["Deployment"])
    server = rollouts.server_with(found)

    def fail(verb: str, ref: Ref) -> None:
        raise failure

    server.before_read.append(fail)
    reading = await read(check, params, found, server=server)
    assert (reading.verdict, reading.final) == (INCONCLUSIVE, final)


@pytest.mark.parametrize(("check", "params"), CASES)
async def test_an_absent_target_may_come(check: CheckKind, params: Any) -> None:
    scope = CheckScope(MemoryCluster(rollouts.server_with()), MemoryWeb(), "shop", Ref("apps/v1", "Deployment", "shop", "web"))
    reading = await check.read(scope, params)
    assert (reading.verdict, reading.final) == (INCONCLUSIVE, False)


@pytest.mark.parametrize(("check", "params"), CASES)
@pytest.mark.parametrize("target", [None, Ref("v1", "ConfigMap", "shop", "web")])
async def test_what_is_no_workload_cannot_be_judged(check: CheckKind, params: Any, target: Ref | None) -> None:
    scope = CheckScope(MemoryCluster(rollouts.server_with()), MemoryWeb(), "shop", target)
    reading = await check.read(scope, params)
    assert (reading.verdict, reading.final) == (INCONCLUSIVE, True)


def test_checks_that_share_a_name_stop_the_start() -> None:
    assert set(CHECKS) == {"rollout", "readyShare", "http", "object", "exec", "logs", "job", "prometheus"}
    with pytest.raises(ValueError, match="two checks are named"):
        by_name(ROLLOUT, CheckKind(**{**vars(ROLLOUT), "summary": "another"}))

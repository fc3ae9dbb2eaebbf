"""`runJob`: one Job under a name of its own, restricted, awaited; its log kept, its failure told, its value typed (B-15)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from stanch.actions.run_job import RUN_JOB, JobParams
from stanch.domain.plan import Pin
from stanch.engine.errors import Conflict, Refused, Retryable
from stanch.engine.parts import Change, Stage, Underway
from stanch.engine.ports import Object
from tests.unit.acting import on
from tests.unit.memory import MemoryCluster, MemoryServer
from tests.unit.world_gates import MemoryPacks

TOKEN = "incident/1/clear/clear-limit"
LINE = b"2026-11-21T10:00:00.000000000Z "


def params(**said: Any) -> JobParams:
    return JobParams.model_validate({"image": "tools:v1", "argv": ["clear", "u1"], **said})


@pytest.fixture
def server() -> MemoryServer:
    server = MemoryServer()
    server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    return server


async def planned(stage: Stage, said: JobParams, token: str = TOKEN) -> Change:
    return RUN_JOB.plan(await RUN_JOB.read(stage, None, said), said, token)


async def running(server: MemoryServer, stage: Stage, said: JobParams) -> Change:
    change = await planned(stage, said)
    await RUN_JOB.apply(stage, change, "")
    return change


def ends(server: MemoryServer, change: Change, condition: Object, *logs: bytes) -> None:
    """Its controller says so; its pods are there, one for each log."""
    uid = server.read(change.ref)["metadata"]["uid"]
    name = change.ref.name
    for number, log in enumerate(logs):
        pod = f"{name}-{number}"
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid, "controller": True}
        metadata = {"name": pod, "namespace": "shop", "labels": {"job-name": name}, "ownerReferences": [owner]}
        server.add({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "job"}]}})
        server.logs["shop", pod, "job", False] = [log]
    server.set_status(change.ref, {"conditions": [{"status": "True", **condition}]})


async def ended(
    server: MemoryServer, said: JobParams, condition: Object, *logs: bytes, packs: MemoryPacks | None = None
) -> Underway:
    stage = on(MemoryCluster(server), packs=packs)
    change = await running(server, stage, said)
    ends(server, change, condition, *logs)
    return await RUN_JOB.settle(stage, change)


COMPLETE = {"type": "Complete"}
FAILED = {"type": "Failed", "reason": "DeadlineExceeded", "message": "Job was active longer than specified deadline"}


async def test_created_twice_is_created_once(server: MemoryServer) -> None:
    stage = on(MemoryCluster(server))
    change = await running(server, stage, params())
    with pytest.raises(Conflict, match="AlreadyExists"):
        await RUN_JOB.apply(stage, await planned(stage, params()), "")
    assert RUN_JOB.observe(server.read(change.ref), TOKEN) and not RUN_JOB.observe(server.read(change.ref), "another")


@pytest.mark.parametrize("token", ["a/1/o/x", "a/2/o/x", "b/1/o/x", "a/1/p/x", f"a/1/o/{'y' * 63}"])
async def test_another_step_has_another_name_and_every_name_fits_a_label(server: MemoryServer, token: str) -> None:
    stage = on(MemoryCluster(server))
    name = (await planned(stage, params(), token)).ref.name
    assert name != (await planned(stage, params(), TOKEN)).ref.name and len(name) <= 63


async def test_until_it_is_over_it_is_under_way(server: MemoryServer) -> None:
    stage = on(MemoryCluster(server))
    change = await running(server, stage, params())
    seen = await RUN_JOB.settle(stage, change)
    assert seen.over is None and "0 active" in seen.message
    server.set_status(change.ref, {"active": 1, "conditions": [{"type": "FailureTarget", "status": "True"}]})
    assert (await RUN_JOB.settle(stage, change)).over is None, "its pod may still be ending"


async def test_its_log_is_kept_and_its_value_told(server: MemoryServer) -> None:
    said = params(output={"fact": "cleared", "type": "Integer", "pattern": "cleared ([0-9]+)"})
    packs = MemoryPacks()
    seen = await ended(server, said, COMPLETE, LINE + b"begun\n" + LINE + b"cleared 7\n", packs=packs)
    assert seen.over and (seen.over.output, seen.over.failed) == (7, "")
    (kept,) = packs.objects.values()
    assert kept.startswith(LINE), "with its times"


@pytest.mark.parametrize(
    ("condition", "logs", "says"),
    [
        (FAILED, (LINE + b"half\n",), "DeadlineExceeded"),
        (COMPLETE, (LINE + b"many\n",), "expected an integer"),
        (COMPLETE, (), "its pods are gone"),
        (COMPLETE, (LINE + b"9" * 70_000,), "without its whole log"),
    ],
    ids=["failed", "no value", "no pod", "cut"],
)
async def test_what_went_wrong_is_a_failure_without_a_value(server: MemoryServer, condition: Any, logs: Any, says: str) -> None:
    seen = await ended(server, params(output={"fact": "cleared", "type": "Integer"}), condition, *logs)
    assert seen.over and says in seen.over.failed and seen.over.output is None
    assert "half" not in seen.over.failed and len(seen.over.files) == len(logs)


async def test_of_several_pods_each_log_is_kept_and_the_newest_counts(server: MemoryServer) -> None:
    seen = await ended(server, params(output={"fact": "n"}), COMPLETE, LINE + b"first\n", LINE + b"second\n")
    assert seen.over and seen.over.output == "second" and len(seen.over.files) == 2


async def test_a_job_that_somebody_deleted_is_no_success(server: MemoryServer) -> None:
    stage = on(MemoryCluster(server))
    change = await running(server, stage, params())
    server.remove(change.ref)
    seen = await RUN_JOB.settle(stage, change)
    assert seen.over and "is gone before its end was seen" in seen.over.failed


async def test_a_job_of_the_same_name_that_is_not_ours_is_refused(server: MemoryServer) -> None:
    stage = on(MemoryCluster(server))
    change = await planned(stage, params())
    server.add({**change.patch, "metadata": {"name": change.ref.name, "namespace": "shop"}})
    with pytest.raises(Refused, match="NameTaken"):
        await RUN_JOB.settle(stage, change)


async def test_what_cannot_be_read_now_is_asked_again(server: MemoryServer) -> None:
    stage = on(MemoryCluster(server))
    change = await running(server, stage, params())
    ends(server, change, COMPLETE, b"")
    server.logs["shop", f"{change.ref.name}-0", "job", False] = [Retryable("Timeout", "the kubelet does not answer")]
    with pytest.raises(Retryable):
        await RUN_JOB.settle(stage, change)


async def test_it_runs_as_the_playbooks_account_and_as_nobody_else(server: MemoryServer) -> None:
    change = await planned(on(MemoryCluster(server)), params(argv=["echo", "$(HOME)"], env=[{"name": "A", "value": "$(B)"}]))
    pod = change.patch["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["serviceAccountName"] == "fixer" and pod["automountServiceAccountToken"] is False
    assert container["command"][1] == "$$(HOME)" and container["env"][0]["value"] == "$$(B)", "data, not references"
    assert pod["securityContext"]["runAsNonRoot"] and container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert change.patch["spec"]["backoffLimit"] == 0


def as_the_kubelet_reads(text: str) -> str:
    """With `SECRET` in every variable.

    https://github.com/kubernetes/kubernetes/blob/master/third_party/forked/golang/expansion/expand.go
    """
    return re.sub(r"\$(\$|\([^)]*\))", lambda found: "$" if found[1] == "$" else "SECRET", text)


@example("$$(PASSWORD)")
@given(st.text("$()A\\", max_size=12))
async def test_no_value_reaches_for_a_variable(text: str) -> None:
    """Of `$$(PASSWORD)` a doubled `$(` would make `$$$(PASSWORD)`: a dollar, and the password among the arguments."""
    server = MemoryServer()
    server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    change = await planned(on(MemoryCluster(server)), params(argv=["echo", text], env=[{"name": "A", "value": text}]))
    (container,) = change.patch["spec"]["template"]["spec"]["containers"]
    assert as_the_kubelet_reads(container["command"][1]) == as_the_kubelet_reads(container["env"][0].get("value", "")) == text


async def test_it_needs_no_more_than_the_declared_rules(server: MemoryServer) -> None:
    said = params(env=[{"name": "PASSWORD", "secretRef": {"name": "db", "key": "password"}}])
    rules = RUN_JOB.rules(said, "shop", None)
    assert all(rule.names or rule.why for rule in rules) and not [rule for rule in rules if rule.resource == "secrets"]
    server.grant("shop", "fixer", *rules)
    account = server.add({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "fixer", "namespace": "shop"}})
    stage = on(MemoryCluster(server, "shop", Pin(account.name, account.uid)))
    change = await running(server, stage, said)
    ends(server, change, COMPLETE, LINE + b"done\n")
    seen = await RUN_JOB.settle(stage, change)
    assert seen.over and not seen.over.failed and seen.over.files


@pytest.mark.parametrize(
    "said",
    [
        {"image": "a b"},
        {"image": ""},
        {"argv": ["a"] * 65},
        {"env": [{"name": "A"}]},
        {"env": [{"name": "A", "value": "b", "secretRef": {"name": "db", "key": "k"}}]},
        {"env": [{"name": "A-B", "value": "c"}]},
        {"runAsUser": 0},
        {"deadline": "25h"},
        {"keepFor": "59s"},
        {"serviceAccountName": "admin"},
        {"privileged": True},
    ],
)
def test_what_is_out_of_bounds_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        params(**said)


def test_a_job_has_no_inverse_and_says_so() -> None:
    assert RUN_JOB.inverse is None and RUN_JOB.irreversible

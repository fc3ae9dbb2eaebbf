"""`exec`: one command in the right pod, at most once; secrets reach its standard input and nothing else (E-32)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from stanch.actions.exec import EXEC, ExecParams
from stanch.actions.output import Output, Unreadable, value_in
from stanch.domain.plan import Pin
from stanch.engine.errors import Conflict, NotSent, Refused, Retryable
from stanch.engine.parts import Change, Effected, Stage
from stanch.engine.ports import STDIN_LIMIT, ExecReply, Object
from tests.unit import rollouts
from tests.unit.acting import on
from tests.unit.memory import MemoryCluster, MemoryServer
from tests.unit.rollouts import pod, replica_set, template
from tests.unit.world_gates import MemoryPacks

TARGET = rollouts.deployment(template("web:v2"))
OLD, NEW = replica_set(1, template("web:v1"), at=1), replica_set(2, template("web:v2"), at=2)
PASSWORD = b"hunter2-of-the-database"
SECRET = {
    "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop"},
    "data": {"password": base64.b64encode(PASSWORD).decode()},
}  # fmt: skip
FROM_SECRET = {"stdin": {"secretRef": {"name": "db", "key": "password"}}}


def owned(name: str, by: Object, at: int = 0, *, ready: bool = True) -> Object:
    found = pod(TARGET, name, "h", ready=ready, creationTimestamp=rollouts.minute(at), uid=f"uid-{name}")
    reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": by["metadata"]["name"], "controller": True}
    found["metadata"]["ownerReferences"] = [{**reference, "uid": by["metadata"]["uid"]}]
    found["status"]["phase"] = "Running"
    return found


def server_with(*objects: Object) -> MemoryServer:
    return rollouts.server_with(TARGET, OLD, NEW, SECRET, *objects)


def params(**said: Any) -> ExecParams:
    return ExecParams.model_validate({"argv": ["tee", "/evidence"], **said})


async def planned(stage: Stage, server: MemoryServer, said: ExecParams) -> Change:
    return EXEC.plan(await EXEC.read(stage, server.ref(TARGET), said), said, "token")


async def outcome(server: MemoryServer, reply: ExecReply | Exception, **said: Any) -> Effected:
    def run(argv: Sequence[str], stdin: bytes) -> ExecReply:
        if isinstance(reply, Exception):
            raise reply
        return reply

    server.commands["shop", "web-1", "app"] = run
    stage = on(MemoryCluster(server))
    return await EXEC.apply(stage, await planned(stage, server, params(**said)), "")


@pytest.fixture
def server() -> MemoryServer:
    return server_with(owned("web-1", NEW))


async def chosen(*pods: Object) -> str:
    server = server_with(*pods)
    return (await planned(on(MemoryCluster(server)), server, params())).ref.name


async def test_the_oldest_ready_pod_of_the_current_release_is_taken() -> None:
    assert await chosen(owned("old", OLD, 1), owned("b", NEW, 5), owned("a", NEW, 6), owned("c", NEW, 2, ready=False)) == "b"
    assert await chosen(owned("old", OLD, 1), owned("c", NEW, 2, ready=False)) == "old"


async def test_without_a_ready_pod_it_is_refused() -> None:
    with pytest.raises(Refused, match="NoReadyPod"):
        await chosen(owned("c", NEW, 2, ready=False))


async def test_what_it_prints_is_kept_and_its_value_told(server: MemoryServer) -> None:
    reply = ExecReply(0, b" 42 rows\n", b"notice\n")
    done = await outcome(server, reply, output={"fact": "rows", "type": "Integer", "pattern": "[0-9]+"})
    assert (done.output, done.failed, done.unknown) == (42, "", "")
    assert [file.path for file in done.files] == ["steps/1-option-step.stdout.txt", "steps/1-option-step.stderr.txt"]
    assert "42" not in done.summary


@pytest.mark.parametrize(
    ("reply", "failed"),
    [
        (ExecReply(1, b"", b"denied"), "exit code 1"),
        (ExecReply(0, b"many", b""), "expected an integer"),
        (ExecReply(0, b"", b""), "expected an integer"),
        (ExecReply(0, b"4", b"", truncated=True), "cut off"),
    ],
)
async def test_what_went_wrong_is_a_failure_without_a_value(server: MemoryServer, reply: ExecReply, failed: str) -> None:
    done = await outcome(server, reply, output={"fact": "rows", "type": "Integer"})
    assert failed in done.failed
    assert done.output is None and not done.unknown
    assert "denied" not in done.failed


async def test_a_connection_that_broke_leaves_it_unknown(server: MemoryServer) -> None:
    done = await outcome(server, ExecReply(None, b"half", b"", broken="the connection ended"))
    assert "the connection ended" in done.unknown


@pytest.mark.parametrize("failure", [NotSent("InternalError", "dial tcp"), Retryable("Timeout", "the ServiceAccount was not read")])
async def test_what_did_not_begin_is_prepared_again(server: MemoryServer, failure: Exception) -> None:
    with pytest.raises(Conflict):
        await outcome(server, failure)


async def test_a_pod_that_is_gone_is_chosen_again(server: MemoryServer) -> None:
    stage = on(MemoryCluster(server))
    change = await planned(stage, server, params())
    server.remove(change.ref)
    with pytest.raises(Conflict, match="PodGone"):
        await EXEC.apply(stage, change, "")


async def test_a_command_that_is_not_there_is_refused(server: MemoryServer) -> None:
    with pytest.raises(Refused, match="NotStarted"):
        await outcome(server, Refused("NotStarted", "executable file not found"))


@pytest.mark.requirement("E-32")
async def test_a_secret_reaches_standard_input_and_nothing_else(server: MemoryServer) -> None:
    heard: list[bytes] = []

    def echo(argv: Sequence[str], stdin: bytes) -> ExecReply:
        heard.append(stdin)
        return ExecReply(0, b"got " + stdin, stdin)

    server.commands["shop", "web-1", "app"] = echo
    packs = MemoryPacks()
    stage = on(MemoryCluster(server), packs=packs)
    said = params(**FROM_SECRET, output={"fact": "answer"})
    change = await planned(stage, server, said)
    done = await EXEC.apply(stage, change, "")
    assert heard == [PASSWORD]
    assert done.output == "got (secret)"
    assert PASSWORD.decode() not in repr((change, done))
    assert len(packs.objects) == 2 and all(PASSWORD not in data for data in packs.objects.values())


@pytest.mark.parametrize("ref", [{"name": "absent", "key": "password"}, {"name": "db", "key": "absent"}])
async def test_a_missing_secret_refuses_before_anything_is_run(server: MemoryServer, ref: dict[str, str]) -> None:
    with pytest.raises(Refused, match="SecretMissing"):
        await outcome(server, ExecReply(0, b"", b""), stdin={"secretRef": ref})
    assert [write.verb for write in server.writes] == []


async def test_a_longer_secret_than_a_pipe_holds_refuses_before_anything_is_run(server: MemoryServer) -> None:
    long = base64.b64encode(b"x" * (STDIN_LIMIT + 1)).decode()
    server.add({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "long", "namespace": "shop"}, "data": {"key": long}})
    with pytest.raises(Refused, match="InputTooLong"):
        await outcome(server, ExecReply(0, b"", b""), stdin={"secretRef": {"name": "long", "key": "key"}})
    assert [write.verb for write in server.writes] == []


@pytest.mark.parametrize("kind", sorted(EXEC.kinds))
async def test_it_needs_no_more_than_the_declared_rules(kind: str) -> None:
    target = rollouts.workload(kind, template("web:v2"))
    one = pod(target, "web-1", "web-h2", ready=True, creationTimestamp=rollouts.minute(3))
    one["status"]["phase"] = "Running"
    revision = NEW if kind == "Deployment" else rollouts.controller_revision(kind, 2, template("web:v2"), at=2)
    if kind == "Deployment":
        one = owned("web-1", NEW)
    server = rollouts.server_with(target, revision, one, SECRET)
    server.commands["shop", "web-1", "app"] = lambda argv, stdin: ExecReply(0, b"", b"")
    ref, said = server.ref(target), params(**FROM_SECRET)
    server.grant("shop", "fixer", *EXEC.rules(said, "shop", ref))
    account = server.add({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "fixer", "namespace": "shop"}})
    stage = on(MemoryCluster(server, "shop", Pin(account.name, account.uid)))
    assert not (await EXEC.apply(stage, EXEC.plan(await EXEC.read(stage, ref, said), said, "token"), "")).failed
    assert all(rule.names or rule.why for rule in EXEC.rules(said, "shop", ref))


@pytest.mark.parametrize(
    "said",
    [
        {"argv": []},
        {"argv": [""]},
        {"argv": ["a"] * 65},
        {"stdin": {}},
        {"stdin": {"text": "a", "secretRef": {"name": "db", "key": "password"}}},
        {"stdin": {"secretRef": {"name": "../db", "key": "password"}}},
        {"timeout": "0s"},
        {"timeout": "11m"},
        {"output": {"fact": "Rows"}},
        {"output": {"fact": "rows", "pattern": "("}},
        {"output": {"fact": "rows", "type": "Duration"}},
        {"shell": True},
    ],
)
def test_what_is_out_of_bounds_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        params(**said)


def test_a_pattern_is_no_trap() -> None:
    """Backtracking would take for ever."""
    output = Output.model_validate({"fact": "x", "pattern": "(a+)+$"})
    assert isinstance(value_in(output, b"a" * 60_000 + b"b"), Unreadable)


def test_a_command_has_no_inverse_and_says_so() -> None:
    assert EXEC.inverse is None and EXEC.irreversible

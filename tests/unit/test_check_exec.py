"""`exec`: what a command prints is a value of its type, or nothing is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from stanch.checks.exec import EXEC, OUTPUT_LIMIT, ExecParams
from stanch.domain.plan import Ref
from stanch.engine.ports import ExecReply
from stanch.engine.workload import choose_ready, default_container
from tests.unit import rollouts
from tests.unit.checking import CONFIRMED, DENIED, INCONCLUSIVE, read, running
from tests.unit.memory import MemoryServer

DB = rollouts.workload("StatefulSet", rollouts.template("db:15"))
TARGET = Ref("apps/v1", "StatefulSet", "shop", "web")
COUNT = {"command": ["psql", "-Atc", "select count(*) from pg_stat_activity"], "type": "Integer", "expect": "value < 50"}


def printing(reply: ExecReply) -> MemoryServer:
    server = rollouts.server_with(DB, running(DB, "web-0", 1), running(DB, "web-1", 0))
    server.commands["shop", "web-1", "app"] = lambda argv, stdin: reply
    return server


def ask(reply: ExecReply, said: dict = COUNT, **more: Any):
    return read(EXEC, printing(reply), said, TARGET, **more)


@pytest.mark.parametrize(
    ("printed", "type", "expect", "verdict", "value"),
    [
        (b"12\n", "Integer", "value < 50", CONFIRMED, 12),
        (b" 97 \n", "Integer", "value < 50", DENIED, 97),
        (b"97", "Integer", None, CONFIRMED, 97),
        (b"0.25", "Number", "value < baseline", CONFIRMED, 0.25),
        (b"true\n", "Boolean", "value", CONFIRMED, True),
        (b"ready", "String", "value == 'ready'", CONFIRMED, "ready"),
        (b"many", "Integer", "value < 50", INCONCLUSIVE, None),
        (b"", "String", None, INCONCLUSIVE, None),
        (b"\xff\xfe", "String", None, INCONCLUSIVE, None),
        (b"nan", "Number", None, INCONCLUSIVE, None),
        (b"1e999", "Number", None, INCONCLUSIVE, None),
        ("١٢".encode(), "Integer", None, INCONCLUSIVE, None),
        (b"9" * 30, "Integer", None, INCONCLUSIVE, None),
        (b"x" * 254, "String", None, INCONCLUSIVE, None),
        (b"1" * (OUTPUT_LIMIT + 1), "String", None, INCONCLUSIVE, None),
    ],
)
async def test_what_is_printed(printed: bytes, type: str, expect: str | None, verdict: Any, value: Any) -> None:
    said = {"command": ["count"], "type": type, "expect": expect}
    reading = await ask(ExecReply(0, printed, b"password=hunter2"), said, baseline=0.5)
    assert (reading.verdict, reading.value, reading.final) == (verdict, value, False)
    assert "hunter2" not in reading.message


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (ExecReply(1, b"12", b"password=hunter2"), "exit code 1"),
        (ExecReply(None, b"12", b"", broken="the connection broke"), "the connection broke"),
        (ExecReply(0, b"12", b"", truncated=True), "more than"),
    ],
)
async def test_a_command_that_failed_has_measured_nothing(reply: ExecReply, says: str) -> None:
    reading = await ask(reply)
    assert (reading.verdict, reading.value) == (INCONCLUSIVE, None)
    assert says in reading.message and "hunter2" not in reading.message


async def test_it_runs_what_it_says_in_the_oldest_ready_pod_without_a_shell_and_input() -> None:
    seen: list[tuple[Sequence[str], bytes]] = []

    def command(argv: Sequence[str], stdin: bytes) -> ExecReply:
        seen.append((tuple(argv), stdin))
        return ExecReply(0, b"1", b"")

    server = printing(ExecReply(0, b"", b""))
    server.commands["shop", "web-1", "app"] = command
    said = {"command": ["echo", "$(reboot); `id`"], "type": "String"}
    assert (await read(EXEC, server, said, TARGET)).verdict is CONFIRMED
    assert seen == [(("echo", "$(reboot); `id`"), b"")]


async def test_without_a_ready_pod_nothing_is_known() -> None:
    reading = await read(EXEC, rollouts.server_with(DB), COUNT, TARGET)
    assert (reading.verdict, reading.final) == (INCONCLUSIVE, False)
    assert "no ready pod" in reading.message


def test_which_pod_and_container() -> None:
    old, new = running(DB, "b", 1), running(DB, "a", 2)
    going = running(DB, "c", 0)
    going["metadata"]["deletionTimestamp"] = "2026-11-21T00:00:00Z"
    unready = running(DB, "d", 0)
    unready["status"]["conditions"] = []
    assert choose_ready([new, going, unready, old]) == old
    assert choose_ready([going, unready]) is None
    old["spec"]["containers"].append({"name": "proxy"})
    assert default_container(old) == "app"
    old["metadata"]["annotations"] = {"kubectl.kubernetes.io/default-container": "proxy"}
    assert default_container(old) == "proxy"


@pytest.mark.parametrize(
    "said",
    [
        {"command": []},
        {"command": [""]},
        {"command": "rm -rf /"},
        {"command": ["x"] * 65},
        {"command": ["x"], "expect": "value < 3"},
        {"command": ["x"], "expect": "value == '${params.evil}'"},
        {"command": ["x"], "type": "Number", "expect": "value < baseline * 2"},
        {"command": ["x"], "timeout": "2m"},
        {"command": ["x"], "stdin": "y"},
        {"command": ["x"], "container": "../other"},
    ],
)
def test_what_it_may_not_say(said: dict) -> None:
    with pytest.raises(ValidationError):
        ExecParams.model_validate(said)

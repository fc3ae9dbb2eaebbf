"""`logs`: absent means that all of it was read; patterns cannot run for ever; what a log says is not repeated."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from stanch.checks.logs import LOGS, LONGEST_LINE, LogsParams
from stanch.domain.plan import Ref
from stanch.engine.errors import Retryable
from stanch.engine.ports import Object
from tests.unit import rollouts
from tests.unit.checking import CONFIRMED, DENIED, INCONCLUSIVE, read, running
from tests.unit.memory import MemoryServer
from tests.unit.rollouts import minute

WEB = rollouts.workload("StatefulSet", rollouts.template("web:v1"))
TARGET = Ref("apps/v1", "StatefulSet", "shop", "web")
CHANGE = datetime(2026, 11, 21, 0, 10, 0, 500_000, tzinfo=UTC)
REFUSED = b"connection refused, password=hunter2"


def line(at: str, text: bytes) -> bytes:
    return f"2026-11-21T00:{at}Z ".encode() + text + b"\n"


def logging(*parts: Any, previous: bytes | None = None, pod: Object | None = None) -> MemoryServer:
    server = rollouts.server_with(WEB, pod or running(WEB, "web-0"))
    server.logs["shop", "web-0", "app", False] = parts
    if previous is not None:
        server.logs["shop", "web-0", "app", True] = (previous,)
    return server


def ask(server: MemoryServer, **said: Any):
    more = {key: said.pop(key) for key in ("since", "baseline") if key in said}
    return read(LOGS, server, said or {"absent": "connection (refused|reset)"}, TARGET, **more)


OLD, NEW, FINE = line("10:00.123456789", REFUSED), line("11:00.123456789", REFUSED), line("11:01.5", b"ok")


@pytest.mark.parametrize(
    ("text", "since", "verdict", "lines"),
    [
        (FINE, None, CONFIRMED, 0),
        (OLD + FINE, None, DENIED, 1),
        (OLD + FINE, CHANGE, CONFIRMED, 0),
        (line("10:00.4", REFUSED), CHANGE, CONFIRMED, 0),
        (line("10:00.6", REFUSED), CHANGE, DENIED, 1),
        (OLD + NEW + NEW, CHANGE, DENIED, 2),
        (b"", CHANGE, CONFIRMED, 0),
        (NEW.rstrip(b"\n"), CHANGE, DENIED, 1),
    ],
)
async def test_lines_since_the_change(text: bytes, since: datetime | None, verdict: Any, lines: int) -> None:
    reading = await ask(logging(text), since=since)
    assert (reading.verdict, reading.value) == (verdict, lines)
    assert "hunter2" not in reading.message
    assert (not lines) or "first in pod web-0, container app" in reading.message


async def test_a_line_in_two_chunks_is_one_line() -> None:
    half = len(NEW) // 2
    assert (await ask(logging(NEW[:half], NEW[half:] + FINE))).value == 1


@pytest.mark.parametrize(
    ("parts", "said", "says"),
    [
        ((FINE * 100,), {"absent": "refused", "limitBytes": 1024}, "was cut after 1024 bytes"),
        ((FINE, Retryable("Broken", "connection reset")), {}, "could not be read: connection reset"),
        ((line("11:00.1", b"x" * (LONGEST_LINE + 9)),), {}, "longer than"),
    ],
)
async def test_what_was_not_read_whole_proves_no_absence(parts: tuple, said: dict, says: str) -> None:
    reading = await ask(logging(*parts), **said)
    assert (reading.verdict, reading.value, reading.final) == (INCONCLUSIVE, None, False)
    assert says in reading.message
    found = await ask(logging(NEW, *parts), **said)
    assert found.verdict is DENIED, "what was found is found, whatever is missing"


async def test_the_instance_before_a_restart_counts_where_it_ran_after_the_change() -> None:
    ended = {"lastState": {"terminated": {"startedAt": minute(0), "finishedAt": minute(12)}}, "restartCount": 1}
    assert (await ask(logging(FINE, previous=NEW, pod=running(WEB, "web-0", **ended)), since=CHANGE)).verdict is DENIED
    ended["lastState"]["terminated"]["finishedAt"] = minute(9)
    assert (await ask(logging(FINE, previous=NEW, pod=running(WEB, "web-0", **ended)), since=CHANGE)).verdict is CONFIRMED


async def test_a_log_that_is_gone_proves_no_absence() -> None:
    twice = {"lastState": {"terminated": {"startedAt": minute(11), "finishedAt": minute(12)}}, "restartCount": 2}
    reading = await ask(logging(FINE, previous=FINE, pod=running(WEB, "web-0", **twice)), since=CHANGE)
    assert reading.verdict is INCONCLUSIVE and "restarted more than once" in reading.message
    waiting = running(WEB, "web-0", state={"waiting": {"reason": "ImagePullBackOff"}})
    assert "has not started" in (await ask(logging(pod=waiting))).message


async def test_without_pods_nothing_is_known() -> None:
    reading = await ask(rollouts.server_with(WEB))
    assert (reading.verdict, reading.final) == (INCONCLUSIVE, False)


@pytest.mark.parametrize(
    ("said", "baseline", "verdict"),
    [
        ({"count": "refused"}, None, CONFIRMED),
        ({"count": "refused", "expect": "value < baseline"}, 3, CONFIRMED),
        ({"count": "refused", "expect": "value < baseline"}, 2, DENIED),
        ({"count": "refused", "expect": "value < baseline"}, None, INCONCLUSIVE),
    ],
)
async def test_lines_are_counted(said: dict, baseline: int | None, verdict: Any) -> None:
    reading = await ask(logging(NEW + FINE + NEW), baseline=baseline, **said)
    assert (reading.verdict, reading.value) == (verdict, 2)


async def test_a_catastrophic_pattern_is_linear() -> None:
    text = line("11:00.1", b"a" * 60_000 + b"!")
    started = time.process_time()
    assert (await ask(logging(text), absent="(a+)+(a|aa)*$")).verdict is CONFIRMED
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"absent": "a", "count": "b"},
        {"absent": "a", "expect": "value == 0"},
        {"absent": "("},
        {"absent": "(?=a)"},
        {"absent": "(a)\\1"},
        {"absent": "((a{100}){100}){100}"},
        {"absent": ""},
        {"absent": "a" * 254},
        {"absent": "a", "over": "25h"},
        {"absent": "a", "over": "-5m"},
        {"absent": "a", "limitBytes": 2**40},
        {"count": "a", "expect": "value < 2.5 * baseline"},
    ],
)
def test_what_it_may_not_say(said: dict) -> None:
    with pytest.raises(ValidationError):
        LogsParams.model_validate(said)

"""`logs`: a pattern does not occur in the logs of the target's pods since the change; or how many lines match is as expected.

All logs are read or nothing is known: a log that was cut, could not be read, or is gone makes an absence inconclusive. Patterns
are RE2's, whose time is linear in the text (https://github.com/google/re2/wiki/Syntax): Python's own could be made to run for
ever. What a log says stays out of every message. Pods that are gone are not looked at, as their logs are gone with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import re2
from pydantic import BaseModel, ConfigDict, Field, model_validator

from stanch.checks.measuring import CONDITION, Expression, fitting, judged, up_to, with_value
from stanch.checks.reading import denied, unknown, unread
from stanch.checks.workloads import PLURALS, pod_rules
from stanch.domain.access import Rule
from stanch.domain.plan import FactType, Ref
from stanch.domain.record import camel
from stanch.engine.errors import Failure
from stanch.engine.judging import Code
from stanch.engine.parts import CheckKind, CheckScope, Reading
from stanch.engine.patterns import Pattern, compiled
from stanch.engine.ports import Cluster, Object
from stanch.engine.workload import pods_of

NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
MIB = 1024 * 1024
MOST_PODS = 50
AT_ONCE = 8
LONGEST_LINE = 65536
ONE_PATTERN = "a logs check has either absent or count"


class LogsParams(BaseModel):
    """A pattern does not occur in the logs of the target's pods."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=camel,
        validate_by_name=True,
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "has(self.absent) != has(self.count)", "message": ONE_PATTERN},
                {"rule": "!has(self.expect) || has(self.count)", "message": "expect needs count"},
            ]
        },
    )

    absent: Annotated[Pattern | None, Code()] = Field(
        default=None, description="Pattern (RE2) that no line may match, e.g. 'connection (refused|reset)'."
    )
    count: Annotated[Pattern | None, Code()] = Field(
        default=None, description="Pattern (RE2) of the lines that are counted; their number is value."
    )
    expect: Annotated[Expression | None, Code()] = Field(
        default=None, description=f"With count: {CONDITION}, whole numbers, e.g. value < baseline. Left out: it is only counted."
    )
    over: up_to("1s", "24h") | None = Field(
        default=None, description="Look at the last so long; left out: since the change, before any change at all there is."
    )
    container: str | None = Field(
        default=None, max_length=63, pattern=NAME, description="Container; left out: all but init containers."
    )
    limit_bytes: int = Field(
        default=MIB, ge=1024, le=16 * MIB, description="Longest part read of one log, in bytes; one that is longer was cut."
    )

    @model_validator(mode="after")
    def _one_pattern(self) -> LogsParams:
        if (self.absent is None) == (self.count is None):
            raise ValueError(ONE_PATTERN)
        if self.expect and self.count is None:
            raise ValueError("expect needs count")
        fitting(self.expect, FactType.Integer)
        return self


@dataclass(frozen=True)
class Log:
    """One log to read; with `fault` it is known beforehand that it is not there."""

    pod: Ref
    container: str
    previous: bool = False
    fault: str = ""

    def __str__(self) -> str:
        return f"pod {self.pod.name}, container {self.container}{', previous instance' if self.previous else ''}"


@dataclass(frozen=True)
class Found:
    """What one log holds. `fault` says why that is not all."""

    log: Log
    lines: int = 0
    fault: str = ""


async def read(scope: CheckScope, params: LogsParams) -> Reading:
    if scope.target is None or scope.target.kind not in PLURALS:
        return unknown(f"a logs check needs a {', '.join(PLURALS)} as its target", final=True)
    begin = params.over or scope.since
    try:
        pods = await _pods(scope.cluster, scope.target)
        if len(pods) > MOST_PODS:
            return unknown(f"{scope.target} has more than {MOST_PODS} pods, whose logs are too many", final=True)
        logs = [log for pod in pods for log in logs_of(pod, params.container, begin)]
    except Failure as failure:
        return unread(failure)
    return judge(params, scope, len(pods), await _read_all(scope.cluster, logs, params, begin))


async def _pods(cluster: Cluster, target: Ref) -> list[Object]:
    found: list[Object] = []
    async for pod in pods_of(cluster, await cluster.get(target)):
        found.append(pod)
        if len(found) > MOST_PODS:
            break
    return found


def logs_of(pod: Object, only: str | None, begin: datetime | timedelta | None) -> Iterator[Log]:
    """The logs in which something since `begin` may stand: the current instance's, and the one's before a restart."""
    status = pod.get("status") or {}
    seen = {item["name"]: item for group in ("containerStatuses", "initContainerStatuses") for item in status.get(group) or ()}
    ref = Ref("v1", "Pod", pod["metadata"]["namespace"], pod["metadata"]["name"])
    names = [only] if only else [container["name"] for container in pod["spec"]["containers"]]
    for name in names:
        yield from _of_container(ref, name, seen.get(name) or {}, begin)


def _of_container(pod: Ref, name: str, status: Object, begin: datetime | timedelta | None) -> Iterator[Log]:
    state = status.get("state") or {}
    last = (status.get("lastState") or {}).get("terminated")
    runs = "running" in state or "terminated" in state
    if runs:
        yield Log(pod, name)
    if last and not _before(last.get("finishedAt"), begin):
        yield Log(pod, name, previous=True)
    if not runs and not last:
        yield Log(pod, name, fault="has not started")
    if last and status.get("restartCount", 0) > 1 and isinstance(begin, datetime) and not _before(last.get("startedAt"), begin):
        yield Log(pod, name, fault="restarted more than once since the change; what it logged before is gone")


def _before(time: str | None, begin: datetime | timedelta | None) -> bool:
    """Whether it was certainly before. The node's clock and the API server's are taken to be the same."""
    return bool(time) and isinstance(begin, datetime) and datetime.fromisoformat(time) < begin


async def _read_all(cluster: Cluster, logs: Iterable[Log], params: LogsParams, begin: datetime | timedelta | None) -> list[Found]:
    pattern, gate = compiled(params.absent or params.count or ""), asyncio.Semaphore(AT_ONCE)

    async def one(log: Log) -> Found:
        if log.fault:
            return Found(log, fault=log.fault)
        async with gate:
            return await scan(cluster, log, pattern, params.limit_bytes, begin)

    return list(await asyncio.gather(*(one(log) for log in logs)))


async def scan(cluster: Cluster, log: Log, pattern: re2._Regexp, limit: int, begin: datetime | timedelta | None) -> Found:
    """Reads one log line by line, in bounded memory."""
    lines = size = 0
    long = ""
    stream = cluster.log(log.pod, log.container, previous=log.previous, limit_bytes=limit, since=begin)
    try:
        async for line, length in _lines(stream):
            size += length
            lines += _counts(line, pattern, begin)
            long = f"has a line longer than {LONGEST_LINE} bytes" if len(line) >= LONGEST_LINE else long
    except Failure as failure:
        return Found(log, lines, f"could not be read: {failure.message}")
    return Found(log, lines, f"was cut after {limit} bytes" if size >= limit else long)


async def _lines(stream: AsyncIterator[bytes]) -> AsyncIterator[tuple[bytes, int]]:
    """Each line, and how many bytes of the log it took; a line that is too long comes in pieces."""
    rest = b""
    async for chunk in stream:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line, len(line) + 1
        if len(rest) >= LONGEST_LINE:
            yield rest, len(rest)
            rest = b""
    if rest:
        yield rest, len(rest)


def _counts(line: bytes, pattern: re2._Regexp, begin: datetime | timedelta | None) -> bool:
    """Whether the line matches and is not certainly from before: the API's `since` is exact to the second only."""
    stamp, _, text = line.partition(b" ")
    if not pattern.search(text):
        return False
    try:
        return not _before(stamp.decode(), begin)
    except ValueError:
        return True


def judge(params: LogsParams, scope: CheckScope, pods: int, found: list[Found]) -> Reading:
    lines = sum(one.lines for one in found)
    faults = [f"{one.log}: {one.fault}" for one in found if one.fault]
    first = next((f", first in {one.log}" for one in found if one.lines), "")
    told = f"{lines} lines match in {len(found)} logs of {pods} pods{first}"
    if params.absent and lines:
        return with_value(denied(told), lines)
    if faults or not found:
        why = f"{len(faults)} of {len(found)} logs are incomplete: {'; '.join(faults[:3])}" if found else "there are no pods"
        return unknown(f"{told}, but {why}")
    return judged(params.expect, lines, scope.baseline, told)


def rules(params: LogsParams, namespace: str, target: Ref | None) -> tuple[Rule, ...]:
    if target is None:
        return ()
    return (*pod_rules(target), Rule(("get",), "", "pods/log", why="names of pods are not known beforehand"))


LOGS = CheckKind(
    name="logs",
    summary="A pattern does not occur in the logs of the target's pods since the change",
    params=LogsParams,
    needs_target=True,
    rules=rules,
    read=read,
    gives=lambda _: FactType.Integer,
)

"""Logs of all containers of all pods of the targets: init, ephemeral and regular ones, current and previous instance.

What the kubelet serves is what there is: the current file and one previous instance of each container (design,
invariant 14). When a log is longer than its bound, its oldest lines are kept, as the API's `limitBytes` counts from the
start: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ . Requirements E-02, E-08.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from pydantic import Field

from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.engine.errors import Failure, NotFound, Refused
from stanch.engine.parts import Scope, SourceKind
from stanch.engine.paths import safe_name
from stanch.engine.ports import Object, Writer
from stanch.engine.workload import controller_of
from stanch.evidence.params import PodParams
from stanch.evidence.reading import TRIES, because, each, once_more, over
from stanch.evidence.workload import CONTAINERS, pod_rules, pods, ref_of
from stanch.evidence.writing import object_name, opened, stamped

NEEDS = "get on pods/log"
MIB = 1024 * 1024
# More are not faster, through the API server's log proxy, and hold more memory (`tests/bench`).
AT_ONCE = 32
STATUSES = {
    "initContainers": "initContainerStatuses",
    "containers": "containerStatuses",
    "ephemeralContainers": "ephemeralContainerStatuses",
}


class LogsParams(PodParams):
    limit_bytes: int = Field(10 * MIB, ge=1024, le=1024 * MIB, description="Longest part kept of one log, in bytes.")
    total_bytes: int = Field(512 * MIB, ge=1024, le=64 * 1024 * MIB, description="All logs of one capture together, in bytes.")
    idle_seconds: int = Field(10, ge=1, le=120, description="A log that sends nothing for so many seconds is given up.")


@dataclass(frozen=True)
class Log:
    """One container's log, current or previous. `expected`: by the pod's status there is one."""

    pod: Ref
    stem: str
    container: str
    previous: bool
    expected: bool

    def __str__(self) -> str:
        return f"logs of pod {self.pod.name} container {self.container}{' (previous instance)' if self.previous else ''}"


class Allowance:
    """Bytes that all logs of one capture share: each has its fair part for certain, what others leave is anybody's."""

    def __init__(self, total: int, logs: int) -> None:
        self.fair = total // max(logs, 1)
        self.rest = total - self.fair * logs


class Share:
    """One log's part of the allowance; never more than `limit`."""

    def __init__(self, allowance: Allowance, limit: int) -> None:
        self.size = 0
        self.limit = limit
        self._allowance = allowance
        self._own = allowance.fair

    def take(self, wanted: int) -> int:
        """How many more bytes may be kept, at most `wanted`."""
        wanted = min(wanted, self.limit - self.size)
        own = min(wanted, self._own)
        extra = min(wanted - own, self._allowance.rest)
        self._own -= own
        self._allowance.rest -= extra
        self.size += own + extra
        return own + extra

    def give_back(self) -> None:
        self._allowance.rest += self._own
        self._own = 0


async def collect(scope: Scope, params: LogsParams) -> None:
    logs = [log async for pod in pods(scope, "logs", params.selector) for log in logs_of(scope, pod)]
    allowance = Allowance(params.total_bytes, len(logs))
    scope.ledger.pending.update(map(str, logs))

    async def work(log: Log) -> None:
        share = Share(allowance, params.limit_bytes)
        await keep(scope, log, share, params.idle_seconds)
        share.give_back()
        scope.ledger.pending.discard(str(log))

    await each(over(logs), work, AT_ONCE)


def logs_of(scope: Scope, pod: Object) -> Iterator[Log]:
    """The logs that a pod may have; a container that never started has none, which is noted.

    The previous one is always asked for: the container may have restarted since the pod was listed.
    """
    ref, stem = readable_ref(pod), object_name(scope, pod)
    for group in CONTAINERS:
        statuses = {status["name"]: status for status in (pod.get("status") or {}).get(STATUSES[group]) or ()}
        for container in pod["spec"].get(group) or ():
            name, status = container["name"], statuses.get(container["name"])
            if why := never_started(pod, status):
                scope.ledger.notes.append(f"logs of pod {ref.name} container {name}: never started ({why})")
            else:
                yield Log(ref, stem, name, previous=False, expected=True)
                yield Log(ref, stem, name, previous=True, expected=has_previous(status))


def readable_ref(pod: Object) -> Ref:
    """With its UID only where another pod may get the same name: checking it costs a request for each log."""
    owner = controller_of(pod)
    renamed = owner is not None and owner["kind"] != "StatefulSet"
    return replace(ref_of(pod), uid="") if renamed else ref_of(pod)


def has_previous(status: Object | None) -> bool:
    return bool(((status or {}).get("lastState") or {}).get("terminated"))


def never_started(pod: Object, status: Object | None) -> str:
    """Why there cannot be a log; empty when there may be one. Without a status, only a pending pod surely has none."""
    if status is None:
        phase = (pod.get("status") or {}).get("phase", "")
        return "pod is Pending" if phase == "Pending" else ""
    if status.get("restartCount") or has_previous(status):
        return ""
    waiting = (status.get("state") or {}).get("waiting")
    return waiting.get("reason") or "waiting" if waiting is not None else ""


async def keep(scope: Scope, log: Log, share: Share, idle: int) -> None:
    """Streams one log into its file. Where there is no log there is no file; where it is empty, an empty one."""
    async with aclosing(pieces(scope, log, share.limit, idle)) as stream:
        first = await anext(stream, b"")
        if isinstance(first, Failure):
            say_missing(scope, log, first)
            return
        suffix = "_previous" if log.previous else ""
        path = stamped(scope, "logs", f"{log.stem}_{safe_name(log.container, 40)}{suffix}", ".log")
        async with opened(scope, path) as writer:
            await fill(scope, log, path, writer, share, first, stream)


async def fill(
    scope: Scope, log: Log, path: str, writer: Writer, share: Share, first: bytes, rest: AsyncIterator[bytes | Failure]
) -> None:
    piece: bytes | Failure = first
    try:
        while piece:
            if isinstance(piece, Failure):
                scope.ledger.missing.append(f"{log}: broke off after {share.size} bytes: {because(piece, NEEDS)}")
                return
            granted = share.take(len(piece))
            await writer.write(piece[:granted])
            if granted < len(piece):
                scope.ledger.cut.append(cut(path, share))
                return
            piece = await anext(rest, b"")
    except asyncio.CancelledError:
        scope.ledger.cut.append(f"{path}: cut at {share.size} bytes, the budget ended")
        raise


def cut(path: str, share: Share) -> str:
    bound = "limitBytes" if share.size == share.limit else "totalBytes of all logs together"
    return f"{path}: cut at {share.size} bytes ({bound}); the oldest lines were kept, newer ones are not in the pack"


def say_missing(scope: Scope, log: Log, failure: Failure) -> None:
    """What is gone already (its pod vanished) no write of ours can destroy any more: noted, not missing."""
    if not isinstance(failure, NotFound):
        scope.ledger.missing.append(f"{log}: {because(failure, NEEDS)}")
    elif log.expected:
        scope.ledger.notes.append(f"{log}: not there when it was read ({because(failure, NEEDS)})")


async def pieces(scope: Scope, log: Log, limit: int, idle: int) -> AsyncIterator[bytes | Failure]:
    """The log in non-empty pieces; the last one is the Failure that ended it, if one did.

    One byte more than the limit is asked for, which tells a log that was cut from one that just fits.
    """
    for pause in TRIES:
        begun = False
        try:
            async with aclosing(scope.cluster.log(log.pod, log.container, previous=log.previous, limit_bytes=limit + 1)) as stream:
                while (piece := await next_piece(stream, idle)) is not None:
                    if piece:
                        begun = True
                        yield piece
            return
        except Failure as failure:
            if begun or not await once_more(failure, pause):
                yield failure
                return


async def next_piece(stream: AsyncIterator[bytes], idle: int) -> bytes | None:
    try:
        async with asyncio.timeout(idle):
            return await anext(stream, None)
    except TimeoutError:
        raise Refused("LogStalled", f"nothing came for {idle} s, the node or its kubelet may be gone") from None


def rules(params: LogsParams, namespace: str, refs: tuple[Ref, ...]) -> tuple[Rule, ...]:
    return (*pod_rules(refs), Rule(("get",), "", "pods/log", why="names of pods are not known beforehand"))


SOURCE = SourceKind("logs", "Logs of all containers, current and previous, of all pods of the targets", LogsParams, rules, collect)

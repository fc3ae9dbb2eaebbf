"""Random incidents for a while, random faults between operator and API server, random kills; judged from the audit log alone.

`make soak MINUTES=30` does it for as long as that says (STANCH_SOAK_MINUTES), `make test` for a minute. The seed decides what the
incidents are and how often what goes wrong; when it does is up to the machine.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.stage.audit.judge import judge
from tests.stage.audit.log import AuditLog
from tests.stage.audit.tell import tell
from tests.stage.audit.terms import Finding, Kind
from tests.stage.kubectl import Kubectl
from tests.stage.soak import Lane, lane
from tests.stage.whole import LANES, lanes

MINUTES = float(os.environ.get("STANCH_SOAK_MINUTES") or "1")
SEED = int(os.environ.get("STANCH_SOAK_SEED") or "1")
# Beside its minutes: a cluster's first pods, the last incidents, the judgement.
REST = 900
REPORT = 30.0


@pytest.mark.timeout(MINUTES * 60 + REST)
@pytest.mark.requirement("E-04", "E-05")
def test_whatever_goes_wrong_each_effect_is_there_once_and_in_time(
    cluster: Any, installed: Kubectl, namespace: str, tmp_path: Path, closing_line: Callable[[str], None]
) -> None:
    assert cluster.audit_log, f"cluster {cluster.name} shows no audit log to judge by; the local binaries do"
    print(f"soak: {MINUTES:g} minutes, seed {SEED}", flush=True)
    with ExitStack() as stack:
        names = stack.enter_context(lanes(installed, namespace))
        log = stack.enter_context(AuditLog(cluster.audit_log, lambda line: namespace.encode() in line))
        with ExitStack() as running:
            chances = [Random(SEED * LANES + number) for number in range(LANES)]
            lived = [
                running.enter_context(lane(installed, name, tmp_path / name, chance, MINUTES))
                for name, chance in zip((names.get() for _ in range(LANES)), chances, strict=True)
            ]
            stuck = live(lived, log)
        log.read()
        found = judged(lived, log)
        explained(lived, log, found)
        told(lived, found, stuck, closing_line)


def live(lived: Sequence[Lane], log: AuditLog) -> list[BaseException]:
    """What kept an incident from its end; what is there by then is judged all the same."""
    over, begin = threading.Event(), time.monotonic()
    with ThreadPoolExecutor(len(lived)) as pool:
        futures = [pool.submit(one.live, over) for one in lived]
        try:
            watch(futures, lived, log, begin, over)
        finally:
            over.set()
    return [error for future in futures if (error := future.exception())]


def watch(futures: Sequence[Future[None]], lived: Sequence[Lane], log: AuditLog, begin: float, over: threading.Event) -> None:
    """Says how it stands, now and then, until all have ended or one has failed."""
    while wait(futures, timeout=pause(begin, over), return_when=FIRST_EXCEPTION).not_done:
        if any(future.done() and future.exception() for future in futures):
            return
        passed = time.monotonic() - begin
        if passed >= MINUTES * 60:
            over.set()
        log.read()
        print(f"soak: {passed / 60:.1f} of {MINUTES:g} minutes, {counts(lived)}", flush=True)


def pause(begin: float, over: threading.Event) -> float:
    left = begin + MINUTES * 60 - time.monotonic()
    return REPORT if over.is_set() else max(0.0, min(REPORT, left))


def counts(lived: Sequence[Lane]) -> str:
    incidents, faults = sum(len(one.promises) for one in lived), sum(one.storm.counted.total() for one in lived)
    return f"{incidents} incidents, {faults} faults, {sum(one.supervisor.restarts for one in lived)} restarts"


def judged(lived: Sequence[Lane], log: AuditLog) -> list[Finding]:
    promises = [promise for one in lived for promise in one.promises]
    return judge(log.events, promises, {one.scene.namespace: one.outages() for one in lived})


def explained(lived: Sequence[Lane], log: AuditLog, found: list[Finding]) -> None:
    """Which of the machine's times made it so will not come again: what the log says of an incident that is not as promised."""
    for promise in (promise for one in lived for promise in one.promises):
        if any(finding.what.startswith(f"{promise.namespace}/{promise.name}:") for finding in found):
            print(f"  what the audit log says of {promise.namespace}/{promise.name}:")
            print("\n".join(f"    {line}" for line in tell(log.events, promise)))


def told(lived: Sequence[Lane], found: list[Finding], stuck: list[BaseException], closing_line: Callable[[str], None]) -> None:
    """What was injected, what was found, and the line that sums it up. Nothing injected shows nothing."""
    injected = Counter({"killed": sum(one.killer.kills for one in lived)})
    for one in lived:
        injected.update(one.storm.counted)
    for name, times in injected.items():
        closing_line(f"  {name:24}{times:6}")
    for finding in found:
        closing_line(f"  {finding}")
    of = Counter(finding.kind for finding in found)
    verdict = f"doubled {of[Kind.Doubled]}, lost {of[Kind.Lost]}, late reverts {of[Kind.Late]}"
    closing_line(f"soak: {counts(lived)}, {verdict}")
    assert not stuck, str(stuck[0])
    assert injected["killed"] and injected.total() > injected["killed"], f"nothing went wrong, so nothing was shown: {injected}"
    assert all(one.promises for one in lived), "a lane lived no incident"
    assert not found, [str(finding) for finding in found]

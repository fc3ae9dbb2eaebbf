"""Whole incidents while requests between operator and API server go wrong: each effect once, nothing lost, nothing late.

`make test` lives one incident for each kind of fault; `make faults` several (STANCH_FAULT_LIVES), and prints the same table.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import pytest

from tests.stage.kubectl import Kubectl
from tests.stage.proxy import Door
from tests.stage.trouble import Answered, CutStream, Every, Gone, Late, Reset
from tests.stage.whole import EFFECTS, ENDS, LANES, Life, Tally, lanes, live

LIVES = int(os.environ.get("STANCH_FAULT_LIVES", "1"))
FAULTS: dict[str, Callable[[], Every]] = {
    "answers 0.3 s late": lambda: Late(1),
    "reset before": lambda: Reset(7),
    "reset after commit": lambda: Reset(6, writes=True, committed=True),
    "time-out after commit": lambda: Late(23, writes=True, seconds=20),
    "429, Retry-After": lambda: Answered(8, status=429, reason="TooManyRequests", headers=(("Retry-After", "1"),)),
    "409": lambda: Answered(7, writes=True, status=409, reason="Conflict"),
    "500": lambda: Answered(8, status=500, reason="InternalError"),
    "410 of a watch": lambda: Gone(2, streams=True),
    "watch cut short": lambda: CutStream(1, streams=True),
    "watch falls silent": lambda: CutStream(2, streams=True, silent=True),
}
HEAD = f"{'FAULT':24}{'INJECTED':>9}{'INCIDENTS':>10}{'DOUBLED':>9}{'LOST':>6}{'LATE':>6}  EVIDENCE BEFORE CHANGE"


def one_life(installed: Kubectl, free: SimpleQueue[str], folder: Path, trouble: Every | None) -> Life:
    lane = free.get()
    try:
        with Door(installed, trouble=trouble) as door:
            return live(installed, lane, folder, door)
    finally:
        free.put(lane)


def row(fault: str, injected: int, lives: int, tally: Tally) -> str:
    counts = f"{injected:9}{lives:10}{len(tally.doubled):9}{len(tally.lost):6}{len(tally.late):6}"
    return f"{fault:24}{counts}  {lives - len(tally.unseen)} of {lives}"


@pytest.mark.timeout(3600)
@pytest.mark.requirement("E-04", "E-05")
def test_incidents_end_the_same_whatever_goes_wrong_on_the_way(installed: Kubectl, namespace: str, tmp_path: Path) -> None:
    with lanes(installed, namespace) as free, ThreadPoolExecutor(LANES) as pool:
        reference = one_life(installed, free, tmp_path / "reference", None)
        assert reference.options == ENDS and reference.effects == EFFECTS and not reference.problems, reference
        troubles = [(fault, make(), number) for fault, make in FAULTS.items() for number in range(LIVES)]
        folders = [tmp_path / f"{place}" for place in range(len(troubles))]
        lived = list(pool.map(lambda told, folder: one_life(installed, free, folder, told[1]), troubles, folders))
    print(HEAD)
    tallies = {fault: Tally() for fault in FAULTS}
    injected = dict.fromkeys(FAULTS, 0)
    for (fault, trouble, number), life in zip(troubles, lived, strict=True):
        tallies[fault].count(f"{fault} {number}", life, reference)
        injected[fault] += trouble.injected
    for fault, tally in tallies.items():
        print(row(fault, injected[fault], LIVES, tally))
    doubled, lost, late = (sum(len(getattr(tally, what)) for tally in tallies.values()) for what in ("doubled", "lost", "late"))
    assert all(injected.values()), f"a fault that was never injected shows nothing: {injected}"
    assert all(tally.clean for tally in tallies.values()), [tally for tally in tallies.values() if not tally.clean]
    print(f"faults: {sum(injected.values())} injected, doubled {doubled}, lost {lost}, late reverts {late}")

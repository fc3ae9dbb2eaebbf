"""Whole incidents while requests between operator and API server go wrong: each effect once, nothing lost, nothing late.

`make test` lives one incident for each kind of fault; `make faults` several (STANCH_FAULT_LIVES), and prints the same table.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue

import pytest

from tests.stage.kubectl import Kubectl
from tests.stage.operator import OperatorProcess
from tests.stage.proxy import Door
from tests.stage.supervisor import Supervisor
from tests.stage.trial import NAME, TrialScene, check, option
from tests.stage.trouble import Answered, Chance, ClockJump, CutStream, Gone, Late, Reset, StreamsEnd
from tests.stage.whole import EFFECTS, ENDS, LANES, Life, Tally, lanes, live

LIVES = int(os.environ.get("STANCH_FAULT_LIVES", "1"))
# Seconds. Longer than the operator waits for any answer (kube.client.Timeouts).
TOO_LATE = 33.0
SET = 3.0
FAULTS: dict[str, Callable[[int], Chance]] = {
    "answers 0.3 s late": lambda seed: Late(1, seed=seed),
    "reset before": lambda seed: Reset(12, seed=seed),
    "reset after commit": lambda seed: Reset(6, writes=True, committed=True, seed=seed),
    "time-out after commit": lambda seed: Late(25, writes=True, seconds=TOO_LATE, seed=seed),
    "429, Retry-After": lambda seed: Answered(12, status=429, reason="TooManyRequests", headers=(("Retry-After", "1"),), seed=seed),
    "409": lambda seed: Answered(8, writes=True, status=409, reason="Conflict", seed=seed),
    "500": lambda seed: Answered(16, status=500, reason="InternalError", seed=seed),
    "clock 3 s ahead": lambda seed: ClockJump(9, seconds=SET, seed=seed),
    "clock 3 s behind": lambda seed: ClockJump(9, seconds=-SET, seed=seed),
    "410 of a watch": lambda seed: Gone(2, streams=True, seed=seed),
    "watch cut short": lambda seed: CutStream(1, streams=True, seed=seed),
    "watch falls silent": lambda seed: CutStream(2, streams=True, silent=True, seed=seed),
}
# What option `first` writes into the settings.
CHANGED = check("changed", object={"target": "settings", "expect": "object.data.first == 'done'"})
HEAD = f"{'FAULT':24}{'INJECTED':>9}{'INCIDENTS':>10}{'DOUBLED':>9}{'LOST':>6}{'LATE':>6}  EVIDENCE BEFORE CHANGE"


def one_life(installed: Kubectl, free: SimpleQueue[str], folder: Path, trouble: Chance | None, name: str = "") -> Life:
    lane = free.get()
    try:
        with Door(installed, trouble=trouble) as door:
            life = live(installed, lane, folder, door)
        print(f"an incident with {name or 'no fault'} is over", flush=True)
        return life
    finally:
        free.put(lane)


def row(fault: str, injected: int, lives: int, tally: Tally) -> str:
    counts = f"{injected:9}{lives:10}{len(tally.doubled):9}{len(tally.lost):6}{len(tally.late):6}"
    return f"{fault:24}{counts}  {lives - len(tally.unseen)} of {lives}"


@pytest.mark.timeout(3600)
@pytest.mark.requirement("E-04", "E-05")
def test_incidents_end_the_same_whatever_goes_wrong_on_the_way(
    installed: Kubectl, namespace: str, tmp_path: Path, closing_line: Callable[[str], None]
) -> None:
    with lanes(installed, namespace) as free, ThreadPoolExecutor(LANES) as pool:
        reference = one_life(installed, free, tmp_path / "reference", None)
        assert reference.options == ENDS and reference.effects == EFFECTS and not reference.problems, reference
        troubles = [(fault, make(number), number) for fault, make in FAULTS.items() for number in range(LIVES)]
        folders = [tmp_path / f"{place}" for place in range(len(troubles))]
        lived = list(pool.map(lambda told, folder: one_life(installed, free, folder, told[1], told[0]), troubles, folders))
    tallies = {fault: Tally(unanswered=True) for fault in FAULTS}
    tallies["clock 3 s ahead"].earliness = tallies["clock 3 s behind"].earliness = SET
    injected = dict.fromkeys(FAULTS, 0)
    for (fault, trouble, number), life in zip(troubles, lived, strict=True):
        tallies[fault].count(f"{fault} {number}", life, reference)
        injected[fault] += trouble.injected
    closing_line(HEAD)
    for fault, tally in tallies.items():
        closing_line(row(fault, injected[fault], LIVES, tally))
    doubled, lost, late = (sum(len(getattr(tally, what)) for tally in tallies.values()) for what in ("doubled", "lost", "late"))
    closing_line(f"faults: {sum(injected.values())} injected, doubled {doubled}, lost {lost}, late reverts {late}")
    assert all(injected.values()), f"a fault that was never injected shows nothing: {injected}"
    assert all(tally.clean for tally in tallies.values()), [tally for tally in tallies.values() if not tally.clean]


@pytest.mark.parametrize(("silent", "limit"), [(False, 5.0), (True, 60.0)], ids=["cut", "silent"])
def test_what_happens_while_no_watch_tells_of_it_is_seen_soon(
    installed: Kubectl, namespace: str, tmp_path: Path, silent: bool, limit: float, closing_line: Callable[[str], None]
) -> None:
    """Each watch ends at once; then an incident is opened and something is said of one that rests, of which only a new one, or
    a list, can tell."""
    ends = StreamsEnd(1, silent=silent)
    with lanes(installed, namespace, 1) as free, Door(installed, trouble=ends) as door:
        lane = free.get()
        scene = TrialScene(installed.inside(lane), f"{lane}-op")
        scene.prepare()
        with Supervisor(OperatorProcess(installed, tmp_path, (lane,), f"{lane}-op", server=door.url)) as supervisor:
            rests = scene.until(scene.run(option("first", CHANGED)), "Resolved")
            ends.now()
            spoke = datetime.now(UTC)
            said = f"decision/{scene.decide(scene.on_call, 'Note', rests)['metadata']['name']}"
            opened = datetime.now(UTC)
            scene.open("second", playbookRef={"name": NAME})
            scene.kubectl("wait", "incident/second", "--for=jsonpath={.status.phase}", "--timeout=120s", timeout=150)
            scene.kubectl("wait", said, "--for=jsonpath={.status.recordedAt}", "--timeout=120s", timeout=150)
            seen = first_of("second", supervisor.operator)
            heard = datetime.fromisoformat(scene.kubectl.get(said)["status"]["recordedAt"])
    # Each since just before it was asked for: that the person's kubectl takes its time, for one after the other, is not stanch's.
    after = [(seen - opened).total_seconds(), (heard - spoke).total_seconds()]
    what = "fell silent" if silent else "were cut"
    found = f"an incident seen after {after[0]:.1f} s, a Decision recorded after {after[1]:.1f} s"
    closing_line(f"{ends.injected} watches {what}: {found}")
    assert ends.injected and max(after) <= limit


def first_of(incident: str, operator: OperatorProcess) -> datetime:
    """When the operator first did something about it."""
    return next(datetime.fromisoformat(line["timestamp"]) for line in operator.lines() if line.get("incident") == incident)

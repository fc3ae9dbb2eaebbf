"""SIGKILL after each API write of a whole incident, restart: the same end state and timeline, each effect once, the chain whole.

The operator speaks through a door that counts what the API server committed and kills it right after the N-th write, before it
hears the answer. `make test` tries some of the crash points; `make crash` all (STANCH_CRASH_POINTS=all).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stage.kubectl import Kubectl
from tests.stage.operator import OperatorProcess
from tests.stage.proxy import Door, Written
from tests.stage.whole import EFFECTS, ENDS, LANES, Life, Tally, lanes, live

# Every how many writes `make test` crashes; coprime to the length of a step's writes, so that all kinds are met over time.
STRIDE = 11


@dataclass
class Killer:
    """Kills the operator after the N-th write, once; 0: never. Its supervisor starts it again."""

    point: int
    operator: OperatorProcess | None = None
    killed: bool = False

    def __call__(self, number: int, written: Written) -> None:
        if number == self.point and self.operator is not None:
            self.operator.kill()
            self.killed = True

    def aims_at(self, operator: OperatorProcess) -> None:
        self.operator = operator

    def struck(self, life: Life) -> bool:
        """False: it ended before that write. On a busy machine a life stores once more what takes long."""
        assert life.restarts >= self.killed
        assert self.killed == (0 < self.point <= len(life.writes)), f"no crash at write {self.point} of {len(life.writes)}"
        return self.killed


@dataclass(frozen=True)
class Crash:
    """A life, and whether it met its crash: one that ended before that write has none to show, and is counted as such."""

    point: int
    life: Life
    struck: bool

    def __str__(self) -> str:
        if not self.struck:
            return f"no write {self.point}: that life had {len(self.life.writes)}"
        return f"crash after write {self.point}: {self.life.writes[self.point - 1]}"


@pytest.fixture
def crashing(installed: Kubectl, namespace: str, tmp_path: Path) -> Iterator[Callable[[int], Crash]]:
    """Lives one incident through, with a crash after the given write; 0: without. Some at a time."""
    lives = itertools.count(1)
    with lanes(installed, namespace) as free:

        def run(point: int) -> Crash:
            lane, killer = free.get(), Killer(point)
            try:
                with Door(installed, killer) as door:
                    life = live(installed, lane, tmp_path / f"life-{next(lives)}", door, killer.aims_at)
            finally:
                free.put(lane)
            return Crash(point, life, killer.struck(life))

        yield run


def chosen(total: int) -> list[int]:
    """STANCH_CRASH_POINTS: `all`, or numbers with commas; left out: every STRIDE-th."""
    named = os.environ.get("STANCH_CRASH_POINTS", "")
    if named and named != "all":
        return [int(point) for point in named.split(",")]
    return list(range(1, total + 1) if named else range(3, total + 1, STRIDE))


@pytest.mark.requirement("E-04", "E-05", "E-07")
def test_killed_after_a_write_and_restarted_the_incident_ends_the_same(crashing: Callable[[int], Crash]) -> None:
    with ThreadPoolExecutor(LANES) as pool:
        straight = [crash.life for crash in pool.map(crashing, [0] * LANES)]
        reference = min(straight, key=lambda life: len(life.writes))
        assert reference.options == ENDS and not reference.problems, reference
        assert reference.environment == {"FRONTEND_VERSION": "v1"} and reference.settings == {"read-only": "false"}
        assert reference.effects == EFFECTS, "what the door counts is what is to be counted"
        tally, crashes = Tally(), 0
        for crash in pool.map(crashing, chosen(len(reference.writes))):
            tally.count(crash.point, crash.life, reference)
            crashes += crash.struck
            print(crash, flush=True)
    assert crashes, "no crash point was tried"
    assert not tally.other and not tally.unseen and not tally.late, tally
    print(f"crash points: {crashes}, doubled {len(tally.doubled)}, lost {len(tally.lost)}, broken chains {len(tally.broken)}")
    assert tally.clean, tally

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
# How many lives may meet a retry before a life meets none.
REFERENCES = 5


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

    def check(self, life: Life) -> None:
        """A life that ends without its crash is a failure: nothing was tried."""
        assert self.killed == bool(self.point), f"there was no write {self.point}"
        assert life.restarts >= self.killed


@pytest.fixture
def crashing(installed: Kubectl, namespace: str, tmp_path: Path) -> Iterator[Callable[[int], Life]]:
    """Lives one incident through, with a crash after the given write; 0: without. Some at a time."""
    lives = itertools.count(1)
    with lanes(installed, namespace) as free:

        def run(point: int) -> Life:
            lane, killer = free.get(), Killer(point)
            try:
                with Door(installed, killer) as door:
                    life = live(installed, lane, tmp_path / f"life-{next(lives)}", door, killer.aims_at)
                killer.check(life)
            finally:
                free.put(lane)
            return life

        yield run


def straight(crashing: Callable[[int], Life]) -> Life:
    """A life without retries: no other is shorter, so each of its writes is a crash point that every life passes."""
    lives = (crashing(0) for _ in range(REFERENCES))
    return next(life for life in lives if not life.retries)


def chosen(total: int) -> list[int]:
    """STANCH_CRASH_POINTS: `all`, or numbers with commas; left out: every STRIDE-th."""
    named = os.environ.get("STANCH_CRASH_POINTS", "")
    if named and named != "all":
        return [int(point) for point in named.split(",")]
    return list(range(1, total + 1) if named else range(3, total + 1, STRIDE))


@pytest.mark.requirement("E-04", "E-05", "E-07")
def test_killed_after_a_write_and_restarted_the_incident_ends_the_same(crashing: Callable[[int], Life]) -> None:
    reference = straight(crashing)
    assert reference.options == ENDS and not reference.problems, reference
    assert reference.environment == {"FRONTEND_VERSION": "v1"} and reference.settings == {"read-only": "false"}
    assert reference.effects == EFFECTS, "what the door counts is what is to be counted"
    total, tally = len(reference.writes), Tally()
    points = chosen(total)
    assert points, "no crash point was chosen"

    def crash(point: int) -> tuple[int, Life]:
        life = crashing(point)
        print(f"crash after write {point} of {total}: {reference.writes[point - 1]}", flush=True)
        return point, life

    with ThreadPoolExecutor(LANES) as pool:
        for point, life in pool.map(crash, points):
            tally.count(point, life, reference)
    assert not tally.other and not tally.unseen and not tally.late, tally
    print(f"crash points: {len(points)}, doubled {len(tally.doubled)}, lost {len(tally.lost)}, broken chains {len(tally.broken)}")
    assert tally.clean, tally

"""SIGKILL after each API write of an incident's life, restart: the same end state and timeline, each effect once, the chain whole.

Four stories are lived: a whole incident, what people decide, an owner that is suspended, a target that two incidents want. The
operator speaks through a door that counts what the API server committed and kills it right after the N-th write, before it hears
the answer. `make test` tries some of the crash points of each; `make crash` all (STANCH_CRASH_POINTS=all).
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stage.kubectl import Kubectl
from tests.stage.operator import OperatorProcess
from tests.stage.proxy import Door, Written
from tests.stage.stories import STORIES
from tests.stage.whole import LANES, WHOLE, Life, Story, Tally, lanes, live

Crashing = Callable[[Story, int], "Crash"]
# STANCH_CRASH_POINTS: `all`, or numbers with commas; left out: every STRIDE-th of each story, the first further on in each.
POINTS = os.environ.get("STANCH_CRASH_POINTS", "")
# Coprime to the length of a step's writes, so that all kinds are met.
STRIDE = 23
# How long all of them may take, seconds.
LIMIT = 4 * 3600 if POINTS else 1200


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

    story: Story
    point: int
    life: Life
    struck: bool

    def __str__(self) -> str:
        if not self.struck:
            return f"{self.story.name}: no write {self.point}: that life had {len(self.life.writes)}"
        return f"{self.story.name}: crash after write {self.point}: {self.life.writes[self.point - 1]}"


@pytest.fixture
def crashing(installed: Kubectl, namespace: str, tmp_path: Path) -> Iterator[Crashing]:
    """Lives a story through, with a crash after the given write; 0: without. Some at a time."""
    lives = itertools.count(1)
    with lanes(installed, namespace) as free:

        def run(story: Story, point: int) -> Crash:
            lane, killer = free.get(), Killer(point)
            try:
                with Door(installed, killer) as door:
                    life = live(installed, lane, tmp_path / f"life-{next(lives)}", door, killer.aims_at, story)
            finally:
                free.put(lane)
            return Crash(story, point, life, killer.struck(life))

        yield run


def chosen(place: int, total: int) -> list[int]:
    """Of the story at that place, which has so many writes: none beyond these."""
    if POINTS and POINTS != "all":
        return [int(point) for point in POINTS.split(",") if int(point) <= total]
    return list(range(1, total + 1) if POINTS else range(1 + (2 + 5 * place) % min(STRIDE, total), total + 1, STRIDE))


def shortest(straight: list[Crash]) -> Life:
    """The life of a story without a crash that has the fewest writes: each of these is met in every other."""
    lives = [crash.life for crash in straight]
    for life in lives:
        assert straight[0].story.fits(life), f"{straight[0].story}: {life}"
    return min(lives, key=lambda life: len(life.writes))


@pytest.mark.timeout(LIMIT)
@pytest.mark.usefixtures("reconcilers")
@pytest.mark.requirement("A-03", "A-16", "D-06", "E-04", "E-05", "E-07")
def test_killed_after_a_write_and_restarted_the_incident_ends_the_same(
    crashing: Crashing, closing_line: Callable[[str], None]
) -> None:
    stories = (WHOLE, *STORIES)
    with ThreadPoolExecutor(LANES) as pool:
        straight = list(pool.map(lambda story: crashing(story, 0), stories * (LANES if POINTS else 1)))
        references = {story.name: shortest([crash for crash in straight if crash.story is story]) for story in stories}
        told = references[WHOLE.name]
        assert told.environment == {"FRONTEND_VERSION": "v1"} and told.settings == {"read-only": "false"}
        lengths = [len(references[story.name].writes) for story in stories]
        points = [(story, point) for place, story in enumerate(stories) for point in chosen(place, lengths[place])]
        tally, crashes = Tally(), Counter({story.name: 0 for story, _ in points})
        for crash in pool.map(lambda planned: crashing(*planned), points):
            tally.count(f"{crash.story.name} {crash.point}", crash.life, references[crash.story.name])
            crashes[crash.story.name] += crash.struck
            print(crash, flush=True)
    print(f"crashes by story: {dict(crashes)}")
    # Points that somebody names may lie beyond the end of the shorter stories.
    assert len(crashes) == len(stories) or (crashes and POINTS), f"a story has no crash point: {lengths}"
    assert all(crashes.values()), f"no crash point of a story was met: {dict(crashes)}"
    assert not tally.other and not tally.unseen and not tally.late, tally
    found = f"doubled {len(tally.doubled)}, lost {len(tally.lost)}, broken chains {len(tally.broken)}"
    closing_line(f"crash points: {crashes.total()}, {found}")
    assert tally.clean, tally

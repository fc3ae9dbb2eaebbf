"""The operator dies before and after every write of the main job's path; its next life brings the incident to the same end.

A crash is a copy of the world at that moment, in which a new life begins: as with SIGKILL nothing of the old one runs on, not
even a `finally`. That no such leftover could do harm is tested beside it, with an exception that nobody handles.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stanch.domain.incident import Phase
from stanch.domain.timeline import Line
from stanch.engine.errors import Conflict
from tests.unit.memory import Crash, settle
from tests.unit.world import Life, Site, lean
from tests.unit.world_gates import Gate, Op

# What a new leader waits for before it takes over.
LEASE = 20.0
TOKENS = ("1/restart/restart", "1/undo/undo")


@dataclass
class CrashAt(Gate):
    """Ends the life at the `number`th operation of a kind (from 1), before it takes effect or after."""

    kind: str
    number: int
    late: bool

    async def before(self, op: Op) -> None:
        self._end(op, late=False)

    async def after(self, op: Op) -> None:
        self._end(op, late=True)

    def _end(self, op: Op, late: bool) -> None:
        if (op.kind, op.number, late) == (self.kind, self.number, self.late):
            raise Crash


async def lives(site: Site, gate: Gate) -> bool:
    """One life under `gate`, and if it ended before its time, another one. Whether it did."""
    first = Life(site, 1, gate)
    try:
        await first.live()
    except (Crash, BaseExceptionGroup):
        if not first.passage.dead:
            raise
    if first.passage.dead:
        await settle()
        site.passes(LEASE)
        await Life(site, 2).live()
    return first.passage.dead


async def undisturbed() -> tuple[Site, Life]:
    site = Site()
    life = Life(site)
    await life.live()
    return site, life


def unnumbered(key: str) -> str:
    return re.sub(r"intent/\d+|(?<=before)-\d+|(?<=after)-\d+", "", key)


def story(lines: list[Line]) -> list[tuple[str, ...]]:
    """What is told, apart from what a crash may add to it:

    - An intent without its write is observed, told as `stale`, and prepared again: the last intent counts.
    - A capture that nobody recorded is made again beside the first one: the names and numbers of its files, and its own, differ.
    - A hold that nobody watched is `lost`, and its verification is told twice: a new leader has not seen it stay true.
    - A write that is found done is told as the intent had it, marked `(found written)`.
    """
    told: list[tuple[str, ...]] = []
    for line in lines:
        key = unnumbered(line.key)
        result = "" if "/evidence/" in key else line.result.removesuffix(" (found written)").partition(" (revision 1 is")[0]
        if key.endswith("/stale") or key.endswith("/lost"):
            continue
        if told and told[-1][0] == key:
            told.pop()
        told.append((key, line.actor, line.action, line.expectation, result, line.next))
    return told


def end_is_the_same(site: Site) -> None:
    status = site.status
    assert status.phase is Phase.Resolved
    assert site.options == {"restart": "Denied", "undo": "Confirmed"}
    assert site.frontend.environment == {"FRONTEND_VERSION": "v1"}
    uid = site.incident_ref.uid
    assert site.frontend.mitigations == [f"{uid}/{token}" for token in TOKENS], "each mitigation exactly once"
    assert site.locks() == [] and not status.locked
    assert "finalizers" not in site.incident["metadata"]
    found = site.verified()
    assert found.ok, found.problems


async def test_undisturbed_it_is_resolved_and_proven() -> None:
    site, _ = await undisturbed()
    end_is_the_same(site)
    assert story(site.lines) == [(unnumbered(line.key), line.actor, line.action, line.expectation,
                                  "" if "/evidence/" in line.key else line.result, line.next) for line in site.lines]  # fmt: skip


@pytest.mark.parametrize("number", [4, 14, 30])
async def test_life_that_ends_by_an_exception_leaves_nothing_behind_that_acts(number: int, tmp_path: Path) -> None:
    site = Site(folder=tmp_path)
    assert await lives(site, CrashAt("write", number, late=True))
    end_is_the_same(site)


@dataclass
class Moments(Gate):
    """Copies the world before and after each write, of the cluster or of the packs."""

    site: Site
    of: list[tuple[str, Op, Site]] = field(default_factory=list)

    async def before(self, op: Op) -> None:
        # Before a file of the pack is after what came before it: nothing else has happened.
        if op.kind == "write":
            self.of.append(("before", op, copy.deepcopy(self.site)))

    async def after(self, op: Op) -> None:
        if op.kind != "read":
            self.of.append(("after", op, copy.deepcopy(self.site)))


@pytest.mark.long
@pytest.mark.requirement("E-04", "E-05", "E-07")
async def test_crash_at_every_write() -> None:
    site = Site(lean)
    moments = Moments(site)
    await Life(site, 1, moments).live()
    end_is_the_same(site)
    for when, op, crashed in moments.of:
        crashed.passes(LEASE)
        await Life(crashed, 2).live()
        try:
            end_is_the_same(crashed)
            assert story(crashed.lines) == story(site.lines)
        except AssertionError as error:
            error.add_note(f"crash {when} {op}")
            raise
    crashes = Counter((when, op.kind) for when, op, _ in moments.of)
    print(f"crashes: {dict(crashes)}; doubled 0, lost 0, broken chains 0")
    assert crashes["before", "write"] > 30 and crashes["after", "write"] > 30 and crashes["after", "store"] > 30


class Contended(Gate):
    """The fence of the next life meets a conflict, once: the API server gives up a patch that others overtake again and again."""

    met = ""

    async def before(self, op: Op) -> None:
        if op.what == "patch deployment/frontend metadata" and not self.met:
            self.met = op.what
            raise Conflict("Conflict", "somebody else wrote first")


@pytest.mark.requirement("E-04", "E-05")
async def test_a_conflict_of_the_fence_does_not_say_that_a_write_was_not_made() -> None:
    site = Site(lean)
    moments = Moments(site)
    await Life(site, 1, moments).live()
    written = [at for when, op, at in moments.of if when == "after" and op.what == "patch deployment/frontend metadata spec"]
    assert len(written) == len(TOKENS)
    for crashed in written:
        crashed.passes(LEASE)
        gate = Contended()
        await Life(crashed, 2, gate).live()
        assert gate.met
        end_is_the_same(crashed)
        assert story(crashed.lines) == story(site.lines)

"""Decisions that arrive at an awkward moment: nothing that was done is forgotten, and what is told of them is true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase
from stanch.domain.plan import Ref
from stanch.engine.errors import Refused
from stanch.engine.ports import Object
from tests.unit.memory import Crash
from tests.unit.world import Life, Site, needs_commander
from tests.unit.world_gates import Gate, Op

# What a new leader waits for before it takes over.
LEASE = 20.0


@dataclass
class When(Gate):
    """Calls `then` once, after the first operation of this name."""

    what: str
    then: Callable[[], object]
    called: bool = False

    async def after(self, op: Op) -> None:
        if op.what == self.what and not self.called:
            self.called = True
            self.then()


def told(site: Site, ref: Ref) -> Object:
    return site.server.read(ref).get("status") or {}


async def resolved_with_a_note_after(what: str) -> Site:
    site = Site()
    life = Life(site)
    gate = When(what, lambda: site.decide(Verb.Note, life))
    life.passage.gate = gate
    await life.live()
    assert gate.called and site.status.phase is Phase.Resolved
    assert told(site, Ref("stanch.dev/v1alpha1", "Decision", "aureus", "d1"))["effect"] == "Counted"
    return site


async def test_note_during_the_capture_does_not_make_it_be_captured_again() -> None:
    site = await resolved_with_a_note_after("create captures/before-1.json")
    captures = sorted(key.rpartition("/")[2] for key in site.memory.objects if "/captures/" in key)
    assert captures == ["after-3.json", "before-1.json", "before-2.json"]


async def test_note_during_the_write_does_not_make_it_look_like_somebody_else_s() -> None:
    site = await resolved_with_a_note_after("patch deployment/frontend metadata spec")
    assert not [line for line in site.lines if "(found written)" in line.result]
    assert len(site.frontend.mitigations) == 2


async def test_abort_during_the_write_tells_that_it_was_written() -> None:
    site = Site()
    life = Life(site)
    life.passage.gate = When("patch deployment/frontend metadata spec", lambda: site.decide(Verb.Abort, life))
    await life.live()
    assert site.status.phase is Phase.Aborted
    assert site.lines[-1].result == "written: restart/restart"
    assert len(site.frontend.mitigations) == 1 and site.locks() == []


async def test_abort_between_preparation_and_intent_stops_the_write() -> None:
    site = Site()
    life = Life(site)
    life.passage.gate = When("patch incident/frontend-502 metadata", lambda: site.decide(Verb.Abort, life))
    await life.live()
    assert site.status.phase is Phase.Aborted and site.frontend.mitigations == []


async def approving(site: Site, by: str, life: Life) -> Ref:
    return site.decide(Verb.Approve, life, by=by, role="incident-commander", option="undo", planDigest=site.status.plan_digest)


async def test_approval_lets_the_option_run_and_that_of_the_opener_does_not() -> None:
    site = Site(needs_commander)
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    refused = await approving(site, "alice", life)
    await life.tick()
    assert told(site, refused)["effect"] == "NoEffect" and site.status.phase is Phase.AwaitingApproval
    counted = await approving(site, "carol", life)
    await life.live()
    assert told(site, counted)["effect"] == "Counted" and site.status.phase is Phase.Resolved


async def test_who_approves_when_enough_have_is_told_so() -> None:
    site = Site(needs_commander)
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    refs = [await approving(site, by, life) for by in ("carol", "dave")]
    await life.live()
    assert [told(site, ref)["effect"] for ref in refs] == ["Counted", "NoEffect"]
    assert site.status.phase is Phase.Resolved


async def test_decision_whose_mark_was_lost_is_not_said_to_have_counted() -> None:
    """The life ends between the timeline and the mark: the next one knows that it was recorded, not what came of it."""

    class Marking(Gate):
        async def before(self, op: Op) -> None:
            if op.what == "patch decision/d1 status":
                raise Crash

    site = Site(needs_commander)
    life = Life(site, gate=Marking())
    await life.live(Phase.AwaitingApproval)
    ref = await approving(site, "alice", life)
    with pytest.raises(Crash):
        await life.tick()
    site.passes(LEASE)
    await Life(site, 2).tick()
    status = told(site, ref)
    assert status["recordedAt"] and "effect" not in status and "timeline" in status["message"]
    assert site.lines[-1].result.startswith("no effect: who opened the incident")


async def test_mark_that_is_refused_is_tried_again_by_itself() -> None:
    class Once(Gate):
        refused = 0

        async def before(self, op: Op) -> None:
            if op.what == "patch decision/d1 status" and not self.refused:
                self.refused += 1
                raise Refused("Forbidden", "not permitted")

    site = Site(needs_commander)
    life = Life(site)
    await life.live(Phase.AwaitingApproval)
    life.passage.gate = Once()
    ref = site.decide(Verb.Note, life)
    assert await life.tick() == 10.0
    assert not told(site, ref)
    await life.tick()
    assert told(site, ref)["recordedAt"]
    assert len([line for line in site.lines if line.key.startswith("1/decision/")]) == 1, "said once"

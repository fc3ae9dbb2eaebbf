"""Decisions that arrive at an awkward moment: nothing that was done is forgotten, and what is told of them is true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from stanch.api import codec
from stanch.api.base import API_VERSION
from stanch.domain.decision import Verb
from stanch.domain.incident import Phase, RevertState
from stanch.domain.plan import Ref
from stanch.engine.errors import Refused, Retryable
from stanch.engine.ports import Object
from tests.unit.memory import Crash
from tests.unit.test_runtime_reverts import made, steps
from tests.unit.world import Life, Site, body, lean, needs_commander
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


@dataclass
class Loses(Gate):
    """The first answer to what begins so is lost; each operation takes `seconds`."""

    what: str = ""
    site: Site | None = None
    seconds: float = 0.0
    lost: int = 0

    async def before(self, op: Op) -> None:
        if self.site:
            self.site.server.time.move(self.seconds)
        if self.what and op.what.startswith(self.what) and not self.lost:
            self.lost += 1
            raise Retryable("TooManyRequests", "try again later", 1.0)


OWED = {"name": "env", "expect": "the flag is off", "setEnv": {"target": "app", "set": {"RELEASE_BROKEN": "false"}},
        "revert": {"after": "1h", "onRecovery": False}}  # fmt: skip


async def owing() -> tuple[Site, Life, datetime]:
    """Until a change stands that is to be taken back at a time."""
    site = made(steps(OWED))
    life = Life(site)
    await life.live(Phase.Mitigated)
    await life.tick()
    (debt,) = site.status.reverts
    assert debt.due_at
    return site, life, debt.due_at


@pytest.mark.requirement("E-18")
@pytest.mark.parametrize("behind", [Verb.Note, Verb.Acknowledge])
async def test_an_extension_whose_mark_was_lost_once_counts_once(behind: Verb) -> None:
    site, life, due = await owing()
    life.passage.gate = gate = Loses("patch decision/d1 ")
    site.decide(Verb.Extend, life, option="both", step="env", extendBy="1h")
    for _ in range(40):
        site.decide(behind, life)
    for _ in range(10):
        site.passes(min(await life.tick() or 0, 10.0) + 0.001)
    assert gate.lost and site.status.reverts[0].due_at == due + timedelta(hours=1)
    keys = [line.key for line in site.lines if "/decision/" in line.key]
    assert len(keys) == len(set(keys)) == 41
    assert all(told(site, site.server.ref(decision)).get("recordedAt") for decision in site.said())


@pytest.mark.requirement("E-18")
@pytest.mark.parametrize("asked", ["its time comes", "aborted"])
async def test_six_hundred_notes_hold_nothing_up_that_is_to_be_taken_back(asked: str) -> None:
    site, life, due = await owing()
    for _ in range(600):
        site.decide(Verb.Note, life)
    site.server.time.move((due - site.server.time.now()).total_seconds() - 1)
    life.passage.gate = Loses(site=site, seconds=0.015)
    assert await life.tick() == 0 and told(site, site.server.ref(site.said()[0])), "they are being taken"
    if asked == "aborted":
        due = site.server.time.now()
        site.decide(Verb.Abort, life)
    while site.status.reverts[0].state is not RevertState.Done:
        assert site.server.time.now() < due + timedelta(seconds=2), f"held up: {site.status}"
        site.passes(await life.tick() or 0)
    (paid,) = site.status.reverts
    assert paid.done_at and due <= paid.done_at


def about_nothing(site: Site, life: Life, name: str) -> Ref:
    decision = body(API_VERSION, "Decision", name)
    reference = {"name": "frontend-503", "uid": "13dce76d-e281-4b05-b326-fe80cc85c650"}
    decision["spec"] = {"incidentRef": reference, "verb": "Note", "by": "carol", "reason": "because"}
    ref = site.server.add(decision)
    life.decisions.put(codec.decision_of(site.server.read(ref)))
    return ref


async def test_one_about_an_incident_that_is_not_there_is_told_so_and_forgotten() -> None:
    site = Site()
    life = Life(site)
    ref = about_nothing(site, life, "d1")
    assert await life.ticker.tick(("aureus", "frontend-503")) is None
    status = told(site, ref)
    assert status["effect"] == "NoEffect" and "there is no incident frontend-503 in namespace aureus" in status["message"]
    assert life.decisions.of(("aureus", "frontend-503")) == ()


async def test_what_could_not_be_told_of_it_is_told_later() -> None:
    site = Site()
    life = Life(site, gate=Loses("patch decision/d1 "))
    refs = [about_nothing(site, life, name) for name in ("d1", "d2")]
    site.server.remove(refs[1])
    with pytest.raises(Retryable):
        await life.ticker.tick(("aureus", "frontend-503"))
    await life.ticker.tick(("aureus", "frontend-503"))
    assert told(site, refs[0])["effect"] == "NoEffect" and life.decisions.of(("aureus", "frontend-503")) == ()


async def test_what_is_refused_of_it_is_tried_again() -> None:
    class Refuses(Gate):
        async def before(self, op: Op) -> None:
            if op.what.startswith("patch decision/d1 "):
                raise Refused("Forbidden", "not permitted")

    site = Site()
    life = Life(site, gate=Refuses())
    refs = [about_nothing(site, life, name) for name in ("d1", "d2")]
    again = await life.ticker.tick(("aureus", "frontend-503"))
    assert again and again > site.server.time.now()
    assert told(site, refs[1])["effect"] == "NoEffect" and not told(site, refs[0])


async def test_one_that_is_said_while_it_is_looked_for_is_judged_by_the_next_look() -> None:
    """An Incident and what is said of it may come in one file."""

    class Says(Gate):
        refs: list[Ref]

        async def before(self, op: Op) -> None:
            if op.what == "get incident/frontend-503" and not self.refs:
                self.refs.append(about_nothing(site, life, "d1"))

    site, gate = Site(), Says()
    gate.refs = []
    life = Life(site, gate=gate)
    again = await life.ticker.tick(("aureus", "frontend-503"))
    assert again and not told(site, gate.refs[0])
    await life.ticker.tick(("aureus", "frontend-503"))
    assert told(site, gate.refs[0])["effect"] == "NoEffect"


async def test_what_was_said_of_an_incident_that_is_deleted_meanwhile_is_told_so() -> None:
    site = Site(lean)
    life = Life(site)
    life.passage.gate = When("create chain/000001.json", lambda: site.server.remove(site.incident_ref))
    ref = site.decide(Verb.Note, life)
    assert await life.tick() == 10.0
    await life.tick()
    assert site.gone and told(site, ref)["effect"] == "NoEffect"

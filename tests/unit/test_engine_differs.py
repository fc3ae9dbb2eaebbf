"""What was approved is not what would be run any more: shown anew, asked again, and the old yes is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import OptionState, Phase
from stanch.domain.plan import Step
from stanch.engine import moves, outcomes
from stanch.engine.choosing import ANEW, LOOK_EVERY, LOOK_SHARE
from stanch.engine.moves import Effect
from stanch.engine.outcomes import Outcome
from stanch.runtime.announce import newsworthy
from tests.unit.play import DIGEST, REVERSIBLE, Play, approval, option, plan

NEW = "sha256:" + "e" * 64
OTHER = "step undo would now do: revision 3 -> 2; what was shown: revision 2 -> 1"
ASK = Step("look", "askPerson", writes=False, role="sre")


def awaiting(*steps: Step, **roles: int) -> Play:
    changes = {"steps": steps} if steps else {}
    play = Play(plan=plan(option("undo", approval=approval(**(roles or {"sre": 1})), **changes), option("restart")))
    play.until(Phase.AwaitingApproval)
    return play


def differs(play: Play, *, digest: str = NEW) -> Outcome:
    return outcomes.Differs(replace(play.plan, purpose=replace(play.plan.purpose, summary=digest)), digest, OTHER)


def once(play: Play, at: type[Effect]) -> None:
    def answer(_: Effect) -> Outcome:
        del play.answers[at]
        return differs(play)

    play.answers[at] = answer


@pytest.mark.parametrize("at", [moves.Recognize, moves.Prepare])
def test_it_is_asked_again_about_what_would_be_run_and_the_old_yes_is_void(at: type[Effect]) -> None:
    play = awaiting(sre=2)
    asked = play.status.deadline
    play.say(Verb.Approve, by="bob", role="sre", option="undo")
    play.now += timedelta(seconds=9)
    play.tick()
    once(play, at)
    play.say(Verb.Approve, by="carol", role="sre", option="undo")
    play.tick()
    status = play.status
    assert play.written == [] and (status.phase, status.attempt, status.plan_digest) == (Phase.AwaitingApproval, 1, NEW)
    assert status.approvals == () and status.waits_for == "sre 0/2" and status.reason == "ChangeDiffers"
    assert OTHER in status.message and NEW in status.message and "bob (sre), carol (sre)" in status.message
    assert status.deadline and asked and status.deadline > asked, "people get all their time again"
    (told,) = [entry.line for entry in play.chain if entry.line.key == "1/option/undo/differs/1"]
    assert told.result == f"{OTHER}; approvals that do not count any more: bob (sre), carol (sre)"
    play.say(Verb.Approve, by="bob", role="sre", option="undo", digest=DIGEST)
    play.tick()
    assert play.status.approvals == () and f"it names plan {DIGEST}" in play.chain[-1].line.result
    for by in ("bob", "carol"):
        play.say(Verb.Approve, by=by, role="sre", option="undo", digest=NEW)
    play.until(Phase.Resolved)
    assert play.written == ["uid-inc/1/undo/undo"] and play.plan.purpose.summary == NEW


def test_nobody_need_speak_for_it_to_be_seen_and_told() -> None:
    play = awaiting()
    before = play.status
    once(play, moves.Recognize)
    play.now += LOOK_EVERY
    move = play.tick()
    assert play.status.plan_digest == NEW and "nobody had approved yet" in play.status.message
    assert move.wake_at == play.now + LOOK_EVERY, "and looked again"
    assert newsworthy(before, play.status)
    again = replace(play.status, plan_digest=DIGEST)
    assert newsworthy(play.status, again), "in the same phase, for the same reason, waiting for the same people"


def test_many_that_wait_share_the_looks() -> None:
    """Ten thousand that are looked at each minute would be most of a core."""
    play = awaiting()
    for crowd, every in ((1, LOOK_EVERY), (24, LOOK_EVERY), (10_000, 10_000 * LOOK_SHARE)):
        play.crowd = crowd
        play.now += timedelta(seconds=1)
        assert play.tick().wake_at == min(play.now + every, play.status.deadline)


def test_among_many_a_yes_is_looked_at_at_once() -> None:
    play = awaiting()
    play.crowd = 10_000
    play.tick()
    play.performed.clear()
    play.say(Verb.Approve, role="sre", option="undo", digest=DIGEST)
    play.tick()
    asked = [type(effect) for effect in play.performed]
    assert asked.index(moves.Recognize) < asked.index(moves.Write)


def test_what_cannot_be_told_yet_is_not_left_for_a_minute() -> None:
    """A controller has not seen yet what was taken back a moment ago."""
    play = awaiting()
    play.answers[moves.Recognize] = outcomes.Later("NotObserved", "revisions are not final", 2.0)
    play.now += LOOK_EVERY
    assert play.tick().wake_at == play.now + timedelta(seconds=2)


def test_a_glass_that_was_broken_for_it_is_void() -> None:
    play = awaiting()
    once(play, moves.Recognize)
    play.say(Verb.BreakGlass, by="bob", option="undo", ticket="OPS-1")
    play.tick()
    assert (play.status.phase, play.status.plan_digest, play.written) == (Phase.AwaitingApproval, NEW, [])
    assert "bob (BreakGlass, ticket OPS-1)" in play.status.message
    play.say(Verb.BreakGlass, by="bob", option="undo", ticket="OPS-1", digest=NEW)
    play.until(Phase.Resolved)
    assert play.written == ["uid-inc/1/undo/undo"]


def test_what_never_stays_the_same_is_denied_in_the_end() -> None:
    play = awaiting()
    play.answers[moves.Recognize] = lambda _: differs(play, digest=f"sha256:{len(play.chain):064}")
    for _ in range(ANEW + 1):
        play.tick()
        play.now += LOOK_EVERY
    record = next(record for record in play.status.options if record.name == "undo")
    assert record.state is OptionState.Denied and f"another thing {ANEW + 1} times" in record.message and OTHER in record.message
    assert sum("/differs/" in key for key in play.lines) == ANEW
    play.until(Phase.Resolved)
    assert play.written == ["uid-inc/1/restart/restart"], "the next option"


def test_a_yes_each_time_does_not_let_it_go_on_for_ever() -> None:
    play = awaiting()
    play.answers[moves.Prepare] = lambda effect: differs(play) if effect.option == "undo" else REVERSIBLE
    for _ in range(ANEW + 1):
        play.say(Verb.Approve, role="sre", option="undo", digest=play.status.plan_digest)
        play.tick()
    assert play.status.options[0].state is OptionState.Denied and "uid-inc/1/undo/undo" not in play.written


def test_a_no_to_what_is_shown_anew_denies_it() -> None:
    play = awaiting()
    once(play, moves.Recognize)
    play.say(Verb.Approve, role="sre", option="undo")
    play.tick()
    play.say(Verb.Reject, by="carol", option="undo", digest=NEW)
    play.until(Phase.Resolved)
    assert play.written == ["uid-inc/1/restart/restart"]


def test_a_person_whom_a_step_asks_is_asked_about_what_is_shown_anew_too() -> None:
    play = awaiting(ASK, Step("undo", "rolloutUndo", "app"))
    play.say(Verb.Approve, role="sre", option="undo")
    play.until(Phase.Mitigating)
    once(play, moves.Prepare)
    play.say(Verb.Confirm, by="carol", role="sre", option="undo", step="look")
    play.tick()
    assert (play.status.phase, play.status.plan_digest, play.status.steps) == (Phase.AwaitingApproval, NEW, ())
    play.say(Verb.Approve, role="sre", option="undo", digest=NEW)
    play.until(Phase.Mitigating)
    assert play.written == [] and play.status.waits_for == "Confirm by sre"

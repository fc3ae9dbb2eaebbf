"""What cannot be taken back calls people, in whatever phase the incident is; what they settle calls them no more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import Phase, RevertState, Status
from stanch.domain.plan import Option, Revert
from stanch.engine import moves, outcomes
from stanch.runtime.announce import kind_of
from tests.unit.play import APP, NO, Play, approval, option, plan

BACK = outcomes.Prepared("42", "", "back")
BOX = Revert(timedelta(minutes=5), on_recovery=False)


def boxed(then: Option | None = None, **changes: Any) -> Play:
    """One option whose change is taken back after five minutes; somebody has changed the same meanwhile. `then`: the next one."""
    undo = option("undo")
    steps = (replace(undo.steps[0], reversible=True, revert=BOX),)
    play = Play(plan(replace(undo, steps=steps, **changes), *([then] if then else [])))
    play.answers[moves.Prepare] = outcomes.Prepared("41", "sha256:" + "b" * 64, "revision 3 -> 2", image="image", ref=APP)
    play.answers[moves.PrepareRevert] = outcomes.Contested("somebody set it to 7")
    return play


def owed(play: Play) -> list[RevertState]:
    return [record.state for record in play.status.reverts]


def past_due(play: Play) -> None:
    play.now += timedelta(minutes=6)
    play.tick()


def test_a_conflict_while_it_is_mitigated_warns_and_names_who_is_waited_for() -> None:
    play = boxed()
    play.until(Phase.Mitigated)
    before = kind_of(play.status)
    past_due(play)
    assert owed(play) == [RevertState.Conflict] and play.status.phase is Phase.Mitigated
    assert play.status.waits_for == "Revert or Confirm of undo/undo"
    assert "somebody set it to 7" in play.status.message
    assert before["type"] == "Normal" and kind_of(play.status) == {"reason": "RevertConflict", "type": "Warning"}


@pytest.mark.parametrize("verb", [Verb.Confirm, Verb.Revert])
def test_a_conflict_that_people_settle_lets_the_incident_resolve(verb: Verb) -> None:
    play = boxed()
    play.until(Phase.Mitigated)
    past_due(play)
    play.answers[moves.PrepareRevert] = outcomes.Unneeded("nothing of it is left")
    play.say(verb, option="undo", step="undo")
    play.until(Phase.Resolved)
    assert owed(play) == [RevertState.Released if verb is Verb.Confirm else RevertState.Done]


def test_a_conflict_while_people_decide_is_added_to_what_they_decide_and_goes_when_settled() -> None:
    play = boxed()
    play.readings = {"health": NO}
    play.until(Phase.Escalated)
    assert play.status.waits_for == "Resume, Close or Abort" and owed(play) == [RevertState.Owed]
    past_due(play)
    assert play.status.waits_for == "Revert or Confirm of undo/undo; Resume, Close or Abort"
    play.say(Verb.Confirm, option="undo", step="undo")
    play.tick()
    assert (play.status.waits_for, play.status.reason) == ("Resume, Close or Abort", "RevertSettled")
    assert kind_of(play.status)["reason"] == "Escalated"


def test_what_may_not_be_taken_back_calls_people_once_and_is_tried_again() -> None:
    play = boxed()
    play.answers[moves.PrepareRevert] = outcomes.Denied("Forbidden", "no right to patch")
    play.until(Phase.Mitigated)
    past_due(play)
    assert owed(play) == [RevertState.Blocked] and kind_of(play.status)["type"] == "Warning"
    said = len(play.chain)
    for _ in range(3):
        play.now += timedelta(seconds=31)
        play.tick()
    assert len(play.chain) == said, "the same refusal again is no news, and no evidence is captured for it"
    play.answers |= {moves.PrepareRevert: BACK, moves.WriteRevert: outcomes.Written("back", found=False)}
    play.until(Phase.Resolved)
    assert owed(play) == [RevertState.Done]
    wanted = [type(e).__name__ for e in play.performed if isinstance(e, moves.Capture | moves.WriteRevert)]
    assert wanted == ["Capture", "Capture", "Capture", "WriteRevert", "Capture"], "evidence once more, right before it is written"


def test_what_may_be_read_and_not_be_written_calls_people_once_and_a_person_may_release_it() -> None:
    play = boxed()
    play.answers |= {
        moves.PrepareRevert: BACK,
        moves.WriteRevert: outcomes.Denied("Forbidden", "no patch"),
    }
    play.until(Phase.Mitigated)
    past_due(play)
    assert owed(play) == [RevertState.Blocked] and kind_of(play.status)["type"] == "Warning"
    said = len(play.chain)
    for _ in range(3):
        play.now += timedelta(seconds=31)
        play.tick()
    assert len(play.chain) == said, "neither news nor evidence"
    play.say(Verb.Confirm, option="undo", step="undo")
    play.until(Phase.Resolved)
    assert owed(play) == [RevertState.Released]


def test_what_may_be_written_again_is_observed_prepared_anew_and_written() -> None:
    play = boxed()
    play.answers |= {
        moves.PrepareRevert: BACK,
        moves.WriteRevert: outcomes.Denied("Forbidden", "no patch"),
    }
    play.until(Phase.Mitigated)
    past_due(play)
    answers = iter([outcomes.Stale("it was not written"), outcomes.Written("back", found=False)])
    play.answers[moves.WriteRevert] = lambda _: next(answers)
    play.until(Phase.Resolved)
    assert owed(play) == [RevertState.Done]


def test_without_a_conflict_nobody_is_called() -> None:
    play = boxed()
    play.answers |= {moves.PrepareRevert: BACK, moves.WriteRevert: outcomes.Written("back", found=False)}
    play.until(Phase.Resolved)
    assert owed(play) == [RevertState.Done]
    assert not any(status.reason == "RevertConflict" for status in play.statuses)


def test_no_phase_is_normal_news_with_that_reason() -> None:
    assert {kind_of(Status(phase=phase, reason="RevertConflict"))["type"] for phase in Phase} == {"Warning"}


def test_who_is_waited_for_beside_a_conflict_is_still_waited_for_when_it_is_settled() -> None:
    """An incident that could not be planned anew: its reverts come due all the same."""
    play = boxed()
    play.readings = {"health": NO}
    play.until(Phase.Escalated)
    play.answers[moves.Resolve] = outcomes.Denied("NoPlaybook", "there is none any more")
    play.say(Verb.Resume)
    play.tick()
    waits = play.status.waits_for
    assert play.status.phase is Phase.Waiting and waits
    past_due(play)
    assert play.status.waits_for == f"Revert or Confirm of undo/undo; {waits}"
    play.say(Verb.Confirm, option="undo", step="undo")
    play.tick()
    assert play.status.waits_for == waits


def test_who_is_called_stays_named_while_an_approval_is_awaited() -> None:
    play = boxed(replace(option("restart"), approval=approval(incident_commander=1)))
    play.readings = {"health": NO}
    play.until(Phase.AwaitingApproval)
    asked = play.status.waits_for
    past_due(play)
    for _ in range(3):
        assert play.status.phase is Phase.AwaitingApproval
        assert "Revert or Confirm of undo/undo" in play.status.waits_for and asked in play.status.waits_for
        play.now += timedelta(seconds=10)
        play.tick()
    play.say(Verb.Confirm, option="undo", step="undo")
    play.tick()
    assert play.status.waits_for == asked
    play.say(Verb.Approve, option="restart", role="incident-commander")
    play.tick()
    assert "restart" in play.status.at


def test_what_is_prepared_and_refused_again_and_again_is_told_seldom() -> None:
    """Each write is a line and a capture of its own: every half minute for days they would fill chain and store."""
    play = boxed()
    prepared: list[str] = []

    def prepare(effect: moves.PrepareRevert) -> outcomes.Outcome:
        prepared.append(effect.token)
        return BACK

    def write(effect: moves.WriteRevert) -> outcomes.Outcome:
        # As the runtime has it: what was prepared right before is written, anything else is looked at only.
        fresh = bool(prepared) and not effect.fence
        prepared.clear()
        return outcomes.Denied("Forbidden", "a webhook says no") if fresh else outcomes.Stale("it was not written")

    play.answers |= {moves.PrepareRevert: prepare, moves.WriteRevert: write}
    play.until(Phase.Mitigated)
    past_due(play)
    lines, captures, tries = len(play.chain), counted(play, moves.Capture), counted(play, moves.PrepareRevert)
    passes(play, timedelta(hours=1))
    assert owed(play) != [RevertState.Done] and play.status.waits_for == "Revert or Confirm of undo/undo"
    assert counted(play, moves.PrepareRevert) - tries >= 3, "it is still tried"
    assert len(play.chain) - lines < 20 and counted(play, moves.Capture) - captures < 20
    tries = counted(play, moves.PrepareRevert)
    passes(play, timedelta(days=3))
    assert counted(play, moves.PrepareRevert) - tries >= 3 * 24 * 3 - 5, "every 20 minutes, for as long as it takes"


def passes(play: Play, time: timedelta) -> None:
    until = play.now + time
    while play.now < until:
        move = play.tick()
        assert move.wake_at is not None
        play.now = max(move.wake_at, play.now + timedelta(milliseconds=1))


def counted(play: Play, kind: type) -> int:
    return sum(isinstance(effect, kind) for effect in play.performed)

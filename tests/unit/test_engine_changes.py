"""What was changed is noted before it is, ends when it ends, and outlives the attempt that made it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from stanch.domain.decision import Verb
from stanch.domain.incident import ChangeRecord, Phase, StepState
from stanch.domain.plan import Revert
from stanch.engine import moves
from stanch.engine.turn import CHANGES
from tests.unit.play import APP, NO, REVERSIBLE, T0, Play, option, plan

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
UNDO = "uid-inc/1/undo/undo"


def undoing(**step: object) -> Play:
    """Each write takes a second."""
    chosen = option("undo")
    play = Play(plan(replace(chosen, steps=(replace(chosen.steps[0], **step),))))

    def write(effect: moves.Write) -> moves.Outcome:
        play.now += SECOND
        return moves.Written("written", found=False)

    def write_revert(effect: moves.WriteRevert) -> moves.Outcome:
        play.now += SECOND
        return moves.Written("taken back", found=False)

    play.answers |= {moves.Write: write, moves.WriteRevert: write_revert, moves.Prepare: REVERSIBLE}
    return play


def test_it_is_noted_with_its_intent_and_again_at_its_end() -> None:
    play = undoing()
    play.until(Phase.Resolved)
    intended = next(s for s in play.statuses if any(step.state is StepState.Intended for step in s.steps))
    assert intended.changes == (ChangeRecord(UNDO, APP.uid, T0),)
    assert play.status.changes == (ChangeRecord(UNDO, APP.uid, T0 + SECOND),)


def test_what_is_taken_back_is_a_change_too() -> None:
    play = undoing(revert=Revert(after=MINUTE), reversible=True)
    play.until(Phase.Resolved)
    back = play.status.reverts[0]
    assert back.done_at and play.status.changes[-1] == ChangeRecord(f"{UNDO}/revert", APP.uid, back.done_at)


def test_what_writes_nothing_is_none() -> None:
    play = undoing(action="wait", target="", writes=False, pause=SECOND)
    play.until(Phase.Resolved)
    assert play.status.changes == ()


def test_another_attempt_does_not_forget_it() -> None:
    play = undoing()
    play.readings = {"health": NO}
    play.until(Phase.Escalated)
    play.say(Verb.Resume)
    play.tick()
    assert play.status.attempt == 2 and play.status.resumed
    play.until(Phase.Escalated)
    assert [change.token for change in play.status.changes] == [UNDO, "uid-inc/2/undo/undo"]


def test_the_latest_are_kept() -> None:
    play = undoing()
    old = tuple(ChangeRecord(f"old-{number}", "uid", T0 - MINUTE) for number in range(CHANGES))
    play.status = replace(play.status, changes=old)
    play.until(Phase.Resolved)
    assert len(play.status.changes) == CHANGES and play.status.changes[-1].token == UNDO

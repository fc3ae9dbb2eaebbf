"""A guard holds a step up: nothing is written, nobody waits in silence, and what lifts it lets the step go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from stanch.domain.decision import Verb
from stanch.domain.guards import Day, FreezeWindow, Guards
from stanch.domain.incident import Mode, OptionState, Phase, RevertState
from stanch.domain.plan import Revert
from stanch.engine import moves, outcomes
from stanch.engine.figures import Block
from tests.unit.play import DIGEST, REVERSIBLE, T0, Play, facts, option, plan

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
PODS = Block("MinAvailable", "1 of 3 would stay", "at least 2 must stay", "more available pods")
LATE = Block("FreezeWindow", "it is Saturday", "window weekend", "its end", until=T0 + timedelta(days=2))
SOON = Block("FreezeWindow", "it is Saturday", "window weekend", "its end", until=T0 + 5 * MINUTE)


def playing(block: Block) -> Play:
    play = Play(plan(option("undo", timeout=10 * MINUTE), option("restart")))
    play.answers[moves.Prepare] = outcomes.Held(block, 5.0)
    return play


def condition(play: Play) -> tuple[str, str]:
    return next((c.status, c.reason) for c in play.status.conditions if c.type == "Blocked")


def test_it_waits_with_the_words_of_the_guard() -> None:
    play = playing(PODS)
    move = play.tick()
    assert (play.status.phase, play.status.reason, play.status.waits_for) == (Phase.Mitigating, "MinAvailable", PODS.lifts)
    assert play.status.message == f"Step undo held up by {PODS}" and condition(play) == ("True", "MinAvailable")
    assert play.written == [] and move.wake_at == T0 + 5 * SECOND


def test_it_is_told_once_and_evidence_is_not_captured_meanwhile() -> None:
    play = playing(PODS)
    play.tick()
    before = len(play.performed)
    for _ in range(20):
        play.now += 5 * SECOND
        play.tick()
    assert not any(isinstance(effect, moves.Capture) for effect in play.performed[before:])
    assert play.lines.count("1/step/undo/undo/held") == 1 and not play.written


def test_once_it_is_lifted_evidence_of_then_comes_before_the_write() -> None:
    play = playing(PODS)
    play.tick()
    del play.answers[moves.Prepare]
    play.now += 2 * MINUTE
    before = len(play.performed)
    play.tick()
    kinds = [type(effect) for effect in play.performed[before:]]
    assert play.written == ["uid-inc/1/undo/undo"] and kinds.index(moves.Capture) < kinds.index(moves.Write)
    assert condition(play) == ("False", "None") and PODS.lifts not in play.status.waits_for


def test_a_lock_after_it_no_longer_waits_for_the_guard() -> None:
    play = playing(PODS)
    play.tick()
    play.answers[moves.Prepare] = outcomes.Later("TargetLocked", "it is being changed", 5.0)
    play.now += 5 * SECOND
    play.tick()
    assert (play.status.reason, play.status.waits_for) == ("TargetLocked", "") and condition(play) == ("False", "None")


def test_the_options_time_ends_it_and_says_why() -> None:
    play = playing(PODS)
    play.until(Phase.Escalated)
    assert play.now >= T0 + 10 * MINUTE and play.written == []
    undo = play.status.options[0]
    assert undo.state is OptionState.Failed and str(PODS) in undo.message
    assert play.status.waits_for == "Resume, Close or Abort"


def test_what_lifts_too_late_for_the_option_is_not_waited_for() -> None:
    play = playing(LATE)
    play.tick()
    assert play.status.phase is Phase.Escalated and play.now == T0
    assert all(f"step {record.name} held up by {LATE}" == record.message for record in play.status.options)
    assert "window weekend" in play.status.message and play.status.waits_for == "Resume, Close or Abort"


def test_who_is_called_is_told_the_whole_of_what_held_it_up_and_of_the_rest_in_short() -> None:
    """Figure, limit, and what would lift it, however long the windows' names and what the other options say."""
    long = replace(LATE, figure=f"window {'w' * 63} is open", lifts=f"its end, or {'o' * 300}")
    play = playing(long)
    play.tick()
    assert f"undo failed: step undo held up by {long}" in play.status.message and len(play.status.message) <= 1024
    assert play.status.message.endswith("…"), "the other one is held up by the same, and told in short"


def test_what_is_long_leaves_room_for_what_the_others_say() -> None:
    long = replace(LATE, figure="w" * 500, limit="l" * 500)
    play = Play(plan(*(option(f"option-{number}") for number in range(3))), answers={moves.Prepare: outcomes.Held(long, 5.0)})
    play.tick()
    assert len(play.status.message) <= 1024 and "option-2 failed: step option-2 held up by FreezeWindow" in play.status.message


def test_many_options_leave_it_no_more_room_than_there_is() -> None:
    long = replace(LATE, figure="w" * 500, limit="l" * 500)
    play = Play(plan(*(option(f"option-{number}") for number in range(8))), answers={moves.Prepare: outcomes.Held(long, 5.0)})
    play.tick()
    assert play.status.phase is Phase.Escalated and len(play.status.message) <= 1024


def test_what_lifts_in_time_is_waited_for() -> None:
    play = playing(SOON)
    play.tick()
    assert (play.status.phase, play.status.reason) == (Phase.Mitigating, "FreezeWindow")
    assert play.status.wake_at == SOON.until, "and nobody is asked before"


def test_people_may_abort_meanwhile() -> None:
    play = playing(PODS)
    play.tick()
    play.say(Verb.Abort)
    play.until(Phase.Aborted)
    assert play.written == [] and play.status.waits_for == ""


def test_a_crash_in_between_changes_nothing() -> None:
    play = playing(PODS)
    play.tick()
    play.epoch += 1
    play.now += 5 * SECOND
    play.tick()
    assert play.status.reason == "MinAvailable" and play.lines.count("1/step/undo/undo/held") == 1 and not play.written


def in_window(minutes: int, **changes: Any) -> Play:
    """A window opens at once, for so long."""
    window = FreezeWindow("now", "UTC", (Day.Saturday,), f"{T0:%H:%M}", minutes * MINUTE)
    return Play(plan(option("undo", timeout=10 * MINUTE, **changes), guards=Guards("aureus", freeze_windows=(window,))))


def test_a_window_that_opened_since_the_guards_were_asked_holds_the_intent_up() -> None:
    play = in_window(5)
    play.tick()
    assert (play.status.reason, play.status.steps, play.written) == ("FreezeWindow", (), [])
    play.until(Phase.Resolved)
    assert play.now >= T0 + 5 * MINUTE and play.status.steps[0].intended_at >= T0 + 5 * MINUTE


def test_a_revert_is_never_held_up() -> None:
    """It is due within the window that has opened since, and the next step waits for."""
    undo = option("undo").steps[0]
    play = Play(plan(option("undo", timeout=50 * MINUTE, steps=(
        replace(undo, name="first", revert=Revert(after=2 * MINUTE), reversible=True), replace(undo, name="second")))))  # fmt: skip

    def prepare(effect: moves.Prepare) -> outcomes.Outcome:
        return REVERSIBLE if effect.step == "first" else outcomes.Held(PODS, 5.0)

    def write(effect: moves.Write) -> outcomes.Outcome:
        play.now += SECOND
        return outcomes.Written("written", found=False)

    play.answers |= {moves.Prepare: prepare, moves.Write: write}
    play.tick()
    assert play.status.reason == "MinAvailable" and play.status.open_reverts == 1
    while play.now <= T0 + 2 * MINUTE:
        play.now += 5 * SECOND
        play.tick()
    assert [record.state for record in play.status.reverts] == [RevertState.Done] and play.taken == ["uid-inc/1/undo/first"]


@pytest.mark.parametrize("mode", ["Live", "DryRun"])
def test_at_planning_it_is_said_early(mode: str) -> None:
    play = Play(facts=facts(mode=Mode(mode)))
    resolved = outcomes.Resolved(play.plan, DIGEST, play.plan.playbook, "", {}, "file:///p", None, str(LATE))
    play.answers[moves.Resolve] = resolved
    play.tick()
    planned = next(entry.line for entry in play.chain if entry.line.key == "1/planned")
    assert planned.result.endswith(f"; a change would be held up now by {LATE}")
    assert mode == "Live" or str(LATE) in play.status.message

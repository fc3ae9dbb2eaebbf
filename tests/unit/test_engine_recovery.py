"""Recovery: checks hold, what was temporary goes, checks again, and for a while a relapse reopens the incident (D-12, C-06)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from stanch.domain.decision import Verb
from stanch.domain.incident import OptionState, Phase, RecoveryStage, RevertState, Status
from stanch.domain.plan import Check, Recovery, Revert, Step
from stanch.domain.timeline import File
from stanch.engine import moves, outcomes
from stanch.engine.recovering import RELAPSE
from tests.unit.play import NO, REVERSIBLE, UNKNOWN, YES, Play, option, plan

HOLD = timedelta(seconds=60)
WELL = Check("recovered", "http", within=timedelta(seconds=30), hold_for=HOLD)
TOKEN = "uid-inc/1/undo/undo"


def recovering(revert: Revert | None = None, watch: timedelta = timedelta(), close_role: str = "") -> Play:
    undo = option("undo")
    step = replace(undo.steps[0], reversible=True, revert=revert or Revert(timedelta(hours=1)))
    play = Play(plan(replace(undo, steps=(step,)), option("restart"), recovery=Recovery((WELL,), watch)), close_role=close_role)
    play.answers[moves.Prepare] = REVERSIBLE
    play.readings = {"health": YES, "recovered": YES}
    return play


def stages(play: Play) -> list[RecoveryStage]:
    found = [status.recovery for status in play.statuses if status.recovery]
    return [stage for place, stage in enumerate(found) if place == 0 or found[place - 1] is not stage]


def since(play: Play, stage: RecoveryStage) -> Status:
    return next(status for status in play.statuses if status.recovery is stage)


def test_checks_hold_before_and_after_what_was_temporary_is_taken_back() -> None:
    play = recovering()
    play.until(Phase.Resolved)
    assert stages(play) == list(RecoveryStage) and play.taken == [TOKEN]
    started, removed = since(play, RecoveryStage.Checking), since(play, RecoveryStage.Removing)
    done = since(play, RecoveryStage.Done)
    assert removed.recovery_since - started.recovery_since >= HOLD
    assert done.recovery_since - since(play, RecoveryStage.Rechecking).recovery_since >= HOLD


def test_nothing_is_removed_while_the_checks_do_not_hold() -> None:
    play = recovering()
    play.until(Phase.Mitigated)
    play.readings = {"health": YES, "recovered": UNKNOWN}
    for _ in range(20):
        move = play.tick()
        play.now = move.wake_at
    assert play.taken == [] and play.status.phase is Phase.Mitigated


def test_a_hold_of_which_nothing_was_known_begins_anew() -> None:
    play = recovering()
    play.until(Phase.Mitigated)
    held = play.status.hold_until
    assert held is not None
    play.now += timedelta(seconds=30)
    play.readings = {"health": YES, "recovered": UNKNOWN}
    play.tick()
    assert play.status.hold_until is None
    play.now += timedelta(seconds=5)
    play.readings = {"health": YES, "recovered": YES}
    play.tick()
    assert play.status.hold_until == play.now + HOLD > held


def test_a_new_leader_has_not_seen_the_hold() -> None:
    play = recovering()
    play.until(Phase.Mitigated)
    play.now, play.epoch = play.now + 2 * HOLD, 2
    play.tick()
    assert play.taken == [] and play.status.hold_until == play.now + HOLD


def test_what_helped_and_helps_no_longer_gives_way_to_the_next_option() -> None:
    play = recovering()
    play.until(Phase.Mitigated)
    play.readings = {"health": YES, "recovered": NO}
    play.until(Phase.Escalated)
    assert {record.name: record.state for record in play.status.options} == dict.fromkeys(("undo", "restart"), OptionState.Denied)
    assert "did not last" in play.status.options[0].message and "1/relapse/checking" in play.lines
    assert play.taken == [], "it has its own time"


def test_a_relapse_after_the_removal_runs_the_next_option() -> None:
    play = recovering()
    play.until(Phase.Mitigated)
    while not play.taken:
        move = play.tick()
        play.now = max(move.wake_at, play.now)
    play.readings = {"health": YES, "recovered": NO}
    play.until(Phase.Verifying, Phase.Holding)
    assert "1/relapse/rechecking" in play.lines and play.status.option == "restart"


def whole(*steps: str) -> Play:
    """An option that is taken back as a whole where it fails; none of its steps for itself."""
    made = tuple(Step(name, "setEnv", "app", expect="it is set", reversible=True) for name in steps)
    undo = option("undo", steps=made, revert_on_failure=True)
    play = Play(plan(undo, option("restart"), recovery=Recovery((WELL,))))
    play.answers[moves.Prepare] = REVERSIBLE
    play.readings = {"health": YES, "recovered": YES}
    return play


def test_what_helped_for_a_while_only_is_taken_back_before_the_next_option() -> None:
    """It was kept when it helped; that it did not last is a failure as any other."""
    play = whole("undo")
    play.until(Phase.Mitigated)
    assert play.status.reverts[0].state is RevertState.Kept
    play.readings = {"health": YES, "recovered": NO}
    play.until(Phase.Escalated)
    assert play.taken == [TOKEN] and play.status.reverts[0].state is RevertState.Done
    assert play.lines.index("1/revert/undo/undo/done") < play.lines.index("1/option/restart")


def test_what_lasts_is_kept() -> None:
    play = whole("undo")
    play.until(Phase.Resolved)
    assert play.taken == [] and play.status.reverts[0].state is RevertState.Kept


def test_a_debt_of_an_earlier_attempt_holds_nobody_up_for_ever() -> None:
    """It was to be taken back with its option, which never came to its end: nobody else will demand it."""
    play = whole("one", "two")
    play.answers[moves.Capture] = lambda effect: (
        play._capture(effect) if effect.label == "before-1" else replace(play._capture(effect), missing=("log of frontend",))
    )
    play.until(Phase.Escalated)
    assert play.status.reason == "EvidenceIncomplete" and [record.due_at for record in play.status.reverts] == [None]
    del play.answers[moves.Capture]
    play.say(Verb.Resume)
    play.until(Phase.Resolved)
    assert play.status.attempt == 2 and play.status.open_reverts == 0
    assert play.taken == ["uid-inc/1/undo/one"], "what this attempt did has helped, and is kept"


def test_recovery_waits_for_what_has_only_its_own_time() -> None:
    play = recovering(Revert(timedelta(hours=1), on_recovery=False))
    play.until(Phase.Mitigated)
    due = play.status.reverts[0].due_at
    while play.status.recovery is not RecoveryStage.Removing:
        play.now = play.tick().wake_at
    assert play.now == due and play.taken == []
    play.until(Phase.Resolved)
    assert play.taken == [TOKEN]


def test_recovery_waits_for_a_person_where_it_cannot_be_removed() -> None:
    play = recovering()
    play.answers[moves.PrepareRevert] = outcomes.Contested("somebody changed it")
    play.until(Phase.Mitigated)
    while (move := play.tick()).wake_at is not None:
        play.now = move.wake_at
    assert play.status.phase is Phase.Mitigated and play.status.waits_for == "Revert or Confirm of undo/undo"
    play.say(Verb.Confirm, option="undo", step="undo")
    play.until(Phase.Resolved)
    assert play.status.reverts[0].state is RevertState.Released


def test_without_recovery_checks_it_is_removed_at_once() -> None:
    play = recovering()
    play.plan = replace(play.plan, recovery=Recovery())
    play.until(Phase.Resolved)
    assert play.taken == [TOKEN] and play.status.watch_until is None


def test_the_policys_close_is_asked_for_when_everything_is_removed() -> None:
    play = recovering(close_role="incident-commander")
    play.until(Phase.Mitigated)
    while (move := play.tick()).wake_at is not None:
        play.now = move.wake_at
    assert play.taken == [TOKEN] and play.status.waits_for == "Close by incident-commander"
    play.say(Verb.Close)
    play.tick()
    assert play.status.phase is Phase.Mitigated, "not under that role"
    play.say(Verb.Close, role="incident-commander")
    play.until(Phase.Resolved)


# Watched.


def resolved(watch: timedelta = timedelta(minutes=10)) -> Play:
    play = recovering(watch=watch)
    play.until(Phase.Resolved)
    return play


def poll(play: Play, times: int) -> None:
    for _ in range(times):
        move = play.tick()
        assert move.wake_at is not None and move.wake_at - play.now <= timedelta(seconds=10)
        if play.status.phase is not Phase.Resolved:
            return
        play.now = move.wake_at


def test_a_relapse_within_the_window_reopens_and_plans_anew() -> None:
    play = resolved()
    play.readings = {"health": NO, "recovered": NO}
    start = play.now
    poll(play, 10)
    assert play.status.attempt == 2 and play.status.phase is not Phase.Resolved and "1/recurred" in play.lines
    assert play.now - start >= RELAPSE, "one bad answer is no relapse"


def test_one_bad_answer_is_no_relapse() -> None:
    play = resolved()
    play.readings = {"health": NO, "recovered": NO}
    poll(play, 2)
    play.readings = {"health": YES, "recovered": YES}
    poll(play, 5)
    play.readings = {"health": NO, "recovered": NO}
    poll(play, 2)
    assert play.status.phase is Phase.Resolved and play.status.attempt == 1


def test_no_answer_is_neither_a_relapse_nor_the_end_of_one() -> None:
    play = resolved()
    play.readings = {"health": UNKNOWN, "recovered": UNKNOWN}
    poll(play, 10)
    assert play.status.phase is Phase.Resolved


def test_after_the_window_nothing_is_read_any_more() -> None:
    play = resolved()
    play.now = play.status.watch_until
    move = play.tick()
    play.performed.clear()
    play.readings = {"health": NO, "recovered": NO}
    move = play.tick()
    assert move.wake_at is None and play.status.watch_until is None and play.performed == []


def test_a_close_ends_the_watch() -> None:
    play = resolved()
    play.say(Verb.Close)
    play.tick()
    assert play.status.phase is Phase.Closed
    play.readings = {"health": NO, "recovered": NO}
    assert play.tick().wake_at is None


def test_what_is_said_while_the_pack_is_sealed_is_sealed_too() -> None:
    play = recovering()
    play.until(Phase.Resolved)
    seals: list[int] = []

    def during(effect: moves.Seal) -> outcomes.Outcome:
        if not seals:
            play.say(Verb.Acknowledge)
        seals.append(effect.head.seq)
        return outcomes.Sealed(File("manifest.json", "e" * 64, 10))

    play.answers[moves.Seal] = during
    play.say(Verb.Note)
    play.tick()
    assert seals == [play.status.pack.head.seq - 1, play.status.pack.head.seq]
    assert play.status.pack.sealed == play.status.pack.head.seq

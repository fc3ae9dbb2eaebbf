"""Changes for a time: owed before they are made, at an absolute time, taken back once, and never by what nobody has observed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from stanch.domain.decision import Verb
from stanch.domain.incident import EvidenceRecord, Phase, RevertState, StepState
from stanch.domain.plan import Check, FactType, OnMissing, Option, Revert, Step
from stanch.engine import capturing, moves, outcomes
from stanch.engine.debts import next_at
from stanch.engine.parts import Reading
from tests.unit.play import APP, NO, REVERSIBLE, T0, TRUSTED, YES, Play, option, plan

HOUR = timedelta(hours=1)
TOKEN = "uid-inc/1/undo/undo"
BOX = Revert(HOUR)


def boxed(revert: Revert | None = BOX, *others: Option, **changes: Any) -> Play:
    """Option `undo`, whose one step is taken back as `revert` says."""
    undo = option("undo")
    made = replace(undo, steps=(replace(undo.steps[0], reversible=True, revert=revert),), **changes)
    play = Play(plan(made, *others))
    play.answers[moves.Prepare] = REVERSIBLE
    return play


def states(play: Play) -> dict[str, RevertState]:
    return {record.step: record.state for record in play.status.reverts}


def due(play: Play) -> datetime | None:
    return play.status.reverts[0].due_at


def rest(play: Play) -> moves.Move:
    """Ticks until nothing is to be done now."""
    move = play.tick()
    while move.wake_at is not None and move.wake_at <= play.now:
        move = play.tick()
    return move


def until_effect(play: Play, kind: type) -> moves.Move:
    """Up to the decision that asks for this effect, which is not performed."""
    move = play.step()
    while not isinstance(move.effect, kind):
        if move.effect is None:
            assert move.wake_at is not None
            play.now, move = move.wake_at, play.step()
        else:
            move = play.step(move.effect, play.answer(move.effect))
    return move


def test_the_time_of_a_revert_stands_in_the_status_before_the_change_is_made() -> None:
    play = boxed()
    until_effect(play, moves.Write)
    assert play.written == [] and states(play) == {"undo": RevertState.Owed}
    assert due(play) == play.now + HOUR and play.status.open_reverts == 1


def test_the_time_is_absolute_whatever_happens_until_then() -> None:
    play = boxed(Revert(HOUR, on_recovery=False))
    play.until(Phase.Mitigated)
    at = due(play)
    for leader in (2, 3, 4):
        play.epoch, play.now = leader, play.now + timedelta(minutes=10)
        play.tick()
        assert due(play) == at and next_at(play.status) == at


def test_operator_that_was_down_at_that_time_takes_back_on_start() -> None:
    play = boxed(Revert(HOUR, on_recovery=False))
    play.until(Phase.Mitigated)
    play.epoch, play.now = 2, play.now + 5 * HOUR
    play.tick()
    assert play.taken == [TOKEN] and states(play) == {"undo": RevertState.Done}


@pytest.mark.parametrize("jump", [timedelta(days=-1), timedelta(seconds=-1), timedelta(minutes=58)])
def test_a_clock_that_jumps_takes_nothing_back_early(jump: timedelta) -> None:
    play = boxed(Revert(HOUR, on_recovery=False))
    play.until(Phase.Mitigated)
    play.now += jump
    move = play.tick()
    assert play.taken == [] and move.wake_at is not None and move.wake_at <= due(play)


def test_intent_of_a_revert_is_stored_before_it_is_written_and_observed_after_a_crash() -> None:
    play = boxed(Revert(HOUR, on_recovery=False))
    play.until(Phase.Mitigated)
    play.now = due(play)
    move = until_effect(play, moves.WriteRevert)
    assert states(play) == {"undo": RevertState.Intended} and not move.effect.fence
    play.taken.append(TOKEN)  # it arrived, its answer did not
    play.epoch = 2
    play.tick()
    assert play.taken == [TOKEN] and states(play) == {"undo": RevertState.Done}
    fences = [effect.fence for effect in play.performed if isinstance(effect, moves.WriteRevert)]
    assert fences == [True]


def test_somebody_elses_edit_is_a_conflict_that_waits_for_a_person() -> None:
    play = boxed(Revert(HOUR, on_recovery=False))
    play.answers[moves.PrepareRevert] = outcomes.Contested("MODE is by-hand")
    play.until(Phase.Mitigated)
    play.now = due(play)
    move = play.tick()
    assert play.taken == [] and states(play) == {"undo": RevertState.Conflict}
    assert move.wake_at is None and play.status.waits_for == "Revert or Confirm of undo/undo"


def test_what_is_gone_is_abandoned_and_said() -> None:
    play = boxed(Revert(HOUR, on_recovery=False))
    play.answers[moves.PrepareRevert] = outcomes.Gone("deployment frontend is gone")
    play.until(Phase.Mitigated)
    play.now = due(play)
    play.until(Phase.Resolved)
    assert states(play) == {"undo": RevertState.Abandoned} and "1/revert/undo/undo/abandoned" in play.lines


# What a denied option leaves behind.


def test_denied_option_is_taken_back_before_the_next_one() -> None:
    play = boxed(None, option("restart"), revert_on_failure=True)
    play.readings = {"health": NO}
    play.until(Phase.Escalated)
    lines = play.lines
    assert lines.index("1/revert/undo/undo/done") < lines.index("1/option/restart")


def test_a_clock_that_is_set_back_does_not_let_the_next_option_go_first() -> None:
    play = boxed(None, option("restart"), revert_on_failure=True)
    play.readings = {"health": NO}
    failed = play.step()
    while failed.effect is not None or play.status.phase is not Phase.Diagnosing or "1/option/undo" not in play.lines:
        play.now = failed.wake_at or play.now
        failed = play.step(failed.effect, play.answer(failed.effect)) if failed.effect else play.step()
    assert play.status.reason == "OptionFailed" and states(play) == {"undo": RevertState.Owed}
    play.now -= timedelta(seconds=3)
    play.until(Phase.Escalated)
    lines = play.lines
    assert lines.index("1/revert/undo/undo/done") < lines.index("1/option/restart")


def test_denied_option_is_kept_where_the_playbook_says_so() -> None:
    play = boxed(Revert(HOUR), option("restart"))
    play.readings = {"health": NO}
    play.until(Phase.Escalated)
    assert play.taken == [] and states(play) == {"undo": RevertState.Owed}
    play.now = due(play)
    play.tick()
    assert play.taken == [TOKEN], "its own time still holds"


def test_option_that_helped_keeps_what_was_not_temporary() -> None:
    play = boxed(None, revert_on_failure=True)
    play.until(Phase.Resolved)
    assert play.taken == [] and states(play) == {"undo": RevertState.Kept}


def test_next_option_waits_for_a_person_where_the_denied_one_could_not_be_taken_back() -> None:
    play = boxed(None, option("restart"), revert_on_failure=True)
    play.readings = {"health": NO}
    play.answers[moves.PrepareRevert] = outcomes.Contested("somebody changed it")
    play.until(Phase.Escalated)
    assert "1/option/restart" not in play.lines and play.status.reason == "RevertConflict"


# What nobody has observed.


def test_a_revert_waits_until_its_step_was_observed() -> None:
    """Before the fence a write of an earlier life may still arrive: what is read before it says nothing."""
    play = boxed()
    until_effect(play, moves.Write)
    play.epoch, play.now = 2, play.now + 2 * HOUR
    order: list[str] = []
    for kind in (moves.Write, moves.PrepareRevert):
        play.answers[kind] = lambda effect, kind=kind: (order.append(kind.__name__), default(play, effect))[1]
    play.written.append(TOKEN)
    rest(play)
    assert order == ["Write", "PrepareRevert"] and play.taken == [TOKEN]


def default(play: Play, effect: Any) -> outcomes.Outcome:
    return {moves.Write: play._write, moves.PrepareRevert: play._preparerevert}[type(effect)](effect)


def test_a_write_that_is_refused_when_it_is_tried_again_is_still_owed() -> None:
    """Its first answer was lost; the refusal says nothing of what arrived."""
    play = boxed()
    until_effect(play, moves.Write)
    play.written.append(TOKEN)
    play.epoch = 2
    play.answers[moves.Write] = outcomes.Denied("Forbidden", "no right to patch")
    rest(play)
    assert play.status.steps[0].state is StepState.Refused
    assert play.taken == [TOKEN], "it was there, and is taken back"


def test_a_write_that_was_observed_not_to_be_there_is_not_owed() -> None:
    play = boxed(timeout=timedelta(minutes=1))
    until_effect(play, moves.Write)
    play.epoch = 2
    play.answers[moves.Prepare] = outcomes.Later("Busy", "locked", 5.0)
    play.tick()
    assert play.status.steps[0].state is StepState.Failed and play.status.reverts == ()


def test_an_abort_that_may_not_observe_still_owes() -> None:
    play = boxed()
    until_effect(play, moves.Write)
    play.written.append(TOKEN)
    play.epoch = 2
    play.answers[moves.Write] = outcomes.Denied("Forbidden", "no right to patch")
    play.say(Verb.Abort)
    play.until(Phase.Aborted)
    assert play.taken == [TOKEN]


# Evidence before it is taken back.


def test_evidence_that_could_not_be_had_for_a_revert_is_no_evidence_for_a_step() -> None:
    """A time-box is not held up by it, the next option is."""
    play = boxed(None, option("restart"), revert_on_failure=True)
    play.readings = {"health": NO}
    play.answers[moves.PrepareRevert] = outcomes.Gone("it is gone")
    until_effect(play, moves.PrepareRevert)
    play.now += timedelta(minutes=2)
    play.answers[moves.Capture] = outcomes.Later("Timeout", "the kubelet does not answer", 1.0)
    play.until(Phase.Escalated)
    assert play.status.reason == "EvidenceIncomplete" and play.written == [TOKEN]


@pytest.mark.parametrize("on_failure", list(OnMissing))
def test_evidence_with_gaps_is_fresh_only_where_the_playbook_goes_on_without(on_failure: OnMissing) -> None:
    play = Play()
    play.plan = replace(play.plan, evidence=replace(play.plan.evidence, on_failure=on_failure))
    play.tick()
    status = replace(play.status, steps=(), evidence=EvidenceRecord(at=play.now, captures=1, missing=("log",), missing_count=1))
    turn = capturing.Turn(moves.Snapshot(play.facts, status, play.plan, (), 1, TRUSTED), play.now)
    assert capturing.fresh(turn) is (on_failure is OnMissing.Proceed)


# What follows another one.


def followed() -> Play:
    """A ConfigMap is set for an hour, and who reads it is restarted."""
    steps = (Step("set", "setConfig", "app", reversible=True, revert=Revert(HOUR, on_recovery=False)),
             Step("set-restart", "rolloutRestart", "app", follows="set"))  # fmt: skip
    play = Play(plan(replace(option("undo"), steps=steps)))
    play.answers[moves.Prepare] = REVERSIBLE
    play.until(Phase.Mitigated)
    return play


def test_consumers_are_restarted_after_what_they_read_was_taken_back() -> None:
    play = followed()
    assert [record.due_at for record in play.status.reverts] == [due(play)] * 2
    play.now = due(play)
    play.tick()
    assert [token.rpartition("/")[2] for token in play.taken] == ["set", "set-restart"]


def test_consumers_wait_while_it_cannot_be_taken_back_and_nothing_spins() -> None:
    play = followed()
    play.answers[moves.PrepareRevert] = outcomes.Later("TargetLocked", "locked", 5.0)
    play.now = due(play)
    move = play.tick()
    assert play.taken == [] and move.wake_at == play.now + timedelta(seconds=5)


def test_extending_a_change_extends_what_follows_it() -> None:
    play = followed()
    before = due(play)
    play.say(Verb.Extend, option="undo", step="set", extend_by=HOUR)
    play.tick()
    assert [record.due_at for record in play.status.reverts] == [before + HOUR] * 2


# What people say about it.


def test_a_person_takes_back_early() -> None:
    play = boxed(Revert(HOUR, on_recovery=False))
    play.until(Phase.Mitigated)
    play.say(Verb.Revert, option="undo", step="undo")
    rest(play)
    assert play.taken == [TOKEN] and play.now < T0 + HOUR


def test_an_extension_counts_once_however_often_it_is_seen() -> None:
    play = boxed(Revert(HOUR, on_recovery=False))
    play.until(Phase.Mitigated)
    before = due(play)
    said = play.say(Verb.Extend, option="undo", step="undo", extend_by=HOUR)
    play.tick()
    play.decisions = [replace(said, recorded=False)]  # the mark was lost
    play.tick()
    assert due(play) == before + HOUR


@pytest.mark.parametrize("about", [{"step": "other"}, {"option": "restart"}])
def test_an_extension_of_what_is_not_owed_has_no_effect(about: dict[str, str]) -> None:
    play = boxed(Revert(HOUR, on_recovery=False))
    play.until(Phase.Mitigated)
    before = due(play)
    play.say(Verb.Extend, **({"option": "undo", "step": "undo", "extend_by": HOUR} | about))
    play.tick()
    assert due(play) == before


def test_an_extension_comes_too_late_once_it_is_being_taken_back() -> None:
    play = boxed(Revert(HOUR, on_recovery=False))
    play.answers[moves.PrepareRevert] = outcomes.Later("Busy", "not now", 5.0)
    play.until(Phase.Mitigated)
    play.now = due(play)
    play.tick()
    before = due(play)
    play.say(Verb.Extend, option="undo", step="undo", extend_by=HOUR)
    play.tick()
    assert due(play) == before


def test_confirm_releases_only_what_is_stuck() -> None:
    play = boxed(Revert(HOUR, on_recovery=False))
    play.until(Phase.Mitigated)
    play.say(Verb.Confirm, option="undo", step="undo")
    play.tick()
    assert states(play) == {"undo": RevertState.Owed}


# How it ends.


def test_deleted_incident_takes_back_before_it_goes() -> None:
    play = boxed(Revert(HOUR, on_recovery=False))
    play.until(Phase.Mitigated)
    play.facts = replace(play.facts, deleted=True)
    play.until(Phase.Aborted)
    assert play.taken == [TOKEN] and not play.status.locked
    kinds = [type(effect) for effect in play.performed]
    assert kinds.index(moves.WriteRevert) < kinds.index(moves.Release)


def test_close_is_refused_while_something_is_owed() -> None:
    play = boxed(Revert(HOUR))
    play.readings = {"health": NO}
    play.until(Phase.Escalated)
    play.say(Verb.Close)
    play.tick()
    assert play.status.phase is Phase.Escalated and play.status.open_reverts == 1


def test_what_owes_stays_locked_when_it_is_planned_anew() -> None:
    play = boxed(Revert(HOUR))
    play.readings = {"health": NO}
    play.until(Phase.Escalated)
    play.say(Verb.Resume)
    play.tick()
    (kept,) = {effect.keep for effect in play.performed if isinstance(effect, moves.Release)}
    assert kept == (APP.uid,)


def test_false_alarm_of_a_later_attempt_takes_back_what_an_earlier_one_owes() -> None:
    play = boxed(Revert(HOUR))
    play.plan = replace(play.plan, diagnosis=(Check("idle", "object", fact=FactType.Boolean),), false_alarm="facts.idle")
    play.readings = {"health": NO, "idle": NO}
    play.until(Phase.Escalated)
    play.readings = {"idle": Reading(YES.verdict, "idle", value=True)}
    play.say(Verb.Resume)
    play.until(Phase.Resolved)
    assert play.taken == [TOKEN] and play.status.reason == "FalseAlarm" and not play.status.locked

"""The picture of an incident: whole pages against golden files, at three widths; what fits a height; hostile text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stanch.cli import marks
from stanch.cli.picture import fitting, lines_of, picture
from stanch.domain.decision import Verb
from stanch.domain.incident import (
    EvidenceRecord,
    Mode,
    OptionState,
    Phase,
    RecoveryStage,
    RevertRecord,
    RevertState,
    StepRecord,
    StepState,
    Verdict,
)
from tests.unit.cli_kit import ESCAPE, drawn
from tests.unit.play import APP, NO, T0, YES, Play, approval, facts, option, plan

GOLDENS = Path(__file__).parent / "goldens" / "cli"


def opened() -> Play:
    return Play()


def awaiting() -> Play:
    """Restart did not help; undo waits for a person."""
    play = Play(plan=plan(option("restart"), option("undo", approval=approval(incident_commander=1))), readings={"health": NO})
    play.until(Phase.AwaitingApproval)
    return play


def holding() -> Play:
    play = awaiting()
    play.readings = {"health": YES}
    play.say(Verb.Approve, role="incident-commander", option="undo")
    play.until(Phase.Holding)
    return play


def resolved() -> Play:
    play = holding()
    play.until(Phase.Resolved)
    return play


def escalated() -> Play:
    play = Play(readings={"health": NO})
    play.until(Phase.Escalated)
    missing = tuple(f"logs of pod frontend-{number}: forbidden" for number in range(5))
    play.status = replace(play.status, evidence=EvidenceRecord(play.now, 2, 1200, 3_400_000, missing, 7))
    return play


def owed(number: int, state: RevertState = RevertState.Owed, **changes: Any) -> RevertRecord:
    """A change to be taken back `number` times ten minutes after the start."""
    base = RevertRecord(option="undo", step=f"scale-{number}", state=state, ref=APP, token=f"t{number}", image="i", digest="d",
                        due_at=T0 + timedelta(minutes=10 * number), on_recovery=True)  # fmt: skip
    return replace(base, **changes)


def recovering() -> Play:
    """Changes in every state of being taken back, steps in the states that wait."""
    play = holding()
    play.now = T0 + timedelta(minutes=30)
    steps = (
        StepRecord("undo", "scale-1", StepState.Done, done_at=T0, message="replicas 2 -> 4"),
        StepRecord("undo", "purge", StepState.Indeterminate, intended_at=T0, message="the connection broke"),
        StepRecord("undo", "ask", StepState.Waiting, intended_at=T0, message="is the database well?"),
        StepRecord("undo", "flag", StepState.Waiting, intended_at=T0, hold_until=play.now + timedelta(minutes=1)),
        StepRecord("undo", "warm", StepState.Skipped, done_at=T0, message="when is false"),
    )
    reverts = (
        owed(1, RevertState.Done, message="replicas 4 -> 2", done_at=T0 + timedelta(minutes=10)),
        owed(6),
        owed(5, RevertState.Intended),
        owed(2, RevertState.Conflict, message="replicas is 7, not the 4 that was written\x1b[2J"),
        owed(3, RevertState.Blocked, message="may not patch deployments"),
        owed(4, due_at=None),
    )
    play.status = replace(play.status, phase=Phase.Mitigated, steps=steps, reverts=reverts, recovery=RecoveryStage.Removing,
                          recovery_since=T0 + timedelta(minutes=28), watch_until=T0 + timedelta(hours=1))  # fmt: skip
    return play


def taken_on() -> Play:
    """Somebody came late, said that it is worse, and broke the glass."""
    play = awaiting()
    late = replace(
        play.status,
        acknowledge_by=T0 + timedelta(seconds=10),
        unheeded=True,
        restore_by=T0 + timedelta(hours=1),
        levels=("P0", "P1"),
    )
    play.status, play.now = late, play.now + timedelta(minutes=2)
    play.say(Verb.Acknowledge, by="carol")
    play.say(Verb.Classify, by="carol", severity="P0")
    play.say(Verb.BreakGlass, by="carol", option="undo", ticket="OPS-4711")
    play.until(Phase.Verifying)
    return play


def hostile() -> Play:
    """An alert wrote the title, a check's answer the message."""
    play = awaiting()
    play.facts = facts(title="\x1b[2J\x1b]0;owned\x07gone\u202egnp.exe [bold]not markup[/] :skull:", mode=Mode.DryRun)
    play.status = replace(play.status, message="first\nsecond\x1b[31m", waits_for="eve\x08\x08\x08bob")
    return play


PAGES = (opened, awaiting, holding, recovering, resolved, escalated, taken_on, hostile)
PLAYS: dict[str, Callable[[], Play]] = {play.__name__: play for play in PAGES}


def page(play: Play, width: int) -> str:
    return drawn(picture(play.facts, play.status, play.now + timedelta(seconds=25), width), width)


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("name", PLAYS)
def test_draws_what_the_golden_file_shows(name: str, width: int) -> None:
    found = page(PLAYS[name](), width)
    assert found == (GOLDENS / f"{name}-{width}.txt").read_text(encoding="utf-8")
    assert max(len(line) for line in found.splitlines()) <= width


@pytest.mark.parametrize("width", [40, 80, 200])
def test_hostile_text_is_shown_and_not_obeyed(width: int) -> None:
    found = page(hostile(), width)
    assert ESCAPE not in found and "\u202e" not in found and "\x08" not in found
    whole = "".join(found.split())
    assert "\\u001b[2J" in whole and "[bold]notmarkup[/]" in whole and ":skull:" in whole


def many(count: int) -> Play:
    """`count` options, all tried in vain."""
    play = Play(plan=plan(*(option(f"undo-{number}") for number in range(1, count + 1))), readings={"health": NO})
    play.until(Phase.Escalated)
    return play


def test_newest_first_and_what_is_left_out_is_said() -> None:
    play = many(5)
    text = drawn(picture(play.facts, play.status, play.now, 80, limit=2))
    shown = [name for name in (f"undo-{number}" for number in range(5, 0, -1)) if f"option {name}" in text]
    assert shown == ["undo-5", "undo-4"] and text.index("option undo-5") < text.index("option undo-4")
    assert "… 3 earlier options: undo-3, undo-2, undo-1" in text


@pytest.mark.parametrize("height", [20, 24, 28, 100])
def test_fits_the_height(height: int) -> None:
    play = many(8)
    fitted = fitting(play.facts, play.status, play.now, 80, height)
    assert lines_of(fitted, 80) <= height
    assert "option undo-8" in drawn(fitted)
    assert ("earlier options" in drawn(fitted)) == (height < 100)


def test_the_newest_option_stays_where_nothing_fits() -> None:
    play = many(8)
    assert "option undo-8" in drawn(fitting(play.facts, play.status, play.now, 40, 3))


@pytest.mark.parametrize("height", [14, 26, 30, 100])
def test_the_next_reverts_stay_where_the_height_does_not_hold_all(height: int) -> None:
    play = recovering()
    play.status = replace(play.status, reverts=tuple(owed(number) for number in range(40, 0, -1)))
    fitted = fitting(play.facts, play.status, play.now, 80, height)
    text = drawn(fitted)
    assert text.index("undo/scale-1 ") > 0 and "40 open, the next one due since 20m" in text
    assert ("more: stanch reverts" in text) == (height < 100)
    assert height < 26 or lines_of(fitted, 80) <= height


REMAINING = {0: "15m left", 25: "14m35s left", 870: "30s left", 960: "1m ago"}


@pytest.mark.parametrize(("seconds", "shown"), REMAINING.items())
def test_remaining_time(seconds: int, shown: str) -> None:
    play = awaiting()
    assert shown in drawn(picture(play.facts, play.status, play.now + timedelta(seconds=seconds), 80))


def test_every_state_has_a_mark_and_its_word() -> None:
    for kind in (Phase, OptionState, StepState, RevertState, Verdict):
        for state in kind:
            assert str(state) in str(marks.marked(state))

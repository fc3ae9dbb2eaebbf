"""Glyph and colour of each state, in one place. The word always stands beside them: neither carries a meaning alone."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from rich.text import Text

from stanch.domain.incident import OptionState, Phase, RevertState, StepState, Verdict

GOOD, BAD, WAITS, RUNS, QUIET = ("✔", "green"), ("✖", "red"), ("⏸", "yellow"), ("●", "cyan"), ("○", "dim")

MARKS: Mapping[StrEnum, tuple[str, str]] = {
    Phase.Opened: RUNS,
    Phase.Capturing: RUNS,
    Phase.Diagnosing: RUNS,
    Phase.AwaitingApproval: WAITS,
    Phase.Mitigating: RUNS,
    Phase.Verifying: RUNS,
    Phase.Holding: RUNS,
    Phase.Mitigated: GOOD,
    Phase.Resolved: GOOD,
    Phase.Closed: GOOD,
    Phase.Waiting: WAITS,
    Phase.Escalated: ("⚠", "bold red"),
    Phase.Aborting: BAD,
    Phase.Aborted: BAD,
    Phase.Failed: BAD,
    OptionState.Skipped: QUIET,
    OptionState.Running: RUNS,
    OptionState.Denied: BAD,
    OptionState.Inconclusive: ("?", "yellow"),
    OptionState.Failed: BAD,
    OptionState.Confirmed: GOOD,
    StepState.Intended: RUNS,
    StepState.Waiting: RUNS,
    StepState.Indeterminate: ("?", "bold red"),
    StepState.Skipped: QUIET,
    StepState.Done: GOOD,
    StepState.Refused: BAD,
    StepState.Failed: BAD,
    RevertState.Owed: WAITS,
    RevertState.Intended: RUNS,
    RevertState.Conflict: BAD,
    RevertState.Blocked: BAD,
    RevertState.Done: GOOD,
    RevertState.Kept: QUIET,
    RevertState.Abandoned: QUIET,
    RevertState.Released: QUIET,
    Verdict.Confirmed: GOOD,
    Verdict.Denied: BAD,
    Verdict.Inconclusive: ("?", "yellow"),
}


def marked(state: StrEnum) -> Text:
    """Glyph and word."""
    glyph, style = MARKS[state]
    return Text(f"{glyph} {state}", style=style)

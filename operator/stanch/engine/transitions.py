"""The whole life of an incident as one literal table. The diagram in the README is drawn from it.

Every cell that is not in the table is refused: `after` raises, and a Decision that would need it is recorded without effect.
Time, evidence, checks and people produce the events; `decide` is the only caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from stanch.domain.incident import Phase


class Event(StrEnum):
    PlanReady = "PlanReady"
    PlanRefused = "PlanRefused"
    PlanOnly = "PlanOnly"
    Replan = "Replan"
    EvidenceReady = "EvidenceReady"
    EvidenceBlocked = "EvidenceBlocked"
    OptionChosen = "OptionChosen"
    ApprovalNeeded = "ApprovalNeeded"
    Approved = "Approved"
    ApprovalDenied = "ApprovalDenied"
    TargetReplaced = "TargetReplaced"
    ChangeDiffers = "ChangeDiffers"
    StepsDone = "StepsDone"
    OptionFailed = "OptionFailed"
    OptionStopped = "OptionStopped"
    OptionsExhausted = "OptionsExhausted"
    FalseAlarm = "FalseAlarm"
    ObservedOnly = "ObservedOnly"
    RevertStuck = "RevertStuck"
    ChecksConfirmed = "ChecksConfirmed"
    HoldLost = "HoldLost"
    Held = "Held"
    Relapsed = "Relapsed"
    Recovered = "Recovered"
    Recurred = "Recurred"
    ResumeAsked = "ResumeAsked"
    Reclassified = "Reclassified"
    CloseAsked = "CloseAsked"
    AbortAsked = "AbortAsked"
    AbortDone = "AbortDone"
    Broken = "Broken"


P, E = Phase, Event

TABLE: Mapping[tuple[Phase, Event], Phase] = {
    (P.Opened, E.PlanReady): P.Capturing,
    (P.Opened, E.PlanRefused): P.Waiting,
    (P.Opened, E.PlanOnly): P.Closed,
    (P.Opened, E.AbortAsked): P.Aborting,
    (P.Waiting, E.Replan): P.Opened,
    (P.Waiting, E.ResumeAsked): P.Opened,
    (P.Waiting, E.Reclassified): P.Opened,
    (P.Waiting, E.CloseAsked): P.Closed,
    (P.Waiting, E.AbortAsked): P.Aborting,
    (P.Capturing, E.EvidenceReady): P.Diagnosing,
    (P.Capturing, E.EvidenceBlocked): P.Escalated,
    (P.Capturing, E.Reclassified): P.Opened,
    (P.Capturing, E.AbortAsked): P.Aborting,
    (P.Capturing, E.Broken): P.Failed,
    (P.Diagnosing, E.OptionChosen): P.Mitigating,
    (P.Diagnosing, E.ApprovalNeeded): P.AwaitingApproval,
    (P.Diagnosing, E.OptionsExhausted): P.Escalated,
    (P.Diagnosing, E.FalseAlarm): P.Resolved,
    (P.Diagnosing, E.ObservedOnly): P.Escalated,
    (P.Diagnosing, E.RevertStuck): P.Escalated,
    (P.Diagnosing, E.Reclassified): P.Opened,
    (P.Diagnosing, E.AbortAsked): P.Aborting,
    (P.Diagnosing, E.Broken): P.Failed,
    (P.AwaitingApproval, E.Approved): P.Mitigating,
    (P.AwaitingApproval, E.ApprovalDenied): P.Diagnosing,
    (P.AwaitingApproval, E.TargetReplaced): P.Opened,
    (P.AwaitingApproval, E.ChangeDiffers): P.AwaitingApproval,
    (P.AwaitingApproval, E.Reclassified): P.Opened,
    (P.AwaitingApproval, E.AbortAsked): P.Aborting,
    (P.AwaitingApproval, E.Broken): P.Failed,
    (P.Mitigating, E.StepsDone): P.Verifying,
    (P.Mitigating, E.ApprovalDenied): P.Diagnosing,
    (P.Mitigating, E.OptionFailed): P.Diagnosing,
    (P.Mitigating, E.OptionStopped): P.Escalated,
    (P.Mitigating, E.EvidenceBlocked): P.Escalated,
    (P.Mitigating, E.TargetReplaced): P.Opened,
    (P.Mitigating, E.ChangeDiffers): P.AwaitingApproval,
    (P.Mitigating, E.Reclassified): P.Opened,
    (P.Mitigating, E.AbortAsked): P.Aborting,
    (P.Mitigating, E.Broken): P.Failed,
    (P.Verifying, E.ChecksConfirmed): P.Holding,
    (P.Verifying, E.OptionFailed): P.Diagnosing,
    (P.Verifying, E.OptionStopped): P.Escalated,
    (P.Verifying, E.AbortAsked): P.Aborting,
    (P.Verifying, E.Broken): P.Failed,
    (P.Holding, E.Held): P.Mitigated,
    (P.Holding, E.HoldLost): P.Verifying,
    (P.Holding, E.OptionFailed): P.Diagnosing,
    (P.Holding, E.OptionStopped): P.Escalated,
    (P.Holding, E.AbortAsked): P.Aborting,
    (P.Holding, E.Broken): P.Failed,
    (P.Mitigated, E.Relapsed): P.Diagnosing,
    (P.Mitigated, E.Recovered): P.Resolved,
    (P.Mitigated, E.AbortAsked): P.Aborting,
    (P.Mitigated, E.Broken): P.Failed,
    (P.Resolved, E.Recurred): P.Opened,
    (P.Resolved, E.ResumeAsked): P.Opened,
    (P.Resolved, E.CloseAsked): P.Closed,
    (P.Escalated, E.ResumeAsked): P.Opened,
    (P.Escalated, E.CloseAsked): P.Closed,
    (P.Escalated, E.AbortAsked): P.Aborting,
    (P.Aborting, E.AbortDone): P.Aborted,
}


class IllegalTransition(Exception):
    """A cell that is not in the table: a fault of ours, never of the input."""


def legal(phase: Phase, event: Event) -> bool:
    return (phase, event) in TABLE


def after(phase: Phase, event: Event) -> Phase:
    """The phase after `event` in `phase`. Raises IllegalTransition."""
    if not legal(phase, event):
        raise IllegalTransition(f"{event} is not legal in {phase}")
    return TABLE[phase, event]

"""Evidence: captured before the first change, and again before a later one when what there is has grown old."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from stanch.domain.incident import CheckRecord, EvidenceRecord, Phase, StepState, Verdict
from stanch.domain.plan import OnMissing
from stanch.engine.moves import Capture, Captured, Denied, Later, Move
from stanch.engine.transitions import Event
from stanch.engine.turn import Turn, clip

# A write may follow evidence of this age; older evidence says nothing about the pods that the write would end.
FRESH = timedelta(seconds=60)
NAMED = 16


def capturing(turn: Turn) -> Move | None:
    if not captured(turn):
        return None if turn.in_phase(Phase.Escalated) else turn.move(Capture(label(turn), baseline=True))
    turn.go(Event.EvidenceReady, "EvidenceCaptured", f"{turn.status.evidence.files} files captured before the first change")
    return None


def label(turn: Turn) -> str:
    return f"before-{turn.status.evidence.captures + 1}"


def captured(turn: Turn) -> bool:
    """Takes a capture's outcome. False: there was none, or it blocks (then the phase is Escalated)."""
    if failed := turn.take(Capture, Denied, Later):
        return accept(turn, f"{failed.reason}: {failed.message}")
    outcome = turn.take(Capture, Captured)
    if outcome is None:
        return False
    record(turn, outcome)
    if not outcome.missing:
        return True
    return accept(turn, f"{len(outcome.missing)} missing: {'; '.join(outcome.missing[:3])}")


def accept(turn: Turn, problem: str) -> bool:
    """Whether the playbook goes on with incomplete evidence; either way it is recorded."""
    proceed = turn.plan.evidence.on_failure is OnMissing.Proceed
    turn.say(turn.key("evidence", "incomplete"), "Capture evidence", expectation="nothing is missing", result=problem,
             next="go on, as the playbook says" if proceed else "no change is made; people are called")  # fmt: skip
    if proceed:
        # A capture that failed as a whole must not be tried for ever: its time counts as the evidence's.
        turn.set(evidence=replace(turn.status.evidence, at=turn.now))
    else:
        further = "further " if any(step.state is StepState.Done for step in turn.status.steps) else ""
        turn.go(Event.EvidenceBlocked, "EvidenceIncomplete", f"Nothing {further}was changed: evidence is incomplete ({problem})",
                waits_for="Resume, Close or Abort")  # fmt: skip
    return proceed


def record(turn: Turn, outcome: Captured) -> None:
    was = turn.status.evidence
    turn.set(
        evidence=EvidenceRecord(
            at=outcome.at, captures=was.captures + 1, files=was.files + outcome.files, bytes=was.bytes + outcome.bytes,
            missing=tuple(clip(item, 253) for item in outcome.missing[:NAMED]), missing_count=len(outcome.missing),
        )
    )  # fmt: skip
    if outcome.baseline:
        turn.set(checks=tuple(CheckRecord(name, Verdict(v), baseline=Verdict(v)) for name, v in outcome.baseline.items()))
    turn.say(turn.key("evidence", outcome.listing.path), "Capture evidence", expectation="nothing is missing",
             result=f"{outcome.files} files, {outcome.bytes} bytes", files=(outcome.listing,))  # fmt: skip


def fresh(turn: Turn) -> bool:
    """Whether the evidence still shows what the next write could destroy."""
    at = turn.status.evidence.at
    writes = (r.intended_at for r in turn.status.steps if r.state is StepState.Done and r.intended_at)
    return at is not None and turn.now - at < FRESH and all(at > written for written in writes)

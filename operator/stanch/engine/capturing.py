"""Evidence: captured before the first change, and again before a later one when what there is has grown old.

A capture that could not be stored is tried again until its budget is spent, counted from its first try, also across a
restart; then `onFailure` decides. A capture of which nothing is known, because whoever made it has ended or was held up,
is made anew with a budget of its own. Each try has a number that the status took before the try's first file was written:
as the status is written by compare-and-swap, no two tries, of one leader or of two, ever write into the same folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from stanch.domain.incident import CheckRecord, EvidenceRecord, Phase, RevertState, StepState
from stanch.domain.plan import OnMissing
from stanch.engine.moves import Capture, Move
from stanch.engine.outcomes import Captured, Denied, Later
from stanch.engine.parts import Reading
from stanch.engine.transitions import Event
from stanch.engine.turn import Turn, clip, spelled

# A write may follow evidence of this age; older evidence says nothing about the pods that the write would end.
FRESH = timedelta(seconds=60)
NAMED = 16
WRITTEN = frozenset({StepState.Done, StepState.Waiting, StepState.Indeterminate})
# Between two tries. What the store asks for is kept within: a pause as long as the budget would be no second try.
PAUSE_AT_LEAST, PAUSE_AT_MOST = timedelta(seconds=1), timedelta(seconds=5)


def capturing(turn: Turn) -> Move | None:
    if not captured(turn):
        # From here on the targets may be locked: it is stored with the number of the capture, not by a write of its own.
        turn.set(locked=turn.status.locked or not turn.plan.observe_only)
        return attempt(turn, "before", baseline=True)
    turn.go(Event.EvidenceReady, "EvidenceCaptured", f"{turn.status.evidence.files} files captured before the first change")
    return None


def attempt(turn: Turn, when: str, *, baseline: bool = False) -> Move | None:
    """The next try of a capture, or the wait for it. None: it was given up, and the phase is Escalated."""
    if turn.in_phase(Phase.Escalated):
        return None
    was = turn.status.evidence
    if retrying(turn) and turn.now < was.again_at:
        return turn.move(wake_in=was.again_at - turn.now)
    # A status of an earlier version counts only those that it recorded.
    number = max(was.begun, was.captures) + 1
    turn.set(evidence=replace(was, begun=number) if retrying(turn) else replace(was, begun=number, began=turn.now, again_at=None))
    return turn.move(Capture(f"{when}-{number}", spent_at(turn) - turn.now, baseline))


def numbered(turn: Turn, when: str) -> Capture:
    """A capture that is tried once."""
    was = turn.status.evidence
    number = max(was.begun, was.captures) + 1
    turn.set(evidence=replace(was, begun=number, began=turn.now, again_at=None))
    return Capture(f"{when}-{number}", turn.plan.evidence.budget)


def retrying(turn: Turn) -> bool:
    """Whether the capture that this phase waits for has failed before; of one before this phase nothing is left."""
    was = turn.status.evidence
    return was.again_at is not None and was.began is not None and was.began >= turn.status.phase_since


def spent_at(turn: Turn) -> datetime:
    return (turn.status.evidence.began or turn.now) + turn.plan.evidence.budget


def failure(turn: Turn) -> str:
    """Why this capture is given up; empty: it is not."""
    if failed := turn.take(Capture, Denied, Later):
        if isinstance(failed, Later) and postponed(turn, failed):
            return ""
        return f"{failed.reason}: {failed.message}"
    if retrying(turn) and turn.now >= spent_at(turn):
        return f"{turn.status.reason}: {turn.status.message}"
    return ""


def postponed(turn: Turn, failed: Later) -> bool:
    """Whether the budget leaves time for another try; what failed is then told to the person on call."""
    pause = min(max(timedelta(seconds=failed.after), PAUSE_AT_LEAST), PAUSE_AT_MOST)
    if turn.now + pause >= spent_at(turn):
        return False
    turn.set(evidence=replace(turn.status.evidence, again_at=turn.now + pause), reason=failed.reason, message=clip(failed.message))
    return True


def captured(turn: Turn) -> bool:
    """Takes a capture's outcome. False: there was none, it is tried again, or it blocks (then the phase is Escalated)."""
    outcome = turn.take(Capture, Captured)
    if outcome is None:
        problem = failure(turn)
        return bool(problem) and accept(turn, problem)
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
        turn.set(evidence=replace(turn.status.evidence, at=turn.now, began=None, again_at=None))
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
            missing=tuple(clip(item, 253) for item in outcome.missing[:NAMED]), missing_count=len(outcome.missing), begun=was.begun,
        )
    )  # fmt: skip
    if outcome.baseline:
        turn.set(checks=tuple(first(name, seen) for name, seen in outcome.baseline.items()))
    turn.say(turn.key("evidence", outcome.listing.path), "Capture evidence", expectation="nothing is missing",
             result=f"{outcome.files} files, {outcome.bytes} bytes", files=(outcome.listing,))  # fmt: skip


def first(name: str, seen: Reading) -> CheckRecord:
    """A check's record before the first change: what it says now is what it will be compared with."""
    value = spelled(seen.value)
    return CheckRecord(name, seen.verdict, value, seen.verdict, value)


def fresh(turn: Turn) -> bool:
    """Whether the evidence still shows what the next write could destroy, and all of it where the playbook wants that."""
    was = turn.status.evidence
    whole = not was.missing_count or turn.plan.evidence.on_failure is OnMissing.Proceed
    return was.at is not None and whole and turn.now - was.at < FRESH and all(was.at > written for written in writes(turn))


def writes(turn: Turn) -> Iterator[datetime]:
    """When something was written, or may have been."""
    for step in turn.status.steps:
        failed = step.state is StepState.Failed and step.done_at is not None
        if step.token and step.intended_at and (failed or step.state in WRITTEN):
            yield step.intended_at
    for revert in turn.status.reverts:
        if revert.state is RevertState.Done and revert.done_at:
            yield revert.done_at

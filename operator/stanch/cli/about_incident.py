"""What follows from `stanch abort`, `hold`, `resume` and `close`: what is taken back, what stays, what is planned anew."""

from __future__ import annotations

from collections.abc import Iterator

from stanch.cli.coming import goes_on, later_taken_back, taken_back_now
from stanch.cli.decide import Said
from stanch.cli.ending import Ending
from stanch.cli.looking import Look, Way
from stanch.cli.owed import opened
from stanch.cli.reverts import due
from stanch.domain.decision import Verb
from stanch.domain.duration import spell
from stanch.domain.incident import TERMINAL, Phase, Status, StepRecord, StepState
from stanch.domain.said import ApprovalRecord
from stanch.engine.pausing import STILL
from stanch.engine.summary import unexplained
from stanch.engine.transitions import Event, legal
from stanch.packs.render import printable


def aborting(said: Said, seen: Look) -> Iterator[str]:
    refuse_unless(seen.status, Event.AbortAsked, "aborted")
    yield "Nothing further is changed, and it ends Aborted"
    yield from (under_way(record) for record in seen.status.steps if record.state in UNDER_WAY)
    owed = opened(seen.status)
    for record in owed:
        yield from taken_back_now(seen, record)
    if not owed:
        yield "Nothing is to be taken back"
    yield from what_stays(seen.status)


def holding(said: Said, seen: Look) -> Iterator[str]:
    status = seen.status
    if status.phase in STILL:
        raise Ending(f"an incident that is {status.phase} changes nothing by itself")
    if was := status.held:
        raise Ending(f"{was.by} holds it up already, since {was.at:%H:%M:%S} UTC")
    yield "Nothing further is changed until somebody says Resume; what was begun goes to its end"
    yield from (under_way(record) for record in status.steps if record.state in UNDER_WAY)
    for record in opened(status):
        when = f"at its time, {due(record.due_at, seen.now)}" if record.due_at else "only after a Resume"
        yield f"The change to {record.ref} by {record.option}/{record.step} is taken back {when}"
    if status.phase is Phase.AwaitingApproval:
        yield f"It goes on waiting for approval, until {due(status.deadline, seen.now)}; then silence is a no"


def resuming(said: Said, seen: Look) -> Iterator[str]:
    status = seen.status
    if status.held:
        yield printable(f"The Hold by {status.held.by} ends: {status.held.reason}")
        if not legal(status.phase, Event.ResumeAsked):
            yield "It goes on from where it stands; guards hold as before"
            yield from goes_on(seen)
            return
    refuse_unless(status, Event.ResumeAsked, "resumed")
    yield planned_anew(status)
    if status.options:
        tried = ", ".join(f"{record.name} {record.state.lower()}" for record in status.options)
        yield f"Every option may be run again; so far: {tried}"
    yield from voided(status.approvals)
    yield from (f"Still to be taken back: the change to {record.ref} by {record.option}/{record.step}" for record in opened(status))


def closing(said: Said, seen: Look) -> Iterator[str]:
    status = seen.status
    if status.close_role and said.role != status.close_role:
        raise Ending(f"closing needs --role {status.close_role}, not {said.role or 'none'}")
    if status.phase is Phase.Mitigated and status.close_role:
        yield "It is released: it ends Resolved once its recovery is over"
        yield from later_taken_back(seen)
        return
    over = status.phase in TERMINAL and bool(unexplained(status, status.postmortem))
    if not over:
        refuse_unless(status, Event.CloseAsked, "closed")
    if owed := () if over else opened(status):
        names = ", ".join(f"{record.option}/{record.step}" for record in owed)
        raise Ending(f"{names} is still to be taken back: stanch revert it, or stanch confirm what cannot be taken back")
    if lacks := unexplained(status, said.postmortem):
        raise Ending(f"{lacks}: give it with --postmortem")
    yield f"It stays {status.phase}, and is explained" if over else "It ends for good: a recurrence is another incident"
    yield from what_stays(status)
    if status.retention is not None:
        yield f"The object and its Decisions are deleted {spell(status.retention)} later; its pack stays"


def planned_anew(status: Status) -> str:
    return f"It is planned anew (attempt {status.attempt + 1}), with playbook, policy and objects as they are then"


def voided(approvals: tuple[ApprovalRecord, ...]) -> Iterator[str]:
    if approvals:
        people = ", ".join(f"{record.by} ({record.role}, {record.option})" for record in approvals)
        yield printable(f"Approvals do not count any more: {people}")


WAYS = {
    Verb.Abort: Way(aborting, of_plan=True),
    Verb.Hold: Way(holding),
    Verb.Resume: Way(resuming, of_plan=True),
    Verb.Close: Way(closing, of_plan=True),
}

UNDER_WAY = frozenset({StepState.Intended, StepState.Waiting, StepState.Indeterminate})


def refuse_unless(status: Status, event: Event, done: str) -> None:
    if not legal(status.phase, event):
        raise Ending(f"an incident that is {status.phase} cannot be {done}")


def under_way(record: StepRecord) -> str:
    if record.state is StepState.Intended:
        return f"Step {record.option}/{record.name} is about to be written: whether it was is looked at first"
    if record.state is StepState.Indeterminate:
        return f"Whether step {record.option}/{record.name} took effect nobody knows: that stays so"
    return f"Step {record.option}/{record.name} is under way: what runs already is not ended"


def what_stays(status: Status) -> Iterator[str]:
    """What was written and is not to be taken back."""
    backs = {(record.option, record.step) for record in status.reverts}
    for record in status.steps:
        if record.written_at is not None and (record.option, record.name) not in backs:
            yield printable(f"What {record.option}/{record.name} changed stays: {record.message}")

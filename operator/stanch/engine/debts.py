"""What was changed for a time, as it is owed: who owes it, what follows what, and when each is to be taken back.

A debt (`RevertRecord`) stands in the status with its absolute time before the change is made. It needs no plan: its image holds
what was there, what was written and as whom. `reverting` takes it back.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from stanch.domain.incident import OPEN_REVERTS, Phase, RevertRecord, RevertState, Status, StepRecord, StepState
from stanch.domain.plan import Option, Ref, Step
from stanch.engine.outcomes import Prepared
from stanch.engine.turn import Turn

# Places in a status, and how many of them open debts may take; the rest is for the latest that are settled.
PLACES, MOST = 48, 40
NOWHERE = Ref("", "", "", "")


def owe(turn: Turn, step: Step, intent: StepRecord, outcome: Prepared) -> str:
    """Notes what taking the step back will need. Returns what is to be said of it; empty: it is not taken back."""
    debt = RevertRecord(
        option=turn.option.name, step=step.name, state=RevertState.Owed, ref=outcome.ref or NOWHERE, token=intent.token,
        image=outcome.image, digest=outcome.before, follows=step.follows, last=step.last,
    )  # fmt: skip
    if step.owner:
        guarded(turn, step)
    if step.last and any(other.token != debt.token for other in suspended(turn, debt.ref.uid)):
        return "given back with what was suspended before"
    leads = leader(turn, debt)
    wanted = leads is not None if step.follows else step.reversible and (step.revert or turn.option.revert_on_failure)
    if outcome.ref is None or not wanted:
        return ""
    due = turn.now + step.revert.after if step.revert and step.revert.after else leads and leads.due_at
    recovers = step.revert.on_recovery if step.revert else bool(leads and leads.on_recovery)
    put(turn, replace(debt, due_at=due, on_recovery=recovers))
    return f"taken back at {due:%Y-%m-%d %H:%M:%S} UTC at the latest" if due else "taken back when it is over"


def suspended(turn: Turn, uid: str) -> tuple[RevertRecord, ...]:
    """What gives this owner back; two of them would ask a person twice."""
    return tuple(record for record in opened(turn) if record.last and record.ref.uid == uid)


def guarded(turn: Turn, step: Step) -> None:
    """The owner of its target would undo a change that is not taken back: a person says when it is given back."""
    owner = turn.plan.target(turn.plan.step(turn.option.name, step.owner).target)
    temporary = step.revert or turn.option.revert_on_failure or step.follows
    if step.reversible and not temporary:
        for record in suspended(turn, owner.uid):
            put(turn, replace(record, asks=True))


def put(turn: Turn, record: RevertRecord) -> None:
    """Replaces one in its place, or adds it. Of those that are settled the latest stay."""
    records = {other.token: other for other in turn.status.reverts} | {record.token: record}
    settled = [token for token, other in records.items() if other.state not in OPEN_REVERTS]
    dropped = settled[: max(0, len(records) - PLACES)]
    turn.set(reverts=tuple(other for token, other in records.items() if token not in dropped))


def forget(turn: Turn, token: str) -> None:
    """The change was never made: nothing is owed for it."""
    turn.set(reverts=tuple(record for record in turn.status.reverts if record.token != token or not token))


def postpone(turn: Turn, record: RevertRecord, due: datetime) -> None:
    """With what follows it."""
    for other in opened(turn):
        if other.token == record.token or leader_of(other) == record.token:
            put(turn, replace(other, due_at=due))


def full(turn: Turn) -> bool:
    return len(opened(turn)) >= MOST


def opened(turn: Turn) -> tuple[RevertRecord, ...]:
    return open_in(turn.status)


def open_in(status: Status) -> tuple[RevertRecord, ...]:
    return tuple(record for record in status.reverts if record.state in OPEN_REVERTS)


def stuck(turn: Turn) -> tuple[RevertRecord, ...]:
    """Those that only a person can settle."""
    return stuck_in(turn.status)


def stuck_in(status: Status) -> tuple[RevertRecord, ...]:
    return tuple(record for record in open_in(status) if record.state in (RevertState.Conflict, RevertState.Blocked))


def due(turn: Turn, by: datetime | None = None) -> tuple[RevertRecord, ...]:
    """Open, and their time has come (`by` then); those that wait for a person or for another try among them."""
    return tuple(record for record in opened(turn) if record.due_at is not None and record.due_at <= (by or turn.now))


def names(records: tuple[RevertRecord, ...]) -> str:
    return ", ".join(f"{record.option}/{record.step}" for record in records)


# What comes before what.


def leader(turn: Turn, record: RevertRecord) -> RevertRecord | None:
    """What it follows, where that is still to be taken back."""
    return next((other for other in opened(turn) if other.token == leader_of(record)), None)


def leader_of(record: RevertRecord) -> str:
    """Token of what it follows; empty: it follows nothing."""
    return f"{record.token.rpartition('/')[0]}/{record.follows}" if record.follows else ""


def needed(status: Status, record: RevertRecord) -> bool:
    """Whether an owner must stay suspended: it would undo what is still to be taken back, or what is just being changed."""
    return record.last and (status.phase is Phase.Mitigating or any(not other.last for other in open_in(status)))


def held_up(status: Status, record: RevertRecord) -> bool:
    """Whether something comes before it: a step is to be observed (its own: until then nobody knows what there is to take back;
    another's: an object bears one token, and ours would hide it), or what it follows is still there."""
    unobserved = any(step.state is StepState.Intended for step in status.steps)
    return unobserved or needed(status, record) or any(other.token == leader_of(record) for other in open_in(status))


def under_way(turn: Turn) -> bool:
    """Whether one may have been written, and is to be observed before anything else is written."""
    return any(record.state is RevertState.Intended for record in turn.status.reverts)


def next_at(status: Status) -> datetime | None:
    """When a revert needs attention next; None: none does by itself."""
    times = [
        max(at for at in (record.due_at, record.retry_at) if at)
        for record in open_in(status)
        if record.due_at and record.state is not RevertState.Conflict and not held_up(status, record)
    ]
    return min(times, default=None)


# Who asks for it, and when.


def demand(turn: Turn, records: tuple[RevertRecord, ...]) -> str:
    """Makes them due now. Returns their names."""
    for record in records:
        if record.due_at is None or record.due_at > turn.now or not record.demanded:
            put(turn, replace(record, due_at=min(record.due_at or turn.now, turn.now), demanded=True))
    return names(records)


def after_failure(turn: Turn, option: Option) -> str:
    """An option that did not help: taken back as a whole, or what was not temporary stays."""
    if not option.revert_on_failure:
        # Who was suspended for it is needed no longer, where nothing of it stays.
        return demand(turn, tuple(record for record in opened(turn) if record.last and not record.asks))
    for record in of(turn, option.name, turn.status.reverts):
        if record.state is RevertState.Kept:
            put(turn, replace(record, state=RevertState.Owed, done_at=None))  # it helped for a while only
    return demand(turn, of(turn, option.name, opened(turn)))


def keep(turn: Turn, option: str) -> None:
    """An option that helped: what was not temporary stays."""
    for record in of(turn, option, opened(turn)):
        if record.due_at is None and not record.on_recovery:
            put(turn, replace(record, state=RevertState.Kept, done_at=turn.now))
            for owner in (other for other in opened(turn) if other.last):
                put(turn, replace(owner, asks=True))


def of(turn: Turn, option: str, records: tuple[RevertRecord, ...]) -> tuple[RevertRecord, ...]:
    """Those of this attempt's option."""
    prefix = f"{turn.facts.uid}/{turn.status.attempt}/{option}/"
    return tuple(record for record in records if record.token.startswith(prefix))

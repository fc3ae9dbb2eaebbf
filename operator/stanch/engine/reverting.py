"""What was changed for a time, taken back: at its time, at recovery, after failure, on request. Whatever phase it is.

Theory: a debt (`RevertRecord`) stands in the status with its absolute time before the change is made. It needs no plan: its
image holds what was there, what was written and as whom. Taking back is three-way: only our own fields, only while they
still hold what we wrote; else `Conflict`, and people are called. It is written as a step is: evidence, intent, write.
A debt that is due comes before everything else that the incident would do by itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from stanch.domain.incident import OPEN_REVERTS, Phase, RevertRecord, RevertState, Status, StepRecord, StepState
from stanch.domain.plan import Option, Ref, Step
from stanch.engine import calling, capturing
from stanch.engine.moves import (
    Capture,
    Captured,
    Contested,
    Denied,
    Gone,
    Later,
    Move,
    Prepared,
    PrepareRevert,
    Stale,
    Unneeded,
    WriteRevert,
    Written,
)
from stanch.engine.turn import Turn, clip

# Places in a status, and how many of them open debts may take; the rest is for the latest that are settled.
PLACES, MOST = 48, 40
# Between two tries of what is refused: longer each time that it was written and refused, which fills chain and store.
RETRY, LONGEST = timedelta(seconds=30), timedelta(minutes=20)
LABEL = "revert"
OURS = (PrepareRevert, WriteRevert)
MESSAGE = 253
ASKS = "stays of this incident; bring Git up to it, then Revert this step; or Confirm that you give it back yourself"
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


def may_stay(turn: Turn, record: RevertRecord, said_at: datetime) -> bool:
    """Whether who said then that it stays comes before its time: also where nobody could hear it until now, and nothing was done
    about it yet. Not where somebody wants it back."""
    wanted = record.demanded or turn.in_phase(Phase.Aborting)
    if record.state is not RevertState.Owed or record.due_at is None or wanted:
        return False
    begun = record.retry_at is not None or asked(turn)
    return record.due_at > turn.now or (said_at < record.due_at.replace(microsecond=0) and not begun)


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


# Doing it.


def next_one(turn: Turn) -> RevertRecord | None:
    """Of those due, the one changed last; what follows another (a restart of consumers) after it."""
    if isinstance(turn.effect, OURS):
        # Its outcome is about this one, whatever else has become due meanwhile; settled by a person, it is dropped.
        return next((record for record in opened(turn) if record.token == turn.effect.token), None)
    ready = [record for record in due(turn) if record.state is not RevertState.Conflict and not waits(turn, record)]
    intended = [record for record in ready if record.state is RevertState.Intended]
    return (intended or ready or [None])[-1]


def waits(turn: Turn, record: RevertRecord) -> bool:
    return (record.retry_at is not None and record.retry_at > turn.now) or held_up(turn.status, record)


def held_up(status: Status, record: RevertRecord) -> bool:
    """Whether something comes before it: a step is to be observed (its own: until then nobody knows what there is to take back;
    another's: an object bears one token, and ours would hide it), or what it follows is still there."""
    unobserved = any(step.state is StepState.Intended for step in status.steps)
    return unobserved or needed(status, record) or any(other.token == leader_of(record) for other in open_in(status))


def needed(status: Status, record: RevertRecord) -> bool:
    """Whether an owner must stay suspended: it would undo what is still to be taken back, or what is just being changed."""
    return record.last and (status.phase is Phase.Mitigating or any(not other.last for other in open_in(status)))


def under_way(turn: Turn) -> bool:
    """Whether one may have been written, and is to be observed before anything else is written."""
    return any(record.state is RevertState.Intended for record in turn.status.reverts)


def leader(turn: Turn, record: RevertRecord) -> RevertRecord | None:
    """What it follows, where that is still to be taken back."""
    return next((other for other in opened(turn) if other.token == leader_of(record)), None)


def leader_of(record: RevertRecord) -> str:
    """Token of what it follows; empty: it follows nothing."""
    return f"{record.token.rpartition('/')[0]}/{record.follows}" if record.follows else ""


def next_at(status: Status) -> datetime | None:
    """When a revert needs attention next; None: none does by itself."""
    times = [
        max(at for at in (record.due_at, record.retry_at) if at)
        for record in open_in(status)
        if record.due_at and record.state is not RevertState.Conflict and not held_up(status, record)
    ]
    return min(times, default=None)


def asked(turn: Turn) -> bool:
    """Whether the effect before was one of these here."""
    effect = turn.effect
    return isinstance(effect, OURS) or (isinstance(effect, Capture) and effect.label.startswith(f"{LABEL}-"))


def act(turn: Turn) -> Move | None:
    """The next step towards what is due; None: nothing is."""
    while record := next_one(turn):
        move = write(turn, record) if intended(record) else prepare(turn, record)
        if move is not None:
            return move
    return None


def intended(record: RevertRecord) -> bool:
    """Whether its intent is stored, so that it may have been written."""
    return record.state is RevertState.Intended or (record.state is RevertState.Blocked and bool(record.resource_version))


def prepare(turn: Turn, record: RevertRecord) -> Move | None:
    if outcome := turn.take(PrepareRevert, Prepared):
        if record.asks:
            settle(turn, record, RevertState.Conflict, f"{outcome.summary}, and would undo what {ASKS}")
        elif record.retry_at and not shown(turn):
            # It goes now: with evidence first, as every other.
            put(turn, replace(record, state=RevertState.Owed, retry_at=None))
        else:
            intend(turn, record, outcome)
    elif over := turn.take(PrepareRevert, Unneeded, Gone):
        state = RevertState.Done if isinstance(over, Unneeded) else RevertState.Abandoned
        settle(turn, record, state, over.message)
    elif contested := turn.take(PrepareRevert, Contested):
        settle(turn, record, RevertState.Conflict, contested.message)
    elif failed := turn.take(PrepareRevert, Denied, Later):
        block(turn, record, failed)
    elif not record.retry_at and (capture := evidence(turn)):
        # One that has failed is only tried: a capture before each try of days would fill the store.
        return capture
    else:
        return turn.move(PrepareRevert(record.token, record.image, record.digest))
    return None


def shown(turn: Turn) -> bool:
    """Whether the evidence shows what the taking back could destroy."""
    return not turn.has_plan or capturing.fresh(turn)


def evidence(turn: Turn) -> Move | None:
    """What the taking back could destroy is captured first, within the budget; a time-box is not held up by what is missing."""
    if shown(turn):
        return None
    if outcome := turn.take(Capture, Captured):
        capturing.record(turn, outcome)
        return None
    if failed := turn.take(Capture, Denied, Later):
        turn.say(turn.key("evidence", "incomplete", LABEL), "Capture evidence", expectation="nothing is missing",
                 result=f"{failed.reason}: {failed.message}", next="take back what is due, as its time has come")  # fmt: skip
        return None
    return turn.move(capturing.numbered(turn, LABEL))


def intend(turn: Turn, record: RevertRecord, outcome: Prepared) -> None:
    attempts = record.attempts + 1
    turn.changed(f"{record.token}/revert", record.ref)
    put(turn, replace(record, state=RevertState.Intended, epoch=turn.epoch, attempts=attempts, retry_at=None,
                      resource_version=outcome.resource_version, message=clip(outcome.summary, MESSAGE)))  # fmt: skip
    turn.say(f"{key(turn, record)}/intent/{attempts}", f"Take back {record.step} on {record.ref}",
             expectation=f"due {record.due_at:%Y-%m-%d %H:%M:%S} UTC", next=outcome.summary)  # fmt: skip


def write(turn: Turn, record: RevertRecord) -> Move | None:
    if outcome := turn.take(WriteRevert, Written):
        turn.changed(f"{record.token}/revert", record.ref)
        settle(turn, record, RevertState.Done, record.message if outcome.found else outcome.summary)
    elif gone := turn.take(WriteRevert, Gone):
        settle(turn, record, RevertState.Abandoned, gone.message)
    elif stale := turn.take(WriteRevert, Stale):
        put(turn, replace(record, state=RevertState.Owed, message=clip(stale.message, MESSAGE),
                          retry_at=turn.now + timedelta(seconds=min(record.attempts - 1, 30))))  # fmt: skip
    elif failed := turn.take(WriteRevert, Denied, Later):
        # Not known to be written: its intent stays, and is observed at the next try.
        block(turn, record, failed)
    else:
        fence = record.epoch != turn.epoch
        return turn.move(WriteRevert(record.token, record.image, record.digest, record.resource_version, fence))
    return None


def block(turn: Turn, record: RevertRecord, failed: Denied | Later) -> None:
    """Tried again, quietly; a refusal is for people to mend."""
    state = RevertState.Blocked if isinstance(failed, Denied) else record.state
    again = min(RETRY * 2 ** min(record.attempts, 6), LONGEST) if isinstance(failed, Denied) else turn.after(failed)
    put(turn, replace(record, state=state, message=clip(failed.message, MESSAGE), retry_at=turn.now + again))
    say_blocked(turn, record, failed)
    if isinstance(failed, Denied):
        call(turn, record, failed.message)


def say_blocked(turn: Turn, record: RevertRecord, failed: Denied | Later) -> None:
    """Once for each reason: the same refusal every half minute is neither a line nor a call."""
    if isinstance(failed, Denied) and record.message != clip(failed.message, MESSAGE):
        turn.say(f"{key(turn, record)}/blocked", f"Take back {record.step} on {record.ref}", expectation="it is permitted",
                 result=f"{failed.reason}: {failed.message}", next="tried again; people are called")  # fmt: skip


def settle(turn: Turn, record: RevertRecord, state: RevertState, message: str, *, actor: str = "stanch") -> None:
    put(turn, replace(record, state=state, message=clip(message, MESSAGE), done_at=turn.now, retry_at=None))
    conflict = state is RevertState.Conflict
    turn.say(f"{key(turn, record)}/{str(state).lower()}", f"Take back {record.step} on {record.ref}", actor=actor,
             expectation="our own change is taken back, nobody else's", result=f"{state}: {message}",
             next="people decide: mend it, then Revert; or Confirm that it is dealt with" if conflict else "")  # fmt: skip
    if conflict:
        call(turn, record, message)
    elif not stuck(turn):
        calling.relieve(turn, f"{names((record,))}: {state}, {message}")


def call(turn: Turn, record: RevertRecord, why: str) -> None:
    calling.call(turn, names(stuck(turn)), f"{names((record,))} could not be taken back: {why}")


def key(turn: Turn, record: RevertRecord) -> str:
    """Begins with the attempt that tells it: where a status is lost, the last line says how far the tokens have come."""
    attempt = record.token.split("/", 2)[1]
    earlier = () if attempt == str(turn.status.attempt) else (attempt,)
    return turn.key("revert", *earlier, record.option, record.step)

"""What was changed for a time, taken back: at its time, at recovery, after failure, on request. Whatever phase it is.

Theory: a debt (`RevertRecord`) stands in the status with its absolute time before the change is made. It needs no plan: its
image holds what was there, what was written and as whom. Taking back is three-way: only our own fields, only while they
still hold what we wrote; else `Conflict`, and people are called. It is written as a step is: evidence, intent, write.
A debt that is due comes before everything else that the incident would do by itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from stanch.domain.incident import Phase, RevertRecord, RevertState
from stanch.engine import calling, capturing, debts
from stanch.engine.moves import Capture, Move, PrepareRevert, WriteRevert
from stanch.engine.outcomes import Captured, Contested, Denied, Gone, Later, Prepared, Stale, Unneeded, Written
from stanch.engine.turn import Turn, clip

# Between two tries of what is refused: longer each time that it was written and refused, which fills chain and store.
RETRY, LONGEST = timedelta(seconds=30), timedelta(minutes=20)
LABEL = "revert"
OURS = (PrepareRevert, WriteRevert)
MESSAGE = 253
ASKS = "stays of this incident; bring Git up to it, then Revert this step; or Confirm that you give it back yourself"


def next_one(turn: Turn) -> RevertRecord | None:
    """Of those due, the one changed last; what follows another (a restart of consumers) after it."""
    if isinstance(turn.effect, OURS):
        # Its outcome is about this one, whatever else has become due meanwhile; settled by a person, it is dropped.
        return next((record for record in debts.opened(turn) if record.token == turn.effect.token), None)
    ready = [record for record in debts.due(turn) if record.state is not RevertState.Conflict and not waits(turn, record)]
    intended = [record for record in ready if record.state is RevertState.Intended]
    return (intended or ready or [None])[-1]


def waits(turn: Turn, record: RevertRecord) -> bool:
    return (record.retry_at is not None and record.retry_at > turn.now) or debts.held_up(turn.status, record)


def asked(turn: Turn) -> bool:
    """Whether the effect before was one of these here."""
    effect = turn.effect
    return isinstance(effect, OURS) or (isinstance(effect, Capture) and effect.label.startswith(f"{LABEL}-"))


def may_stay(turn: Turn, record: RevertRecord, said_at: datetime) -> bool:
    """Whether who said then that it stays comes before its time: also where nobody could hear it until now, and nothing was done
    about it yet. Not where somebody wants it back."""
    wanted = record.demanded or turn.in_phase(Phase.Aborting)
    if record.state is not RevertState.Owed or record.due_at is None or wanted:
        return False
    begun = record.retry_at is not None or asked(turn)
    return record.due_at > turn.now or (said_at < record.due_at.replace(microsecond=0) and not begun)


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
            debts.put(turn, replace(record, state=RevertState.Owed, retry_at=None))
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
    debts.put(turn, replace(record, state=RevertState.Intended, epoch=turn.epoch, attempts=attempts, retry_at=None,
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
        debts.put(turn, replace(record, state=RevertState.Owed, message=clip(stale.message, MESSAGE),
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
    debts.put(turn, replace(record, state=state, message=clip(failed.message, MESSAGE), retry_at=turn.now + again))
    say_blocked(turn, record, failed)
    if isinstance(failed, Denied):
        call(turn, record, failed.message)


def say_blocked(turn: Turn, record: RevertRecord, failed: Denied | Later) -> None:
    """Once for each reason: the same refusal every half minute is neither a line nor a call."""
    if isinstance(failed, Denied) and record.message != clip(failed.message, MESSAGE):
        turn.say(f"{key(turn, record)}/blocked", f"Take back {record.step} on {record.ref}", expectation="it is permitted",
                 result=f"{failed.reason}: {failed.message}", next="tried again; people are called")  # fmt: skip


def settle(turn: Turn, record: RevertRecord, state: RevertState, message: str, *, actor: str = "stanch") -> None:
    debts.put(turn, replace(record, state=state, message=clip(message, MESSAGE), done_at=turn.now, retry_at=None))
    conflict = state is RevertState.Conflict
    turn.say(f"{key(turn, record)}/{str(state).lower()}", f"Take back {record.step} on {record.ref}", actor=actor,
             expectation="our own change is taken back, nobody else's", result=f"{state}: {message}",
             next="people decide: mend it, then Revert; or Confirm that it is dealt with" if conflict else "")  # fmt: skip
    if conflict:
        call(turn, record, message)
    elif not debts.stuck(turn):
        calling.relieve(turn, f"{debts.names((record,))}: {state}, {message}")


def call(turn: Turn, record: RevertRecord, why: str) -> None:
    calling.call(turn, debts.names(debts.stuck(turn)), f"{debts.names((record,))} could not be taken back: {why}")


def key(turn: Turn, record: RevertRecord) -> str:
    """Begins with the attempt that tells it: where a status is lost, the last line says how far the tokens have come."""
    attempt = record.token.split("/", 2)[1]
    earlier = () if attempt == str(turn.status.attempt) else (attempt,)
    return turn.key("revert", *earlier, record.option, record.step)

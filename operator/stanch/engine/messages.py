"""Messages to people outside: drafted with each plan, void when what they say is so no more, released by a person's word.

stanch sends none of them. What was released stays as it was read, whatever is planned later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from stanch.domain.decision import Decision
from stanch.domain.incident import TERMINAL, Status
from stanch.domain.messages import MOST, MessageRecord, MessageState
from stanch.domain.timeline import File
from stanch.engine.taken import Taken
from stanch.engine.turn import Turn, clip

# An entry vouches for at most so many files.
FILES = 8
SENT_BY_PEOPLE = "people send it, stanch does not"


def draft(turn: Turn, drafts: Iterable[MessageRecord]) -> None:
    """Those of the new plan instead of the old ones, beside what was released."""
    fixed = tuple(record for record in turn.status.messages if record.state is MessageState.Released)
    names = {record.name for record in fixed}
    turn.set(messages=(*fixed, *(record for record in drafts if record.name not in names))[:MOST])


def vouch(turn: Turn, files: tuple[File, ...]) -> None:
    """The timeline says which bytes each draft had."""
    for first in range(0, len(files), FILES):
        some = files[first : first + FILES]
        turn.say(turn.key("messages", str(first + 1)), "Draft messages", expectation="nobody outside is told before a Release",
                 result=", ".join(file.path for file in some), next="a person of each one's role reads and releases it",
                 files=some)  # fmt: skip


def outdate(turn: Turn, why: str) -> None:
    """What was read before is not what would be told now."""
    turn.set(messages=tuple(void(record, why) for record in turn.status.messages))


def void(record: MessageRecord, why: str) -> MessageRecord:
    if record.state is not MessageState.Draft:
        return record
    return replace(record, state=MessageState.Void, digest="", text="", why=clip(why, 253))


def release(turn: Turn, decision: Decision) -> Taken:
    record = named(turn.status, decision.message)
    if record is None or (why := unfit(turn.status, record, decision.role)):
        return Taken(False, why if record else unknown(turn.status, decision.message))
    if decision.message_digest != record.digest:
        return Taken(False, f"it names text {decision.message_digest}, the text is {record.digest}: read it again")
    done = replace(record, state=MessageState.Released, by=decision.by, at=decision.created_at)
    turn.set(messages=tuple(done if other is record else other for other in turn.status.messages))
    return Taken(True, f"{record.name} for {record.audience} is released, {record.file}, {record.digest}: {SENT_BY_PEOPLE}")


def unfit(status: Status, record: MessageRecord, role: str) -> str:
    """Why it cannot be released under this role; empty: it can be."""
    if status.phase in TERMINAL:
        return f"an incident that is {status.phase} tells nobody anything more"
    if record.state is MessageState.Released:
        return f"{record.by} released {record.name} already, at {record.at:%H:%M:%S} UTC"
    if role != record.role:
        return f"{record.name} is released as {record.role}, not as {role or 'no role'}"
    return f"{record.name} has no text to release: {record.why}" if record.state is MessageState.Void else ""


def named(status: Status, name: str) -> MessageRecord | None:
    return next((record for record in status.messages if record.name == name), None)


def unknown(status: Status, name: str) -> str:
    return f"there is no message {name!a}; there are: {', '.join(record.name for record in status.messages) or 'none'}"

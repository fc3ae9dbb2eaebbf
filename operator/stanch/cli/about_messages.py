"""What follows from `stanch release`, shown with the whole text; and `stanch messages`, which prints it for whoever sends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from stanch.api import codec
from stanch.cli.decide import Said
from stanch.cli.ending import Ending
from stanch.cli.looking import Look, Way
from stanch.cli.output import Format, columns, say, say_json, warn
from stanch.cli.packed import folder_of
from stanch.cli.session import Session
from stanch.domain.decision import Verb
from stanch.domain.incident import Status
from stanch.domain.messages import LONGEST, MessageRecord, MessageState
from stanch.engine.messages import named, unfit, unknown
from stanch.packs.local import Unreadable, read
from stanch.packs.render import printable, visible

HEADS = ("NAME", "STATE", "AUDIENCE", "ROLE", "RELEASED BY", "WHY")


def bound(said: Said, seen: Look) -> Said:
    """To the text as it was seen: when that changes until it is said, what is said has no effect."""
    digest = found(seen.status, said.message).digest
    if said.message_digest and said.message_digest != digest:
        raise Ending(f"--text is {said.message_digest}, but the text is {digest or 'void'} now: read it again")
    return replace(said, message_digest=digest)


def releasing(said: Said, seen: Look) -> Iterator[str]:
    record = found(seen.status, said.message)
    if why := unfit(seen.status, record, said.role):
        raise Ending(why)
    yield printable(f"Message {record.name} for {record.audience}, text {record.digest}:")
    yield from (f"| {line}" for line in lines(record, seen.status))
    yield "Its text is fixed then. stanch sends it nowhere: people do"


WAYS = {Verb.Release: Way(releasing, bound, lambda said: printable(f"{said.message} of {said.incident}"))}


async def show(session: Session, incident: str, name: str, output: Format) -> None:
    status = codec.status_of(await session.incident(incident))
    if output is Format.json:
        chosen = [found(status, name)] if name else status.messages
        say_json({"messages": [plain(record) for record in chosen]})
    elif name:
        for line in one(found(status, name), status):
            say(line)
    else:
        for line in columns(HEADS, [row(record) for record in status.messages]):
            say(line)


def row(record: MessageRecord) -> tuple[str, ...]:
    return record.name, str(record.state), record.audience, record.role, record.by, record.why


def one(record: MessageRecord, status: Status) -> Iterator[str]:
    """The text alone, to be sent as it is; that nobody released it is said beside it."""
    if record.state is MessageState.Void:
        raise Ending(f"{record.name} has no text: {record.why}")
    if record.state is MessageState.Draft:
        warn(f"{record.name} is a draft: nobody outside may be told it before {record.role} releases it")
    yield from lines(record, status)


def plain(record: MessageRecord) -> dict[str, str]:
    told = {"name": record.name, "state": str(record.state), "audience": record.audience, "role": record.role}
    more = {"digest": record.digest, "text": record.text, "file": record.file if record.digest else "", "by": record.by}
    return told | more | {"why": record.why, "at": record.at.isoformat() if record.at else ""}


def found(status: Status, name: str) -> MessageRecord:
    if record := named(status, name):
        return record
    raise Ending(unknown(status, name))


def lines(record: MessageRecord, status: Status) -> list[str]:
    """Raises `Ending` where the text cannot be had: nobody releases, or sends, what they did not read."""
    text = record.text or packed(record, status.pack.uri)
    if codec.digest(text.encode()) != record.digest:
        raise Ending(f"the text of {record.name} is not the one with digest {record.digest}: somebody changed it")
    return [visible(line.replace("\t", " ")) for line in text.splitlines()]


def packed(record: MessageRecord, uri: str) -> str:
    if (folder := folder_of(uri)) is None:
        raise Ending(f"the text of {record.name} is {record.file} in the pack {uri}, which is no folder of this machine")
    try:
        return read(folder, record.file, 4 * LONGEST).decode("utf-8", "replace")
    except Unreadable as failure:
        raise Ending(f"the text of {record.name}, {record.file} in {folder}: {failure}") from failure

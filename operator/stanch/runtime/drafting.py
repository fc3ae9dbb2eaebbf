"""The policy's messages as they would be told of one incident: filled in, and put into its pack. Nobody is told them here."""

from __future__ import annotations

from dataclasses import replace

from stanch.api import codec
from stanch.api.policy import Message, ResponsePolicy
from stanch.domain.messages import LONGEST, MessageRecord, MessageState
from stanch.domain.timeline import File
from stanch.engine.expressions import Failed
from stanch.engine.messages import void
from stanch.engine.templates import Scope, render
from stanch.engine.values import text_of
from stanch.runtime.case import Case
from stanch.runtime.rendering import scope_of


async def drafts(case: Case, policy: ResponsePolicy) -> tuple[tuple[MessageRecord, ...], tuple[File, ...]]:
    """The records, and the files that they are in. A template that cannot be filled in holds nothing up: its message is void."""
    scope = scope_of(case.facts, {}, ())
    made = [await drafted(case, message, scope) for message in policy.messages]
    return tuple(record for record, _ in made), tuple(file for _, file in made if file)


async def drafted(case: Case, message: Message, scope: Scope) -> tuple[MessageRecord, File | None]:
    bare = MessageRecord(message.name, message.audience, message.released_by, MessageState.Draft)
    text = filled(message, scope)
    if isinstance(text, Failed):
        return void(bare, text.message), None
    record = replace(bare, text=text, digest=codec.digest(text.encode()))
    return record, await case.pack.put(record.file, text.encode())


def filled(message: Message, scope: Scope) -> str | Failed:
    rendered = render(message.text, scope)
    if isinstance(rendered, Failed):
        return rendered
    if rendered.unbound:
        return Failed("it speaks of facts, and is drafted before any is known")
    text = text_of(rendered.value)
    if not text.strip():
        return Failed("it comes to nothing")
    return text if len(text) <= LONGEST else Failed(f"it comes to {len(text)} characters, at most {LONGEST} are taken")

"""Messages to people outside, as the status of an incident keeps them. stanch drafts them; a person releases, and people send."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from stanch.domain.record import SHORT, Record, doc

# Of one message; and how many there are.
LONGEST, MOST = 4096, 16


class MessageState(StrEnum):
    """Draft: nobody may be told it yet. Released: people may send it; its text is fixed. Void: it has no text that could be
    released, and says why."""

    Draft = "Draft"
    Released = "Released"
    Void = "Void"


@dataclass(frozen=True)
class MessageRecord(Record):
    name: str = doc("Name of the message in the policy.", max_length=63)
    audience: str = doc("Whom it is for.", max_length=63)
    role: str = doc("Role under which it is released.", max_length=63)
    state: MessageState = doc("Whether people may be told it.")
    digest: str = doc("SHA-256 of the text; a Release names it.", default="", max_length=71)
    text: str = doc("The text; left out where the status has no room for it: the pack has it.", default="", max_length=LONGEST)
    why: str = doc("Why it has no text.", default="", max_length=SHORT)
    by: str = doc("User name of who released it.", default="", max_length=SHORT)
    at: datetime | None = doc("When the Decision was created.", default=None)

    @property
    def file(self) -> str:
        """Where the pack has the text: by its content, so that a text drafted anew never meets an old one."""
        return f"messages/{self.name}-{self.digest.removeprefix('sha256:')[:12]}.txt"

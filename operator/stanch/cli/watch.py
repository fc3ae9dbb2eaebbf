"""`stanch watch`: the picture of one incident, once or until it is settled; without a name, the table of all.

Exit codes: 0 the incident is Resolved or Closed (or was shown once), 3 it ended Aborted or Failed. Escalated and Waiting are
no end: a person's answer brings the incident on, and the picture with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from rich.console import Console, RenderableType
from rich.text import Text

from stanch.api import codec
from stanch.cli import listing, picture
from stanch.cli.ending import Code, Ending
from stanch.cli.screen import Screen, opened, unpadded
from stanch.cli.session import Session
from stanch.domain.incident import SETTLED, Facts, Phase, Status
from stanch.engine.errors import Retryable
from stanch.engine.ports import Object

POLL = 1.0
LONGEST_WAIT = 30.0
UNHAPPY = frozenset({Phase.Aborted, Phase.Failed})

Sleep = Callable[[float], Awaitable[None]]
T = TypeVar("T")


@dataclass(frozen=True)
class Seen:
    """One look at an incident, by the API server's clock."""

    facts: Facts
    status: Status
    now: datetime


@dataclass(frozen=True)
class View:
    """Where the picture goes, and how many options it may show."""

    console: Console
    limit: int = picture.ALL

    def draw(self, seen: Seen) -> RenderableType:
        """Fits a terminal's height; what is not a terminal scrolls, and gets all."""
        width, height = self.console.size
        if not self.console.is_terminal:
            return unpadded(self.console, picture.picture(seen.facts, seen.status, seen.now, width, self.limit))
        # One line stays free: a terminal scrolls when its last line ends.
        return picture.fitting(seen.facts, seen.status, seen.now, width, height - 1, self.limit)


def look(session: Session, raw: Object) -> Seen:
    return Seen(codec.facts_of(raw), codec.status_of(raw), session.clock.now())


async def once(session: Session, name: str, view: View) -> None:
    view.console.print(view.draw(look(session, await session.incident(name))))


async def follow(session: Session, name: str, view: View, sleep: Sleep = asyncio.sleep) -> None:
    """Until the incident is settled. Raises `Ending` (Unhappy) when that is Aborted or Failed, `NotFound` when it is gone."""
    seen = look(session, await session.incident(name))
    uid = seen.facts.uid
    with opened(view.console) as screen:
        screen.show(view.draw(seen), seen.status)
        while not settled(seen.status):
            await sleep(POLL)
            seen = look(session, await patiently(lambda: session.incident(name, uid), screen, sleep))
            screen.show(view.draw(seen), seen.status)
    if seen.status.phase in UNHAPPY:
        raise Ending(f"incident {name} is {seen.status.phase}: {seen.status.message}", Code.Unhappy)


async def follow_all(session: Session, everywhere: bool, view: View, sleep: Sleep = asyncio.sleep) -> None:
    """The table of incidents, for ever."""
    with opened(view.console) as screen:
        while True:
            found, _ = await patiently(lambda: listing.read(session, everywhere), screen, sleep)
            lines = listing.lines(found, session.clock.now(), everywhere) or ["no incidents"]
            most = view.console.height - 1 if view.console.is_terminal else len(lines)
            table = Text("\n".join(lines[:most]), no_wrap=True, overflow="ellipsis")
            screen.show(table, [item["metadata"]["resourceVersion"] for item in found])
            await sleep(POLL)


def settled(status: Status) -> bool:
    """Nothing more comes by itself: also what is owed to the pack has been written."""
    owed = bool(status.pack.uri) and status.pack.sealed < status.pack.head.seq
    return status.phase in SETTLED and not status.locked and not owed


async def patiently(read: Callable[[], Awaitable[T]], screen: Screen, sleep: Sleep) -> T:
    """What `read` gives. While the API server does not answer, the last picture stays, and says so."""
    wait = POLL
    while True:
        try:
            return await read()
        except Retryable as failure:
            screen.stale(f"not up to date: {failure.message}")
            wait = min(max(wait * 2, failure.after), LONGEST_WAIT)
            await sleep(wait)

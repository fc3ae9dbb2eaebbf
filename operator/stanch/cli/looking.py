"""What a command sees before it asks: the incident as it stands, who asks, and what would follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from stanch.api import codec
from stanch.cli import plan as plans
from stanch.cli.decide import Said
from stanch.cli.ending import Ending
from stanch.cli.session import Session
from stanch.domain.incident import Facts, Status
from stanch.domain.plan import Plan
from stanch.engine.ports import Object
from stanch.engine.summary import TRUSTED
from stanch.engine.vouching import Distrust
from stanch.packs.render import printable


@dataclass(frozen=True)
class Look:
    """`plan` is read where it matters; None with `unreadable`: it cannot be read from here, and why."""

    raw: Object
    facts: Facts
    status: Status
    user: str
    now: datetime
    plan: Plan | None = None
    unreadable: str = ""


@dataclass(frozen=True)
class Way:
    """How a verb is shown. `bind`: what was typed, in full. `follows`: what comes of it, line by line; each raises `Ending` where
    nothing waits for it. `subject`: what the question is about. `of_plan`: the plan is read for it."""

    follows: Callable[[Said, Look], Iterator[str]]
    bind: Callable[[Said, Look], Said] = lambda said, _: said
    subject: Callable[[Said], str] = lambda said: said.incident
    of_plan: bool = False


async def look(session: Session, name: str, before: Look | None = None) -> Look:
    """`before`: an earlier look at the same incident, whose time still counts, so that the two differ in nothing but facts."""
    raw = await session.incident(name, before.facts.uid if before else "")
    user, now = (before.user, before.now) if before else (await session.user(), session.clock.now())
    return Look(raw, codec.facts_of(raw), codec.status_of(raw), user, now)


def believed(status: Status) -> Iterator[str]:
    """Nothing where Decisions are believed. Raises `Ending` where what is said now will never count: the API server does not vouch
    for who says it. Where only nobody knows, what is said waits, and that is a line."""
    distrust = next((c for c in status.conditions if c.type == TRUSTED and c.status == "False"), None)
    if distrust is None:
        return
    why = f"({distrust.reason}): {printable(distrust.message)}"
    if distrust.reason != Distrust.Unreadable:
        raise Ending(f"no Decision is accepted now, and what is said now does not count afterwards {why}")
    yield f"It waits: no Decision is accepted now {why}"


async def with_plan(session: Session, seen: Look, operator_namespace: str) -> Look:
    """Who cannot read the plan is told so, and sees the rest."""
    if not seen.status.plan_digest:
        return replace(seen, unreadable=f"incident {seen.facts.name} has no plan")
    try:
        data, _ = await plans.stored(session, seen.status, seen.facts.uid, operator_namespace)
    except Ending as unreadable:
        return replace(seen, unreadable=unreadable.message)
    return replace(seen, plan=codec.plan_of(data))

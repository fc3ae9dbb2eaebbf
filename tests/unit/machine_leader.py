"""A life of the operator that goes on operation by operation, as a test lets it: held up, overtaken by another one, killed.

Each life stops before each of its operations and goes on when it is let, so that a stale leader can be held between its
intent and its write for as long as the new one needs to do everything itself. It learns that it does not lead any more when
it asks (`Term.holds`), not before; or never, which no clock would allow and which must double nothing either.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from stanch.engine.errors import Conflict, Failure, Refused, Retryable
from tests.unit.memory import Crash
from tests.unit.world import KEY, Life, Site
from tests.unit.world_gates import Held, Op

# Turns of the loop in which a life that is not held would have come to its next operation.
STILL = 25


class Mortal(Held):
    """One that can also end the life when an operation has taken effect and its answer is still under way."""

    dying = False
    # When set, only what begins so is held.
    only = ""

    async def before(self, op: Op) -> None:
        if op.what.startswith(self.only):
            await super().before(op)

    def let_one(self) -> None:
        _, future = self.waiting.popleft()
        if not future.done():  # done: cancelled, with the capture that it was part of
            future.set_result(None)

    async def after(self, op: Op) -> None:
        if self.dying:
            raise Crash


@dataclass(frozen=True)
class Rest:
    """How a tick ended: when it looks again by itself (None: when something happens), or what it failed with."""

    at: datetime
    delay: float | None
    failed: Failure | None = None


class Leader:
    """One life, and its tick under way."""

    def __init__(self, site: Site, epoch: int) -> None:
        self.gate = Mortal()
        self.life = Life(site, epoch, self.gate)
        self.ticking: asyncio.Task[Rest] | None = None
        self.rest: Rest | None = None

    async def tick(self) -> Rest:
        clock = self.life.site.server.time
        try:
            wake_at = await self.life.ticker.tick(KEY)
        except Conflict as failure:
            return Rest(clock.now(), 0.05, failure)
        except Retryable as failure:
            return Rest(clock.now(), min(failure.after, 5.0), failure)
        except Refused as failure:
            return Rest(clock.now(), 30.0, failure)
        return Rest(clock.now(), None if wake_at is None else max((wake_at - clock.now()).total_seconds(), 0.0))

    async def steps(self, number: int) -> None:
        """Lets so many operations go; a tick that ends is followed by another one the next time."""
        if self.ticking is None or self.ticking.done():
            self.ended()
            self.ticking, self.rest = asyncio.create_task(self.tick()), None
        for _ in range(number):
            await still()
            if not self.gate.waiting:
                break
            self.gate.let_one()
        await still()
        if self.ticking.done():
            self.ended()

    async def whole(self) -> Rest | None:
        """Lets the tick come to its end, or makes a whole one."""
        if self.ticking is None:
            self.ticking = asyncio.create_task(self.tick())
        await self.finish()
        self.gate.free = False
        return self.rest

    async def until(self, what: str) -> None:
        """Up to the operation that begins so."""
        for _ in range(500):
            await self.steps(0)
            if self.at(what):
                return
            if self.gate.waiting:
                self.gate.let_one()
        raise AssertionError(f"it never came to {what}")

    async def towards(self, what: str) -> bool:
        """Whether it is about to do what begins so; False: its tick has ended before."""
        if self.ticking is None:
            self.ticking, self.rest = asyncio.create_task(self.tick()), None
        self.gate.only = what
        while self.ticking is not None and not self.at(what):
            if self.gate.waiting:
                self.gate.let_one()
            await still()
            if self.ticking.done():
                self.ended()
        self.gate.only = ""
        return self.ticking is not None

    def at(self, what: str) -> bool:
        """Whether it is held before the operation that begins so."""
        return bool(self.gate.waiting) and self.gate.waiting[0][0].what.startswith(what)

    def ended(self) -> None:
        """Raises what the tick failed with, where that was no failure of the world."""
        if self.ticking is not None:
            self.rest = self.ticking.result()
            self.ticking = None

    async def finish(self) -> None:
        self.gate.let_all()
        if self.ticking is not None:
            self.rest = await self.ticking
            self.ticking = None

    async def die(self, *, late: bool) -> None:
        """As by SIGKILL: before the operation that it is held at, or when that has taken effect. Nothing leaves it any more."""
        if late and self.gate.waiting:
            self.gate.dying = True
            self.gate.let_one()
            await still()
        self.life.passage.dead = True
        self.gate.let_all()
        if self.ticking is not None:
            await asyncio.wait([self.ticking])
            if (error := self.ticking.exception()) is not None and not crashed(error):
                raise error
            self.ticking = None


def crashed(error: BaseException) -> bool:
    """Whether it ended as a process that is killed does: what else went on in it failed with it."""
    if isinstance(error, BaseExceptionGroup):
        return any(crashed(one) for one in error.exceptions) and error.subgroup(AssertionError) is None
    return isinstance(error, Crash)


async def still() -> None:
    for _ in range(STILL):
        await asyncio.sleep(0)


async def take_over(site: Site, old: Leader) -> Leader:
    old.life.leads = False
    site.passes(20)
    return Leader(site, old.life.epoch + 1)

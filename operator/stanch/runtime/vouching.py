"""Takes Decisions in once the API server vouches for them: looks at the start, regularly, and again for each that comes.

A Decision reaches its incident only after a look that began when it was there already and found policy and binding unchanged since
the look before: so it was made under them. What is not vouched for waits here, and is lost by nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from stanch.domain.decision import Decision
from stanch.engine.vouching import Trust, Vouched
from stanch.runtime.metrics import Metrics
from stanch.runtime.witness import SOON, Witness, until_next

log = structlog.get_logger()

# Seconds at least between two looks: whoever floods the operator with Decisions does not flood the API server through it.
SPACING = 0.2
# How often it is tried before the first incident is looked at: an Abort must not come after the write that it stops.
TRIES = 5


@dataclass
class Vouching:
    """`take`: a Decision that is vouched for. `changed`: the answer is another one; incidents are to be looked at."""

    witness: Witness
    metrics: Metrics
    take: Callable[[Decision], None]
    changed: Callable[[], None]
    waiting: dict[str, Decision] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def trust(self) -> Trust:
        return self.witness.trust

    def hear(self, decision: Decision) -> None:
        """It waits for the next look, which follows at once."""
        self.waiting[decision.uid] = decision
        self._wake.set()

    def forget(self, decision: Decision) -> None:
        self.waiting.pop(decision.uid, None)

    async def begin(self) -> None:
        """Looks until there is an answer, a few times."""
        for _ in range(TRIES):
            if await self.look():
                return
            await asyncio.sleep(SOON / TRIES)

    async def run(self) -> None:
        """Looks until cancelled."""
        answered = True
        while True:
            await self._pause(until_next(answered and isinstance(self.trust, Vouched)))
            answered = await self.look()

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(SPACING)
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def look(self) -> bool:
        """False: it could not be found out, and no Decision is taken on the last answer."""
        self._wake.clear()
        there, was = tuple(self.waiting.values()), self.trust
        answered = await self.witness.look()
        self.metrics.vouched.set(int(isinstance(self.trust, Vouched)))
        if self.witness.differs(was):
            self.changed()
        if answered and isinstance(self.trust, Vouched):
            for decision in there:
                if self.waiting.pop(decision.uid, None):
                    self.take(decision)
        return answered

"""Looks at the start and regularly whether the admission policies for Incidents, Playbooks and deletions are in force, too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from stanch.engine.vouching import Lapse, NotVouched, Vouched
from stanch.runtime.metrics import Metrics
from stanch.runtime.witness import Witness, until_next


@dataclass
class Admission:
    """`changed`: an answer is another one; incidents are to be looked at."""

    witnesses: tuple[Witness, ...]
    metrics: Metrics
    changed: Callable[[], None]

    def lapses(self) -> tuple[Lapse, ...]:
        return tuple(Lapse(one.policy, one.trust) for one in self.witnesses if isinstance(one.trust, NotVouched))

    async def run(self) -> None:
        """Looks until cancelled."""
        answered = True
        while True:
            await asyncio.sleep(until_next(answered and not self.lapses()))
            answered = await self.look()

    async def look(self) -> bool:
        """False: of one it could not be found out."""
        was = [one.trust for one in self.witnesses]
        answers = await asyncio.gather(*(one.look() for one in self.witnesses))
        for one in self.witnesses:
            self.metrics.in_force.labels(one.policy.name).set(int(isinstance(one.trust, Vouched)))
        if any(one.differs(before) for one, before in zip(self.witnesses, was, strict=True)):
            self.changed()
        return all(answers)

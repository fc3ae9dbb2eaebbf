"""Performs the one effect of a move, and turns every way in which that can fail into an outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from stanch.engine.errors import Conflict, Refused, Retryable
from stanch.engine.moves import (
    Capture,
    Denied,
    Effect,
    Later,
    Mark,
    Outcome,
    Prepare,
    Read,
    Release,
    Resolve,
    Seal,
    Stale,
    Write,
)
from stanch.runtime.capture import capture
from stanch.runtime.case import Case
from stanch.runtime.finish import mark, release, seal
from stanch.runtime.metrics import Metrics
from stanch.runtime.readings import read
from stanch.runtime.resolve import resolve
from stanch.runtime.world import World
from stanch.runtime.write import prepare, write

log = structlog.get_logger()

PERFORMERS: Mapping[type, Callable[[World, Case, Any], Awaitable[Outcome]]] = {
    Resolve: resolve,
    Capture: capture,
    Prepare: prepare,
    Write: write,
    Read: read,
    Release: release,
    Seal: seal,
    Mark: mark,
}


class Effects:
    def __init__(self, world: World, metrics: Metrics) -> None:
        self.world = world
        self.metrics = metrics

    async def perform(self, case: Case, effect: Effect) -> Outcome:
        """Raises nothing of `engine.errors`: a failure is an outcome, and `decide` says what follows from it."""
        try:
            outcome = await PERFORMERS[type(effect)](self.world, case, effect)
        except Refused as failure:
            outcome = Denied(failure.reason, failure.message)
        except Conflict as failure:
            outcome = Stale(failure.message) if isinstance(effect, Write) else Later(failure.reason, failure.message, 0.2)
        except Retryable as failure:
            outcome = Later(failure.reason, failure.message, failure.after)
        self.metrics.effects.labels(type(effect).__name__, type(outcome).__name__).inc()
        log.info("effect",
                 effect=type(effect).__name__, outcome=type(outcome).__name__)  # fmt: skip
        return outcome

"""Performs the one effect of a move, and turns every way in which that can fail into an outcome."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from stanch.engine.errors import Conflict, Refused, Retryable
from stanch.engine.moves import (
    Bind,
    Capture,
    Collect,
    Effect,
    Mark,
    Prepare,
    PrepareRevert,
    Read,
    Recognize,
    Release,
    Resolve,
    Seal,
    Settle,
    Write,
    WriteRevert,
)
from stanch.engine.outcomes import Denied, Held, Later, Outcome, Stale
from stanch.runtime.bind import bind
from stanch.runtime.capture import capture
from stanch.runtime.case import Case
from stanch.runtime.collect import collect
from stanch.runtime.finish import mark, release, seal
from stanch.runtime.metrics import Metrics
from stanch.runtime.readings import read
from stanch.runtime.recognize import recognize
from stanch.runtime.resolve import resolve
from stanch.runtime.revert import prepare_revert, write_revert
from stanch.runtime.world import World
from stanch.runtime.write import prepare, settle, write

log = structlog.get_logger()

PERFORMERS: Mapping[type, Callable[[World, Case, Any], Awaitable[Outcome]]] = {
    Resolve: resolve,
    Bind: bind,
    Capture: capture,
    Recognize: recognize,
    Prepare: prepare,
    Write: write,
    Settle: settle,
    PrepareRevert: prepare_revert,
    WriteRevert: write_revert,
    Read: read,
    Release: release,
    Seal: seal,
    Mark: mark,
    Collect: collect,
}


class Effects:
    def __init__(self, world: World, metrics: Metrics) -> None:
        self.world = world
        self.metrics = metrics

    async def perform(self, case: Case, effect: Effect) -> Outcome:
        """Raises nothing of `engine.errors`: a failure is an outcome, and `decide` says what follows from it."""
        begun = time.perf_counter()
        try:
            outcome = await PERFORMERS[type(effect)](self.world, case, effect)
        except Refused as failure:
            outcome = Denied(failure.reason, failure.message)
        except Conflict as failure:
            outcome = Stale(failure.message) if isinstance(effect, Write) else Later(failure.reason, failure.message, 0.2)
        except Retryable as failure:
            outcome = Later(failure.reason, failure.message, failure.after)
        self.metrics.effects.labels(type(effect).__name__, type(outcome).__name__).inc()
        seconds = round(time.perf_counter() - begun, 6)
        log.info("effect", effect=type(effect).__name__, outcome=type(outcome).__name__, seconds=seconds, **why(outcome))
        return outcome


def why(outcome: Outcome) -> dict[str, str]:
    """Messages of failures hold no secrets (engine.errors)."""
    if isinstance(outcome, Held):
        return {"why": str(outcome.block)}
    return {"why": outcome.message} if isinstance(outcome, Denied | Later | Stale) else {}

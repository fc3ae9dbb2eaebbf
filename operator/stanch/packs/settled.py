"""Work that is finished even when the one who waits for it is cancelled: half-written evidence helps nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from stanch.engine.errors import Retryable

T = TypeVar("T")


async def settled(work: Coroutine[Any, Any, T], path: str, seconds: float = 60.0) -> T:
    """Runs `work` to its end. A cancellation waits for that end, then goes on. `Retryable` (StoreSlow) after
    `seconds`.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=seconds)
        # Read here, or asyncio reports it later as never retrieved; the cancellation is what the caller must see.
        if not task.done():
            task.cancel()
        elif not task.cancelled():
            task.exception()
        raise
    if not task.done():
        task.cancel()
        raise Retryable("StoreSlow", f"{path}: the evidence store did not answer within {seconds:g} s", after=5)
    return task.result()

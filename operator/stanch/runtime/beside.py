"""Requests that do not wait for one another: an incident's first mitigation is late by each that does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

A = TypeVar("A")
B = TypeVar("B")


@asynccontextmanager
async def beside(looking: Coroutine[Any, Any, A]) -> AsyncIterator[asyncio.Task[A]]:
    """Looks meanwhile; who needs what is found awaits the task. It ends with the block, so nothing is written this way."""
    task = asyncio.create_task(looking)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def both(one: Coroutine[Any, Any, A], other: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """Each to its end, also where the other fails; then the first failure is raised."""
    found = await asyncio.gather(one, other, return_exceptions=True)
    for failure in found:
        if isinstance(failure, BaseException):
            raise failure
    return found  # type: ignore[return-value]

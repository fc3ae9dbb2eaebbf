"""Reading the cluster for evidence: what cannot be read becomes a line under `missing`, and the rest goes on.

Only failures of the cluster are caught here, inside of `Listing` and `read`, never around code that also writes, lest a
failure of the pack be taken for one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Generic, TypeVar

from stanch.engine.errors import Failure, Retryable
from stanch.engine.parts import Scope

T = TypeVar("T")

# Seconds before each further try of what failed. Evidence that lacks a part holds an incident up until a person comes, so a
# moment's trouble is not to cost one; what stays away is given up before it costs more than a few seconds.
PAUSES = (0.25, 0.5, 1.0, 2.0)
TRIES: tuple[float | None, ...] = (*PAUSES, None)
MESSAGE = 400
AT_ONCE = 16
FORBIDDEN = "Forbidden"


def because(failure: Failure, needs: str) -> str:
    """Why something is missing; for a refusal by RBAC, also which permission lacks."""
    text = f"{failure.reason}: {failure.message}"[:MESSAGE]
    if failure.reason != FORBIDDEN:
        return text
    return f"{text} (the playbook's ServiceAccount lacks {needs}; `stanch rbac` prints the Role that it needs)"


async def once_more(failure: Failure, pause: float | None) -> bool:
    """Whether what failed is to be tried again; the pause is over then. None: it was the last try."""
    if pause is None or not isinstance(failure, Retryable):
        return False
    await asyncio.sleep(min(failure.after, pause))
    return True


async def retried(call: Callable[[], Awaitable[T]]) -> T:
    """The result of `call`, which is tried again, after each of PAUSES, while its failure is Retryable."""
    for pause in PAUSES:
        try:
            return await call()
        except Retryable as failure:
            await once_more(failure, pause)
    return await call()


async def read(scope: Scope, what: str, needs: str, call: Callable[[], Awaitable[T]]) -> T | None:
    """The result of `call`; None when it cannot be had, which is then recorded as missing under the name `what`."""
    scope.ledger.pending.add(what)
    result: T | None = None
    try:
        result = await retried(call)
    except Failure as failure:
        scope.ledger.missing.append(f"{what}: {because(failure, needs)}")
    scope.ledger.pending.discard(what)
    return result


class Listing(Generic[T]):
    """Iterates over what `make` lists, at most `limit` of it. Ends early when the cluster fails.

    `failure` then says why (and is recorded as missing under the name `what`): fewer items are not "there are no more".
    """

    def __init__(self, scope: Scope, what: str, needs: str, make: Callable[[], AsyncIterator[T]], limit: int = 1_000_000) -> None:
        self.failure = ""
        self.count = 0
        self._scope, self._what, self._needs, self._make, self._limit = scope, what, needs, make, limit

    async def __aiter__(self) -> AsyncIterator[T]:
        ledger = self._scope.ledger
        ledger.pending.add(self._what)
        for pause in TRIES:
            try:
                async for item in self._make():
                    if self.count == self._limit:
                        ledger.cut.append(f"{self._what}: cut after {self._limit}")
                        break
                    self.count += 1
                    yield item
                break
            except Failure as failure:
                if self.count == 0 and await once_more(failure, pause):
                    continue
                self.failure = because(failure, self._needs)
                ledger.missing.append(f"{self._what}: {self.failure}")
                break
        # Not in a `finally`: what the end of the budget interrupts must stay pending.
        ledger.pending.discard(self._what)


async def each(items: AsyncIterable[T], work: Callable[[T], Awaitable[None]], at_once: int = AT_ONCE) -> None:
    """Runs `work` on every item, `at_once` at a time, without ever holding more items than that."""
    slots = asyncio.Semaphore(at_once)

    async def run(item: T) -> None:
        try:
            await work(item)
        finally:
            slots.release()

    async with asyncio.TaskGroup() as tasks:
        async for item in items:
            await slots.acquire()
            tasks.create_task(run(item))


async def over(items: Iterable[T]) -> AsyncIterator[T]:
    for item in items:
        yield item

"""Looks whether the API server vouches for Decisions: at the start, regularly, and again for each that comes.

A Decision reaches its incident only after a look that began when it was there already and found policy and binding unchanged since
the look before: so it was made under them. What is not vouched for waits here, and is lost by nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import SystemRandom

import structlog

from stanch.domain.decision import Decision
from stanch.domain.plan import Ref
from stanch.engine.errors import Conflict, Failure, NotFound, Refused
from stanch.engine.ports import Clock, Cluster, Object
from stanch.engine.vouching import (
    NAME,
    Distrust,
    NotVouched,
    Trust,
    Vouched,
    altered,
    mark_of,
    missing,
    probe,
    recorded_since,
    unproven,
    unreadable,
)
from stanch.runtime.metrics import Metrics

log = structlog.get_logger()

API = "admissionregistration.k8s.io/v1"
POLICY = Ref(API, "ValidatingAdmissionPolicy", "", NAME)
BINDING = Ref(API, "ValidatingAdmissionPolicyBinding", "", NAME)
# Seconds: between looks, while all is well and while not; for how long the last answer holds where none is to be had.
PERIOD, SOON, KEPT = 60.0, 5.0, 180.0
# Seconds at least between two looks: whoever floods the operator with Decisions does not flood the API server through it.
SPACING = 0.2
# How often it is tried before the first incident is looked at: an Abort must not come after the write that it stops.
TRIES = 5
TAKEN = "AlreadyExists"
UNSEEN = NotVouched(Distrust.Unreadable, "Whether the API server vouches for Decisions was not looked at yet")


@dataclass
class Vouching:
    """`take`: a Decision that is vouched for. `changed`: the answer is another one; incidents are to be looked at."""

    own: Cluster
    clock: Clock
    namespace: str
    metrics: Metrics
    take: Callable[[Decision], None]
    changed: Callable[[], None]
    monotonic: Callable[[], float] = time.monotonic
    trust: Trust = UNSEEN
    waiting: dict[str, Decision] = field(default_factory=dict)
    # The last answer that all was well, until another one says that it is not.
    _good: Vouched | None = None
    # Whether something was not well in this life of the operator.
    _broken: bool = False
    _answered: float | None = None
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

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
            await self._pause(PERIOD * SystemRandom().uniform(0.9, 1.1) if answered and isinstance(self.trust, Vouched) else SOON)
            answered = await self.look()

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(SPACING)
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def look(self) -> bool:
        """False: it could not be found out."""
        self._wake.clear()
        there = tuple(self.waiting.values())
        try:
            answer = await self._answer()
        except Failure as failure:
            self._unanswered(unreadable(failure))
            return False
        self._answered = self.monotonic()
        self._become(answer)
        if isinstance(answer, Vouched):
            for decision in there:
                if self.waiting.pop(decision.uid, None):
                    self.take(decision)
        return True

    def _unanswered(self, why: NotVouched) -> None:
        """The last answer holds for a while; no Decision is taken on it."""
        if self._answered is None or self.monotonic() - self._answered > KEPT:
            self._become(why)

    async def _answer(self) -> Trust:
        """Raises `Failure` where it cannot be found out."""
        read = await self._read()
        if isinstance(read, NotVouched):
            return self._bad(read)
        if bad := altered(*read) or unproven(await self._refusal()):
            return self._bad(bad)
        return self._well(*read)

    async def _read(self) -> tuple[Object, Object] | NotVouched:
        found = []
        for ref, reason in ((POLICY, Distrust.PolicyMissing), (BINDING, Distrust.BindingMissing)):
            try:
                found.append(await self.own.get(ref))
            except NotFound:
                return missing(reason, ref.kind)
        return found[0], found[1]

    async def _refusal(self) -> Failure | None:
        """How a forged Decision is refused, of which nothing is kept. Raises `Failure` where that is not known: a conflict is about
        what is stored, and says nothing about admission, but where the name is taken: that is found out after admission."""
        try:
            await self.own.create(probe(self.namespace), dry_run=True)
        except Refused as failure:
            return failure
        except Conflict as failure:
            if failure.reason != TAKEN:
                raise
        return None

    def _bad(self, why: NotVouched) -> NotVouched:
        self._good, self._broken = None, True
        return why

    def _well(self, policy: Object, binding: Object) -> Vouched:
        """Unbroken, it is what it was. After a break, or a change, it holds from now on; the first look in this life goes by what
        Kubernetes has on record."""
        mark, recorded, now = mark_of(policy, binding), recorded_since(policy, binding), self.clock.now()
        if self._good is None or self._good.mark != mark:
            since = max(recorded, now) if self._broken or self._good else recorded
            self._good = Vouched(mark, since, now)
        self._broken = False
        return self._good

    def _become(self, trust: Trust) -> None:
        was, self.trust = self.trust, trust
        self.metrics.vouched.set(int(isinstance(trust, Vouched)))
        if said(was) == said(trust):
            return
        log.warning("decisions.trust", trusted=isinstance(trust, Vouched), what=said(trust))
        self.changed()


def said(trust: Trust) -> str:
    """What is told apart: a message may differ from look to look."""
    return trust.mark if isinstance(trust, Vouched) else str(trust.reason)

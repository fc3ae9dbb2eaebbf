"""Who leads: a Lease (coordination.k8s.io/v1) in the operator's namespace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Protocol

from stanch.domain.plan import Ref
from stanch.engine.errors import Conflict, Failure, NotFound, Retryable
from stanch.engine.ports import Clock, Cluster, Object
from stanch.kube.clock import SystemTicks, Ticks

NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Pace:
    """Seconds. `deadline` < `duration`: a leader has stopped before another may begin."""

    duration: float = 15.0
    deadline: float = 10.0
    retry: float = 2.0


class Term:
    """One leadership. Ask `holds` right before each write; `lost` is for what runs beside it.

    `epoch` is the Lease's count of transitions, the fence that goes into every intent. It never repeats while the Lease
    lives. Who deletes the Lease, and every process that has seen it too, starts it again at 1: compare epochs for
    equality, not for order.
    """

    def __init__(self, epoch: int, ticks: Ticks, until: float) -> None:
        self.epoch = epoch
        self.lost = asyncio.Event()
        self._ticks = ticks
        self._until = until

    @property
    def left(self) -> float:
        """Seconds for which this process may still act without another renewal; 0 when lost."""
        return 0.0 if self.lost.is_set() else max(0.0, self._until - self._ticks.monotonic())

    def holds(self) -> bool:
        """Also right while nothing else gets to run: it looks at the time, not at whether the renewal noticed."""
        return self.left > 0

    def renewed(self, until: float) -> None:
        self._until = until


@dataclass(frozen=True)
class _Sighting:
    """A state of the Lease, and until when it is held, by the local monotonic clock."""

    version: str
    until: float
    transitions: int


class Terms(Protocol):
    """On what one may lead: what the Lease says of it, and who does not fit it."""

    @property
    def annotations(self) -> Mapping[str, str]:
        """What a leader writes on the Lease, in the write that makes it the leader, or once it is known. A leader whose Lease says
        something else ends: who begins is judged by it."""

    async def admits(self, lease: Object, *, held: bool) -> None:
        """`Refused` for who must not lead after, or (`held`) wait beside, the leader whose Lease this is."""


class AnyTerms:
    annotations = NONE

    async def admits(self, lease: Object, *, held: bool) -> None:
        return


class Election:
    """Leader election as client-go does it, and stricter about a Lease that somebody deletes.

    Another's Lease counts as expired only after it was *seen* unchanged for its whole duration by the local monotonic
    clock, so that wall clocks need not agree. One that vanished counts as held for as long, and its count goes on, for
    its leader may not know yet. `waits_for` says what keeps `lead` from beginning.
    """

    def __init__(
        self,
        own: Cluster,
        ref: Ref,
        identity: str,
        clock: Clock,
        *,
        pace: Pace | None = None,
        ticks: Ticks | None = None,
        told: Callable[[str], None] = lambda why: None,
        terms: Terms | None = None,
    ) -> None:
        """`ref` is the Lease. `identity` is borne by one process at a time: a Lease in its name is from an earlier life of it
        that has ended (a restarted container), and is taken over at once. `told` hears what keeps `lead` from beginning. `terms`
        are asked at each look at the Lease."""
        self._own = own
        self._ref = ref
        self._identity = identity
        self._clock = clock
        self._pace = pace or Pace()
        self._ticks = ticks or SystemTicks()
        self._seen = _Sighting("", 0.0, 0)
        self._told = told
        self._terms = terms or AnyTerms()
        self.waits_for = ""

    @asynccontextmanager
    async def lead(self) -> AsyncIterator[Term]:
        """Waits until this process leads; renews while the block runs; gives the Lease back at its end.

        When leadership is lost, `Term.lost` is set and the block is expected to end by itself. `Refused` when this
        identity may not have Leases, or `terms` do not admit it: waiting would not help.
        """
        lease, term = await self._acquired()
        renewal = asyncio.create_task(self._renew(lease, term))
        try:
            yield term
        finally:
            renewal.cancel()
            with suppress(asyncio.CancelledError):
                await renewal
            await self._released(term)

    async def _acquired(self) -> tuple[Object, Term]:
        while True:
            started = self._ticks.monotonic()
            try:
                if lease := await self._claimed():
                    return lease, Term(_transitions(lease), self._ticks, started + self._pace.deadline)
            except (Retryable, Conflict, NotFound) as failure:
                self._waits(str(failure))
            await self._ticks.sleep(self._wait())

    def _wait(self) -> float:
        """Until the next look: no longer than until the Lease, as it was seen, is over. So whoever died is followed within
        duration + retry, the time until its last renewal is seen."""
        left = self._seen.until - self._ticks.monotonic()
        return min(self._pace.retry, left) if left > 0 else self._pace.retry

    async def _claimed(self) -> Object | None:
        """The Lease once it is ours; None while another holds it. A `Conflict`: another was faster."""
        try:
            lease = await self._own.get(self._ref)
        except NotFound:
            return await self._made() if self._is_over() else None
        self._look(lease)
        over = self._is_over()
        await self._terms.admits(lease, held=not over)
        return await self._written(lease, self._next(), self._terms.annotations) if over else None

    async def _made(self) -> Object:
        made = lease_object(self._ref, self._next(), dict(self._terms.annotations))
        await self._terms.admits(made, held=False)
        return await self._own.create(made)

    def _look(self, lease: Object) -> None:
        version, spec = lease["metadata"]["resourceVersion"], lease.get("spec", {})
        if self._seen.version == version:
            return
        self._waits(f"{self._ref}, held by {spec.get('holderIdentity')}")
        ended = spec.get("holderIdentity") in (None, "", self._identity)
        at = self._ticks.monotonic()
        until = at if ended else at + spec.get("leaseDurationSeconds", self._pace.duration)
        self._seen = _Sighting(version, until, _transitions(lease))

    def _waits(self, why: str) -> None:
        if why != self.waits_for:
            self.waits_for = why
            self._told(why)

    def _is_over(self) -> bool:
        return not self._seen.version or self._ticks.monotonic() >= self._seen.until

    def _next(self) -> dict[str, Any]:
        return self._spec(self._seen.transitions + 1)

    async def _renew(self, lease: Object, term: Term) -> None:
        while True:
            await self._ticks.sleep(min(self._pace.retry, term.left))
            if not term.holds() or self._belied(lease):
                break
            lease = await self._renewed(lease, term)
        term.lost.set()

    def _belied(self, lease: Object) -> bool:
        """Whether terms that were not known when it was taken are others than it says."""
        said = lease["metadata"].get("annotations") or {}
        return any(said.get(key, value) != value for key, value in self._terms.annotations.items())

    async def _renewed(self, lease: Object, term: Term) -> Object:
        """One renewal. Another holder is a loss at once; whatever may pass is tried again, until the deadline."""
        started = self._ticks.monotonic()
        try:
            async with asyncio.timeout(self._pace.retry):
                renewed = await self._written(lease, {"renewTime": self._time()}, self._terms.annotations)
        except (Conflict, NotFound):
            return await self._reread(lease, term)
        except (Failure, TimeoutError):
            return lease
        term.renewed(started + self._pace.deadline)
        return renewed

    async def _reread(self, lease: Object, term: Term) -> Object:
        """A renewal whose answer was lost makes the next one a Conflict with ourselves: still our term."""
        with suppress(Failure):
            now = await self._own.get(self._ref)
            if now["spec"].get("holderIdentity") == self._identity and _transitions(now) == term.epoch:
                return now
            term.lost.set()
        return lease

    async def _released(self, term: Term) -> None:
        """So that the next leader need not wait; by then nothing of this term may still be acting."""
        term.lost.set()
        with suppress(Failure):
            lease = await self._own.get(self._ref)
            if lease["spec"].get("holderIdentity") == self._identity and _transitions(lease) == term.epoch:
                await self._written(lease, {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": self._time()})

    async def _written(self, lease: Object, spec: dict[str, Any], annotations: Mapping[str, str] = NONE) -> Object:
        metadata = {"metadata": {"annotations": dict(annotations)}} if annotations else {}
        return await self._own.patch(self._ref, {"spec": spec, **metadata}, resource_version=lease["metadata"]["resourceVersion"])

    def _spec(self, transitions: int) -> dict[str, Any]:
        now = self._time()
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(self._pace.duration),
            "leaseTransitions": transitions,
            "acquireTime": now,
            "renewTime": now,
        }

    def _time(self) -> str:
        return micro_time(self._clock.now())


def lease_object(ref: Ref, spec: dict[str, Any], annotations: dict[str, str] | None = None) -> Object:
    metadata = {"name": ref.name, "namespace": ref.namespace, "labels": {"app.kubernetes.io/managed-by": "stanch"}}
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata, "spec": spec}


def _transitions(lease: Object) -> int:
    return lease.get("spec", {}).get("leaseTransitions", 0)


def micro_time(time: datetime) -> str:
    """MicroTime, the format of Lease times; informative only, nothing here reads them back."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

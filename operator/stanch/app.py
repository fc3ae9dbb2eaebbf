"""The composition root: puts the parts together, leads, watches, works; stops gracefully.

Not leading, it serves its probes and waits. Leading ends with the process: who lost the Lease is restarted by its supervisor
and begins anew, instead of trying to know what of its memory still holds.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import cache
from typing import TypeVar

import structlog

from stanch.actions.registry import ACTIONS
from stanch.api.base import API_VERSION
from stanch.checks.registry import CHECKS
from stanch.controller.declared import Declared
from stanch.controller.http import serve
from stanch.controller.ingest import watch
from stanch.domain.decision import Decision
from stanch.domain.plan import Ref
from stanch.engine.errors import Failure, Retryable
from stanch.engine.ports import Object, Web
from stanch.engine.shipped import DECISIONS, OTHERS, Shipped
from stanch.engine.vouching import NotVouched
from stanch.kube.client import ApiServer, connect
from stanch.kube.identity import ApiClusters
from stanch.kube.lease import Election, Term
from stanch.kube.locks import TargetLocks
from stanch.kube.records import before_images, plans
from stanch.kube.web import AllowedWeb
from stanch.packs.objects import Store
from stanch.packs.store import StoredPacks, open_store
from stanch.runtime import sight
from stanch.runtime.admission import Admission
from stanch.runtime.announce import Announcer
from stanch.runtime.decisions import DecisionIndex, about, legible
from stanch.runtime.effects import Effects
from stanch.runtime.logs import configure_logging
from stanch.runtime.metrics import Metrics
from stanch.runtime.one_store import OneStore
from stanch.runtime.overdue import Overdue
from stanch.runtime.prime import prime
from stanch.runtime.queue import KeyQueue
from stanch.runtime.settings import LEADER, Settings
from stanch.runtime.sweeper import Sweeper, deleted_at, key_of, wants_tick
from stanch.runtime.tick import Ticker
from stanch.runtime.vouching import Vouching
from stanch.runtime.witness import Witness
from stanch.runtime.workers import Workers
from stanch.runtime.world import World

log = structlog.get_logger()

T = TypeVar("T")

LEASE_API = "coordination.k8s.io/v1"
# A tick that has not ended after this many seconds is a worker that hangs.
HANGS_AFTER = 900.0
# Seconds at most in which a new leader turns to the open incidents alone.
HEAD_START = 5.0


def run(settings: Settings) -> int:
    """Runs the operator until it is told to stop. Returns the exit code: 0 stopped, 1 lost the Lease or could not start."""
    configure_logging(settings.log_format)
    try:
        return asyncio.run(Operator(settings).run())
    except Failure as failure:
        log.error("operator.failed", reason=failure.reason, message=failure.message)
        return 1


class Operator:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.queue = KeyQueue()
        self.stop = asyncio.Event()
        self.identity = settings.identity or f"{socket.gethostname()}-{os.getpid()}"
        self.store: Store | None = None
        self.terms: OneStore | None = None
        self.term: Term | None = None
        self.sweeper: Sweeper | None = None
        self.overdue: Overdue | None = None
        self.ticker: Ticker | None = None
        self.workers: Workers | None = None
        self.vouching: Vouching | None = None
        self.admission: Admission | None = None
        self.waits_for = "the API server"

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)
        settings = self.settings
        async with AsyncExitStack() as stack:
            port = await stack.enter_async_context(serve(settings.http_port, self.metrics.registry, self.healthy, self.ready))
            log.info("operator.started", identity=self.identity, http_port=port, packs=settings.packs)
            api = await self.unless(self.patiently(lambda: self.reach(stack)), self.stop)
            return await self.lead(api) if api else 0

    async def reach(self, stack: AsyncExitStack) -> ApiServer:
        return await stack.enter_async_context(connect(self.settings.kubeconfig, self.settings.context))

    async def patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Tries until the API server answers: to end instead would cost its supervisor's back-off after each outage."""
        while True:
            try:
                result = await attempt()
            except Retryable as failure:
                if self.waits_for != str(failure):
                    log.warning("operator.waiting", reason=failure.reason, message=failure.message)
                self.waits_for = str(failure)
                await asyncio.sleep(failure.after)
            else:
                self.waits_for = ""
                return result

    async def unless(self, wanted: Awaitable[T], *events: asyncio.Event) -> T | None:
        """What `wanted` gives; None when one of the events happens before."""
        task, ends = asyncio.ensure_future(wanted), [asyncio.ensure_future(event.wait()) for event in events]
        await asyncio.wait({task, *ends}, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return None

    async def lead(self, api: ApiServer) -> int:
        clusters = ApiClusters(api)
        lease = Ref(LEASE_API, "Lease", self.settings.operator_namespace, LEADER)
        self.store = open_store(self.settings.packs, self.settings.reach)
        self.terms = terms = OneStore(clusters.own, self.settings.namespaces, self.settings.packs, "")
        await self.unless(terms.ask(self.store), self.stop)
        election = Election(clusters.own, lease, self.identity, api.clock, told=self.follows, terms=terms)
        async with AsyncExitStack() as stack:
            stack.callback(asyncio.ensure_future(terms.learn(self.store)).cancel)
            self.term = await self.unless(stack.enter_async_context(election.lead()), self.stop)
            if self.term is None:
                return 0
            self.metrics.leader.set(1)
            log.info("operator.leading", epoch=self.term.epoch)
            return await self.work(api, clusters, self.term, terms)

    def follows(self, why: str) -> None:
        log.info("operator.following", waits_for=why)

    async def work(self, api: ApiServer, clusters: ApiClusters, term: Term, terms: OneStore) -> int:
        """Everything that runs while leading. The first part to end ends all of it."""
        world = self.world(api, clusters, term, terms)
        await self.unless(self.patiently(lambda: self.prime(world)), self.stop, term.lost)
        await self.unless(asyncio.gather(self.vouching.begin(), self.admission.look()), self.stop, term.lost)
        if self.stop.is_set() or term.lost.is_set():
            return self.ended(term.lost.is_set())
        self.ticker = Ticker(world, Effects(world, self.metrics).perform, Announcer(world, self.metrics, self.identity).announce)
        self.workers = Workers(self.queue, self.ticker.tick, api.clock, self.metrics, self.settings.workers)
        hear = self.sink_decision(world, self.vouching)
        self.sweeper = Sweeper(clusters.own, api.clock, self.queue, self.metrics, self.settings.namespaces, hear)
        self.overdue = Overdue(api.clock, self.metrics)
        declared = Declared(clusters, api.clock)
        said = {"decisions": self.told_decision(self.sweeper, hear), "playbooks": declared.told, "responsepolicies": declared.told}
        parts = [self.workers.run(), self.sweeper.run(), declared.run(), self.stop.wait(), term.lost.wait()]
        parts += [self.vouching.run(), self.admission.run(), watch(said, api.login, self.settings.namespaces)]
        parts.append(self.watch_incidents(self.sweeper, api))
        return await self.first_of([asyncio.ensure_future(part) for part in parts])

    async def watch_incidents(self, sweeper: Sweeper, api: ApiServer) -> None:
        """The open ones that the sweep finds have a head start: a watch begins with all that there are, most of which are over, and
        ten thousand of them take the processor for seconds."""
        await sweeper.first_turns(HEAD_START)
        await watch({"incidents": self.sink_incident}, api.login, self.settings.namespaces)

    async def first_of(self, tasks: list[asyncio.Future]) -> int:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        lost = self.term is not None and self.term.lost.is_set()
        self.stop.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            if not task.cancelled() and (error := task.exception()):
                raise error
        return self.ended(lost)

    def ended(self, lost: bool) -> int:
        log.info("operator.stopped", lost_lease=lost)
        return 1 if lost else 0

    def world(self, api: ApiServer, clusters: ApiClusters, term: Term, terms: OneStore) -> World:
        assert self.store is not None
        own, namespace = clusters.own, self.settings.operator_namespace

        def epoch() -> int:
            if not term.holds():
                raise Retryable("NotLeading", "this process does not lead any more")
            return term.epoch

        def writes() -> None:
            epoch()
            terms.fits()

        decisions = DecisionIndex()

        def witness(policy: Shipped) -> Witness:
            return Witness(policy, own, api.clock, namespace)

        vouching = Vouching(witness(DECISIONS), self.metrics, lambda one: self.take(decisions, one), self.look_again)
        admission = Admission(tuple(map(witness, OTHERS)), self.metrics, self.look_again)
        self.vouching, self.admission = vouching, admission
        return World(
            clusters=clusters, packs=StoredPacks(self.store, writes), plans=plans(own, namespace),
            vault=before_images(own, namespace), locks=TargetLocks(own, namespace, api.clock), web=webs(), clock=api.clock,
            actions=ACTIONS, checks=CHECKS, decisions=decisions, trust=lambda: vouching.trust, lapses=admission.lapses, epoch=epoch,
            crowd=lambda: self.queue.timers,
        )  # fmt: skip

    def take(self, decisions: DecisionIndex, decision: Decision) -> None:
        """The API server vouches for it."""
        decisions.put(decision)
        self.queue.add(about(decision))

    def look_again(self) -> None:
        """Each open incident says whether Decisions are accepted and plans made, and so does one that somebody decides about."""
        assert self.vouching is not None
        for key in (*(self.sweeper.open() if self.sweeper else ()), *map(about, self.vouching.waiting.values())):
            self.queue.add(key)

    async def prime(self, world: World) -> None:
        """Knows every unrecorded Decision before the first tick: an Abort must not come after the write that it stops. And
        what all incidents do and did, for the guards."""
        assert self.vouching is not None
        for namespace in self.settings.namespaces or ("",):
            async for obj in world.clusters.own.list(API_VERSION, "Decision", namespace):
                if (decision := legible(obj)) and not decision.recorded:
                    self.vouching.hear(decision)
        await prime(world, self.settings.namespaces)
        for key in world.sight.illegible:
            self.queue.add(key)

    def sink_incident(self, obj: Object, gone: bool) -> None:
        assert self.sweeper is not None and self.ticker is not None and self.overdue is not None
        self.sweeper.told(obj, gone=gone)
        self.overdue.told(obj, gone=gone)
        key, due = key_of(obj), deleted_at(obj)
        if gone:
            self.ticker.forget(key)
            return
        self.ticker.world.past.heard(obj)
        if self.ticker.wrote(key, obj["metadata"]["resourceVersion"]):
            return
        # One that cannot be read is looked at again and again, until it can be or is gone: meanwhile guards know nothing.
        if wants_tick(obj) or not sight.legible(obj):
            self.queue.add(key)
        elif due:
            self.queue.add_after(key, (due - self.sweeper.clock.now()).total_seconds())

    def told_decision(self, sweeper: Sweeper, hear: Callable[..., None]) -> Callable[[Object, bool], None]:
        def told(obj: Object, gone: bool) -> None:
            sweeper.told_decision(obj, gone=gone)
            hear(obj, gone)

        return told

    def sink_decision(self, world: World, vouching: Vouching) -> Callable[..., None]:
        def told(obj: Object, gone: bool = False) -> None:
            decision = legible(obj)
            if decision is None:
                return
            if gone or decision.recorded:
                world.decisions.drop(decision)
                vouching.forget(decision)
            elif world.decisions.knows(decision):
                self.queue.add(about(decision))
            else:
                vouching.hear(decision)
                if isinstance(vouching.trust, NotVouched):
                    # Its incident says why nothing comes of it.
                    self.queue.add(about(decision))

        return told

    def healthy(self) -> str:
        """Why the process should be restarted; empty: it is well."""
        if self.sweeper is not None and self.sweeper.silent:
            return "the watch is silent: a list shows changes that it did not tell"
        if self.workers is not None and (hanging := self.workers.hanging(HANGS_AFTER)):
            return f"ticks hang: {hanging}"
        return ""

    def ready(self) -> str:
        """A follower is ready too: it is there to take over, if it has the evidence store. Without that a rollout stops at it; who
        leads goes on."""
        self.metrics.queue.set(len(self.queue))
        self.metrics.timers.set(self.queue.timers)
        if self.term is None and self.terms is not None and not self.terms.store:
            return f"waits for the evidence store: {self.settings.packs} has not said yet which it is"
        return f"waits for {self.waits_for}" if self.waits_for else ""


def webs() -> Callable[[tuple[str, ...]], Web]:
    """HTTP to the origins that a policy allows; one client for each set of origins."""

    @cache
    def web(origins: tuple[str, ...]) -> Web:
        return AllowedWeb(origins)

    return web

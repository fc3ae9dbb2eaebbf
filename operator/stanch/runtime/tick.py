"""One tick: snapshot, decide, store (compare-and-swap), flush the timeline, one effect; again, until time must pass."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
from structlog.contextvars import bind_contextvars

from stanch.api import codec
from stanch.api.base import API_VERSION
from stanch.domain.decision import Decision
from stanch.domain.incident import SETTLED, Status
from stanch.domain.plan import Plan, Ref
from stanch.engine.decide import decide
from stanch.engine.errors import Conflict, Failure, NotFound, Refused
from stanch.engine.moves import (
    Bind,
    Effect,
    Mark,
    Move,
    Prepare,
    PrepareRevert,
    Read,
    Recognize,
    Resolve,
    Seal,
    Settle,
    Snapshot,
    Write,
    WriteRevert,
)
from stanch.engine.outcomes import Outcome
from stanch.engine.parts import EffectClass
from stanch.engine.ports import Object
from stanch.engine.recovering import watched
from stanch.runtime.announce import newsworthy
from stanch.runtime.case import Case, plan_name
from stanch.runtime.finish import disregard
from stanch.runtime.queue import Key
from stanch.runtime.world import World

log = structlog.get_logger()

Announce = Callable[[Case, Status, Status], Awaitable[None]]
Perform = Callable[[Case, Effect], Awaitable[Outcome]]
# A walk that needs more effects than this in one go is a fault of ours; it goes on with the next tick.
EFFECTS = 100
MARK_RETRY = timedelta(seconds=10)
# Entries that a status which is not stored yet may owe: what is decided next adds up to 20, and a status holds 24.
WAITING = 4
# What changes nothing and may take long: a person who watches sees what was decided before.
LOOKS = (Resolve, Bind, Recognize, Read, Settle)
PATIENCE = 0.3


class Ticker:
    """Brings one incident as far as it can go now."""

    def __init__(self, world: World, perform: Perform, announce: Announce) -> None:
        self.world = world
        self.perform = perform
        self.announce = announce
        # Seconds that something may take before what was decided is stored beside it.
        self.patience = PATIENCE
        # Plans of the incidents under way, so that each poll of a check does not read one again; settled ones leave.
        self._plans: dict[str, tuple[str, Plan | None]] = {}
        self._written: dict[Key, set[str]] = {}

    async def tick(self, key: Key) -> datetime | None:
        """Returns when to look again; None: only when something happens.

        Raises `Conflict` (look again at once), `Retryable`, `Refused`: the incident is left as it stands in the cluster.
        """
        said = self.world.decisions.of(key)
        try:
            raw = await self.world.clusters.own.get(Ref(API_VERSION, "Incident", *key))
        except NotFound:
            self.forget(key)
            return await self.disregard(key, said)
        case = self.case(key, raw)
        self._written[key] = case.written
        # What is said in chats and tickets instead of names of people: it leads to the incident and to each of its log lines.
        bind_contextvars(correlation_id=case.facts.uid)
        try:
            return await self.walk(case)
        except NotFound:
            self.forget(key)  # deleted meanwhile: nobody asks for anything any more
            return self.unmarked(key)
        finally:
            if not case.written:
                self._written.pop(key, None)

    async def disregard(self, key: Key, said: tuple[Decision, ...]) -> datetime | None:
        """What was said before it was seen that there is no such Incident."""
        for decision in said:
            self.world.epoch()
            await disregard(self.world, decision)
        return self.unmarked(key)

    def unmarked(self, key: Key) -> datetime | None:
        """When to look again for Decisions that could not be marked."""
        return self.world.clock.now() + MARK_RETRY if self.world.decisions.of(key) else None

    def case(self, key: Key, raw: Object) -> Case:
        """Raises `Refused` where this version cannot read it; then guards know that they do not know what it does."""
        try:
            facts = codec.facts_of(raw)
            case = Case(raw, self.world.packs.of(facts.namespace, facts.name, facts.uid))
            self.world.told(facts, case.stored)
        except Refused as failure:
            self.world.illegible(key, failure)
            raise
        return case

    def forget(self, key: Key) -> None:
        """The Incident is gone: the watch tells of none of its versions any more."""
        self._written.pop(key, None)
        self.world.forget(key)

    def wrote(self, key: Key, version: str) -> bool:
        """Whether that version of the Incident is one that was written here, and decided on: asked once for each."""
        written = self._written.get(key)
        if not written or version not in written:
            return False
        written.discard(version)
        return True

    async def walk(self, case: Case) -> datetime | None:
        effect: Effect | None = None
        outcome: Outcome | None = None
        await self.flush(case)
        for _ in range(EFFECTS):
            await self.recall(case)
            knew, move = case.problem, decide(self.snapshot(case, effect, outcome), self.world.clock.now())
            before = case.status
            if self.may_wait(case, move, effect):
                case.hold(move.status)
            elif not await self.store(case, move.status, outcome):
                continue
            if newsworthy(before, move.status):
                case.news.append((before, move.status))
            if bool(case.problem) != bool(knew):
                # Decided without knowing how the pack stands: the intent is kept, its effect is not performed.
                effect = outcome = None
                continue
            if move.effect is None:
                await self.spread(case)
                return self.again(case, move)
            self.world.epoch()  # raises when another process leads by now: nothing more is done in its place
            if isinstance(move.effect, Mark):
                # What came of the effect before was not looked at yet, and still is when the Decision is marked.
                case.marks = case.marks.after(move.effect, await self.perform(case, move.effect))
            else:
                effect, outcome = move.effect, await self.performed(case, move.effect)
        await self.store(case, case.status, outcome)
        return self.world.clock.now()

    async def performed(self, case: Case, effect: Effect) -> Outcome:
        """What came of it; people are told beside it what was decided before. What was not stored is, when it takes longer."""
        doing, telling = asyncio.ensure_future(self.perform(case, effect)), asyncio.ensure_future(self.spread(case))
        try:
            if case.held and isinstance(effect, LOOKS):
                await asyncio.wait({doing}, timeout=self.patience)
                if not doing.done():
                    await self.store(case, case.status, None)
                    await self.spread(case)
            return await doing
        finally:
            doing.cancel()
            await telling

    def may_wait(self, case: Case, move: Move, last: Effect | None) -> bool:
        """Whether the status need not be stored yet, because whoever found the one before would do the same again, to no harm.

        What nobody could find out again is stored at once. So is who leads: whoever led before and was held up meets a 409.
        """
        claimed = not case.raw.get("status") or case.stored.epoch == move.status.epoch
        if case.problem or not claimed or isinstance(last, WriteRevert) or self.told_once(case, last):
            return False
        entries = len(case.decided(move.status).pack.pending)
        match move.effect:
            case Resolve() | Bind() | Recognize() | Read() | Settle() | PrepareRevert():
                return entries <= WAITING
            case Prepare():
                # Whoever takes locks must be known to hold some: they are given back at the end.
                return case.stored.locked and entries <= WAITING
            case Seal():
                # The chain is sealed as it is stored.
                return not entries
        return False

    def told_once(self, case: Case, last: Effect | None) -> bool:
        """Whether only its outcome tells what this write has done: others are found on what they changed."""
        if not isinstance(last, Write) or case.plan is None:
            return False
        action = self.world.actions[case.plan.step(last.option, last.step).action]
        return action.effect_class is EffectClass.at_most_once

    def again(self, case: Case, move: Move) -> datetime | None:
        """When to look again: at the move's wake time, and soon where a Decision could not be marked."""
        marking = self.unmarked((case.facts.namespace, case.facts.name))
        return min((at for at in (move.wake_at, marking) if at), default=None)

    def snapshot(self, case: Case, effect: Effect | None, outcome: Outcome | None) -> Snapshot:
        about = case.facts.namespace, case.facts.name
        decisions = self.world.decisions.of(about)
        epoch, trust, lapses = self.world.epoch(), self.world.trust(), self.world.lapses()
        return Snapshot(case.facts, case.status, case.plan, decisions, epoch, trust, effect, outcome, case.problem, lapses,
                        case.marks, self.world.crowd())  # fmt: skip

    async def store(self, case: Case, status: Status, outcome: Outcome | None) -> bool:
        """Status first, who wins it owns the chain; then the entries that it owes to the pack. False: while an effect was
        performed somebody edited the Incident, but not its status. What came of the effect is not lost for that: it is decided
        on again. Raises `Conflict` otherwise."""
        own, before = self.world.clusters.own, case.raw.get("status")
        try:
            await case.write_status(own, case.decided(status))
            self.world.told(case.facts, case.stored)
        except Conflict:
            case.raw = await own.get(case.ref)
            if outcome is None or case.raw.get("status") != before:
                raise
            return False
        await self.flush(case)
        return True

    async def spread(self, case: Case) -> None:
        """Announces what is new and stored, in its order."""
        while case.news and case.held is None:
            await self.announce(case, *case.news.pop(0))

    async def flush(self, case: Case) -> None:
        """Writes the entries that the stored status owes to the pack."""
        case.problem = ""
        try:
            for entry in case.stored.pack.pending:
                if entry.seq > case.flushed:
                    await case.pack.append(entry)
                    case.flushed = entry.seq
        except Failure as failure:
            log.warning("pack.unavailable", reason=str(failure))
            case.problem = f"The pack cannot be written: {failure.message}"

    async def recall(self, case: Case) -> None:
        """Reads the stored plan where it is not in memory. Gone or altered: `decide` is told that there is none."""
        status, uid = case.status, case.facts.uid
        if not status.plan_digest or (status.phase in SETTLED and not watched(status)):
            self._plans.pop(uid, None)
            return
        digest, plan = self._plans.get(uid, ("", None))
        if case.plan is None:
            found = plan if digest == status.plan_digest else await self.read_plan(uid, status)
            if found is None:
                return
            case.plans[status.plan_digest] = found
        self._plans[uid] = status.plan_digest, case.plan

    async def read_plan(self, uid: str, status: Status) -> Plan | None:
        """None: it is gone, was changed, or is none that this version can read. Not being let to read it says none of these."""
        try:
            return codec.plan_of(await self.world.plans.get(plan_name(uid, status.plan_digest), status.plan_digest))
        except Refused as failure:
            if failure.reason == "Forbidden":
                raise
            return None

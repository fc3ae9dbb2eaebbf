"""One tick: snapshot, decide, store (compare-and-swap), flush the timeline, one effect; again, until time must pass."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
from structlog.contextvars import bound_contextvars

from stanch.api import codec
from stanch.api.base import API_VERSION
from stanch.domain.incident import SETTLED, Status
from stanch.domain.plan import Plan, Ref
from stanch.engine.decide import decide
from stanch.engine.errors import Conflict, Failure, NotFound, Refused
from stanch.engine.moves import Effect, Mark, Move, Outcome, Snapshot
from stanch.engine.recovering import watched
from stanch.runtime.case import Case, plan_name
from stanch.runtime.queue import Key
from stanch.runtime.world import World

log = structlog.get_logger()

Announce = Callable[[Case, Status, Status], Awaitable[None]]
Perform = Callable[[Case, Effect], Awaitable[Outcome]]
# A walk that needs more effects than this in one go is a fault of ours; it goes on with the next tick.
EFFECTS = 100
MARK_RETRY = timedelta(seconds=10)


class Ticker:
    """Brings one incident as far as it can go now."""

    def __init__(self, world: World, perform: Perform, announce: Announce) -> None:
        self.world = world
        self.perform = perform
        self.announce = announce
        # Plans of the incidents under way, so that each poll of a check does not read one again; settled ones leave.
        self._plans: dict[str, tuple[str, Plan | None]] = {}

    async def tick(self, key: Key) -> datetime | None:
        """Returns when to look again; None: only when something happens.

        Raises `Conflict` (look again at once), `Retryable`, `Refused`: the incident is left as it stands in the cluster.
        """
        try:
            raw = await self.world.clusters.own.get(Ref(API_VERSION, "Incident", *key))
        except NotFound:
            return None
        facts = codec.facts_of(raw)
        case = Case(raw, self.world.packs.of(facts.namespace, facts.name, facts.uid))
        # What is said in chats and tickets instead of names of people: it leads to the incident and to each of its log lines.
        with bound_contextvars(incident=facts.name, namespace=facts.namespace, correlation_id=facts.uid):
            try:
                return await self.walk(case)
            except NotFound:
                return None  # deleted meanwhile: nobody asks for anything any more

    async def walk(self, case: Case) -> datetime | None:
        effect: Effect | None = None
        outcome: Outcome | None = None
        problem = await self.flush(case)
        for _ in range(EFFECTS):
            await self.recall(case)
            knew, move = problem, decide(self.snapshot(case, effect, outcome, problem), self.world.clock.now())
            before = case.status
            if not await self.store(case, move, outcome):
                continue
            problem = await self.tell(case, before)
            if bool(problem) != bool(knew):
                # Decided without knowing how the pack stands: the intent is kept, its effect is not performed.
                effect = outcome = None
                continue
            if move.effect is None:
                return self.again(case, move)
            self.world.epoch()  # raises when another process leads by now: nothing more is done in its place
            if isinstance(move.effect, Mark):
                # What came of the effect before was not looked at yet, and still is when the Decision is marked.
                case.unmarkable.add(move.effect.decision)
                await self.perform(case, move.effect)
            else:
                effect, outcome = move.effect, await self.perform(case, move.effect)
        return self.world.clock.now()

    def again(self, case: Case, move: Move) -> datetime | None:
        """When to look again: at the move's wake time, and soon where a Decision could not be marked."""
        unmarked = self.world.decisions.of((case.facts.namespace, case.facts.name))
        marking = self.world.clock.now() + MARK_RETRY if unmarked else None
        return min((at for at in (move.wake_at, marking) if at), default=None)

    def snapshot(self, case: Case, effect: Effect | None, outcome: Outcome | None, problem: str) -> Snapshot:
        about = case.facts.namespace, case.facts.name
        decisions = self.world.decisions.of(about, without=case.unmarkable)
        return Snapshot(case.facts, case.status, case.plan, decisions, self.world.epoch(), effect, outcome, problem)

    async def store(self, case: Case, move: Move, outcome: Outcome | None) -> bool:
        """Status first: who wins it owns the chain. False: while an effect was performed somebody edited the Incident, but not
        its status. What came of the effect is not lost for that: it is decided on again. Raises `Conflict` otherwise."""
        own, status = self.world.clusters.own, case.raw.get("status")
        try:
            await case.write_status(own, move.status)
        except Conflict:
            case.raw = await own.get(case.ref)
            if outcome is None or case.raw.get("status") != status:
                raise
            return False
        return True

    async def tell(self, case: Case, before: Status) -> str:
        """Announces what is new, and pays the entries that the status owes to the pack. Returns why that failed."""
        status = case.status
        if before.phase is not status.phase or before.reason != status.reason:
            await self.announce(case, before, status)
        return await self.flush(case)

    async def flush(self, case: Case) -> str:
        """Writes the entries that the status owes to the pack. Returns why that failed; empty: it did not."""
        try:
            for entry in case.status.pack.pending:
                if entry.seq > case.flushed:
                    await case.pack.append(entry)
                    case.flushed = entry.seq
        except Failure as failure:
            log.warning("pack.unavailable", reason=str(failure))
            return f"The pack cannot be written: {failure.message}"
        return ""

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
            return codec.plan_of(await self.world.vault.get(plan_name(uid, status.plan_digest), status.plan_digest))
        except Refused as failure:
            if failure.reason == "Forbidden":
                raise
            return None

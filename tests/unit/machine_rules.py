"""What may happen to one incident: lives of the operator, people, and everything that goes wrong.

Rules are coarse where a life goes its way (a whole tick, the next wake time) and fine where it is held up or dies (before and
after each operation). What must hold after each of them: `machine`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from stanch.api.codec import digest as digest_of
from stanch.domain.decision import Verb
from stanch.domain.incident import Phase, RevertRecord, RevertState
from stanch.domain.plan import Ref
from stanch.engine.errors import Retryable
from stanch.engine.ports import Object
from tests.unit.machine_leader import Leader, Rest, take_over
from tests.unit.machine_site import Ground
from tests.unit.memory import Write

T = TypeVar("T")
SELDOM = st.sampled_from([False] * 5 + [True])
# Where being held up, or dying, is worst.
MOMENTS = ("patch configmap/flags data", "patch configmap/flags metadata", "patch deployment/worker metadata spec",
           "patch deployment/frontend metadata spec", "create secret/stanch-before", "patch incident/frontend-502 status",
           "patch decision/", "create seal.json", "create captures/")  # fmt: skip
THEN = ("it dies before", "it dies after", "it is held", "it is held, somebody aborts", "somebody speaks", "nothing")
APPROVERS = {
    "the next option is approved": ("carol", "dave"),
    "one person approves twice": ("dave", "dave"),
    "who opened it approves": ("alice", "carol"),
}
# What was said of the plan before, told before it is planned anew, or after.
YES_BEFORE, YES_AFTER, GLASS_BEFORE = "a yes, then another severity", "a yes to the plan before", "a glass, then another severity"
RELEASES = {"the scribe releases": "scribe", "it is released": "comms"}
ANEW = "the target of an approved option is created anew"
# More than a status remembers; a search of its own.
MANY = "a mark is lost and many speak"
# What was approved before the first option has changed something may be void by then.
WHEN_ASKED = "the next option is approved when it waits"
# The worker is scaled by hand: what was shown would not be done any more. Searches of their own, too.
WHILE_ASKED, BETWEEN_STEPS = "another change while people are asked", "another change between two steps"
OPENINGS = (ANEW, "", "", "", "", "evidence", "frozen", "guarded", "lost", "a write is held up", "it is sealed",
            "what was changed is edited", "it dies with a change made", "the glass is broken",
            "it is held up", *APPROVERS)  # fmt: skip
# Minutes in which a freeze window opens and closes; mostly there is none. What is owed within it is taken back all the same.
OPENS = "a window opens"
FOCUSED = {"in a window": (0, 3), OPENS: (1, 40)}
WINDOWS = ((0, 0), (0, 0), (0, 0), (0, 0), *FOCUSED.values())
# Another incident has changed the flags just before; a search of its own, so that others stay as they are.
TOUCHED = "touched"
# The other option is a last resort, approved while nobody knows whether the first one fits; a search of its own, too.
LAST = "the last resort is approved"
YES = ((), (), ("carol", "dave"), ("carol", "dave"), ("alice", "carol"), ("dave", "dave"))
PLACES = (("shed", "limit"), ("shed", "calm"), ("bypass", "bypass"), ("bypass", "more"))
# After what went wrong is mended, the next try comes within this.
AGAIN = timedelta(seconds=31)


class Doings(RuleBasedStateMachine):
    """What may happen, without what must hold."""

    # The opening of every run, where a search is about one.
    focus = ""
    ground = Ground

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.old: Leader | None = None
        self.faults: set[str] = set()
        self.clear_from: datetime | None = None
        self.said: set[Verb] = set()
        self.pinned = self.anew = False

    @initialize(kept=st.booleans(), heals=st.booleans(), cause=st.sampled_from(["limit", "bypass", "bypass", "other", "gone"]),
                approved=st.sampled_from(YES), opening=st.sampled_from(OPENINGS), window=st.sampled_from(WINDOWS),
                slow=st.booleans())  # fmt: skip
    def begin(
        self, kept: bool, heals: bool, cause: str, approved: tuple[str, ...], opening: str, window: tuple[int, int], slow: bool
    ) -> None:
        self.site = self.ground(kept=kept, heals=heals, window=FOCUSED.get(self.focus, window), touched=self.focus == TOUCHED,
                                last=self.focus == LAST)  # fmt: skip
        self.site.cause, self.site.slow = cause, slow
        self.witness = self.site.witness
        self.new = self.run(self._leader(1))
        if approved:
            self.is_planned()
            self.somebody_approves(approved)
        self.opens(opening)

    def opens(self, opening: str) -> None:
        """Situations that are far from the beginning, and in which much can go wrong."""
        opening = self.focus or opening
        if opening == "a write is held up":
            self.comes_to("patch configmap/flags data", "it is held, somebody aborts")
        elif opening == "it is sealed":
            self.comes_to("create seal.json", "somebody speaks")
        elif opening == OPENS:
            self.comes_to("patch configmap/flags data", "nothing")
        elif opening == "it dies with a change made":
            self.comes_to("patch configmap/flags data", "it dies after")
        elif opening == "it dies before it marks":
            self.is_planned()
            self.say(Verb.Note)
            self.comes_to("patch decision/", "it dies before")
        elif opening == MANY:
            self.is_planned()
            self.many_speak()
        elif opening in RELEASES:
            self.is_planned()
            self.somebody_releases(RELEASES[opening], "")
        elif opening == "it is held up":
            self.is_planned()
            self.say(Verb.Hold)
        elif opening == "the glass is broken":
            self.site.cause = "bypass"
            self.comes_to_be_asked()
            self.somebody_breaks_the_glass("alice", True)
        elif opening in APPROVERS:
            self.is_planned()
            self.site.cause = "bypass"
            self.somebody_approves(APPROVERS[opening])
        elif opening in (LAST, WHEN_ASKED):
            self.site.cause = "bypass"
            self.comes_to_be_asked()
            self.somebody_approves(("carol", "dave"))
        elif opening in (WHILE_ASKED, BETWEEN_STEPS):
            self.site.cause = "bypass"
            self.comes_to_be_asked()
            self.somebody_approves(("carol", "dave") if opening == BETWEEN_STEPS else ())
            self.comes_to("patch deployment/frontend metadata spec", "nothing") if opening == BETWEEN_STEPS else None
            self.somebody_edits("worker")
            self.somebody_approves(("carol", "dave") if opening == WHILE_ASKED else ())
        elif opening in (YES_BEFORE, YES_AFTER, GLASS_BEFORE):
            self.is_planned_anew(opening)
        elif opening == ANEW:
            self.is_planned()
            self.site.cause = "bypass"
            self.somebody_creates_the_worker_anew(True)
            self.somebody_approves(("carol", "dave"))
        elif opening == "what was changed is edited":
            self.comes_to("patch configmap/flags data", "nothing")
            self.goes_its_way(1, False)
            self.somebody_edits("mode")
        elif opening and opening not in (*FOCUSED, TOUCHED):
            self.something_breaks(opening)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def _leader(self, epoch: int) -> Leader:
        return Leader(self.site, epoch)

    @property
    def now(self) -> datetime:
        return self.site.server.time.now()

    def is_planned(self) -> None:
        while not self.site.status.plan_digest:
            self.goes_on(1)

    def many_speak(self) -> None:
        def lose(write: Write) -> None:
            if write.ref.kind == "Decision":
                self.site.server.before_write.remove(lose)
                raise Retryable("TooManyRequests", "try again later", 1.0)

        self.site.server.before_write.append(lose)
        for _ in range(40):
            self.say(Verb.Acknowledge)
        self.goes_its_way(3, False)

    def is_planned_anew(self, opening: str) -> None:
        self.site.cause = "bypass"
        self.comes_to_be_asked() if opening == GLASS_BEFORE else self.is_planned()
        before = self.site.status.plan_digest
        if opening == YES_BEFORE:
            self.somebody_approves(("carol", "dave"))
        elif opening == GLASS_BEFORE:
            self.somebody_breaks_the_glass("alice", True)
        self.say(Verb.Classify, severity="P1")
        for _ in range(20):
            if self.site.status.plan_digest not in ("", before):
                break
            self.goes_on(10)
        for by in ("carol", "dave") if opening == YES_AFTER else ():
            self.say(Verb.Approve, by=by, option="bypass", role="incident-commander", planDigest=before)

    def comes_to_be_asked(self) -> None:
        for _ in range(30):
            if self.site.gone or self.site.status.phase is Phase.AwaitingApproval:
                return
            self.goes_its_way(1, False)

    # Lives of the operator.

    @rule(ticks=st.sampled_from([1, 2, 4, 8, 16, 30]), patient=st.booleans())
    def goes_its_way(self, ticks: int, patient: bool) -> None:
        """Whole ticks, each at its wake time; who is not patient does not wait out what people have minutes for."""
        for _ in range(ticks):
            rest = self.run(self.new.whole())
            self.at_rest(rest)
            if self.site.gone or rest.delay is None or (rest.delay > 60 and not patient):
                return
            self.site.passes(rest.delay + 0.001)

    @rule(number=st.sampled_from([1, 3, 10]))
    def goes_on(self, number: int) -> None:
        self.run(self.new.steps(number))

    @rule(moment=st.sampled_from(MOMENTS), then=st.sampled_from(THEN))
    def comes_to(self, moment: str, then: str) -> None:
        """Until it is about to do this, or rests for long. Then it dies and the next one leads, or is held up and overtaken, or
        people speak."""
        if not self.run(self._comes_to(moment)):
            return
        if "dies" in then:
            self.dies(then == "it dies after")
        if "held" in then:
            self.takes_over(True)
        if "aborts" in then:
            self.somebody_says(Verb.Abort, True)
        if "speaks" in then:
            self.say(Verb.Acknowledge)

    async def _comes_to(self, moment: str) -> bool:
        for _ in range(60):
            if await self.new.towards(moment):
                return True
            rest = self.new.rest
            if self.site.gone or rest.delay is None or rest.delay > 60:
                return False
            self.site.passes(rest.delay + 0.001)
        return False

    @rule(late=st.booleans())
    def dies(self, late: bool) -> None:
        self.run(self.new.die(late=late))
        self.new = self.run(take_over(self.site, self.new))

    @rule(aware=st.sampled_from([True, True, True, False]))
    def takes_over(self, aware: bool) -> None:
        """The old one is held where it is. One before it has been stopped for good by now."""
        if self.old is not None:
            self.run(self.old.finish())
        self.old, old = self.new, self.new
        self.new = self.run(take_over(self.site, old))
        old.life.leads = not aware

    @precondition(lambda self: self.old is not None)
    @rule(number=st.sampled_from([1, 1, 2, 5, 40]))
    def old_goes_on(self, number: int) -> None:
        self.run(self.old.steps(number))

    @rule(seconds=st.sampled_from([1, 3, 30, 90, 650, 1300]))
    def time_passes(self, seconds: int) -> None:
        self.site.passes(seconds)

    # What goes wrong.

    @rule(what=st.sampled_from(["evidence", "store", "account", "frozen", "guarded", "lost", "unsent"]))
    def something_breaks(self, what: str) -> None:
        if what in ("lost", "unsent"):
            self.next_write_to_a_target_fails(after=what == "lost")
        elif what == "frozen":
            self.witness.frozen_since = self.now
        elif what == "guarded":
            self.witness.guarded_since = self.now
        self.faults.add(what)
        self.set_faults()

    @rule()
    def all_is_mended(self) -> None:
        self.witness.frozen_since = self.witness.guarded_since = None
        self.clear_from = self.now + AGAIN if self.faults else self.clear_from
        self.faults.clear()
        self.set_faults()

    def set_faults(self) -> None:
        self.site.memory.broken = "store" in self.faults
        self.site.permit("account" not in self.faults)
        self.site.freeze("frozen" in self.faults)
        self.site.lets_pods_go("guarded" not in self.faults)
        self.site.evidence_is_readable("evidence" not in self.faults)

    def next_write_to_a_target_fails(self, after: bool) -> None:
        """Its answer is lost, or it never arrives: nobody can tell which."""
        hooks = self.site.server.after_write if after else self.site.server.before_write

        def lose(write: Write) -> None:
            if write.user and write.verb == "patch":
                hooks.remove(lose)
                self.clear_from = self.now + AGAIN
                raise Retryable("Timeout", "no answer", 2.0)

        hooks.append(lose)

    @rule(cause=st.sampled_from(["limit", "bypass", "other", "gone"]))
    def cause_changes(self, cause: str) -> None:
        self.site.cause = cause

    @rule(what=st.sampled_from(["mode", "other key", "worker", "annotation", "load high", "load low", "load none", "playbook"]))
    def somebody_edits(self, what: str) -> None:
        site, word = self.site, what.partition(" ")[2]
        if what == "mode":
            self.meddle(site.flags, "mode", {"data": {"mode": "by-hand"}})
        elif what == "worker":
            self.meddle(site.worker, "replicas", {"spec": {"replicas": 7}})
        elif what == "annotation":
            site.frontend.edit({"metadata": {"annotations": {"team": f"shop-{self.now:%M%S}"}}})
        elif what == "playbook":
            self.playbook_changes()
        elif word == "key":
            site.edit(site.flags, {"data": {"colour": f"{self.now:%M%S}"}})
        else:
            site.edit(site.flags, {"data": {"load": word}})

    def meddle(self, ref: Ref, field: str, patch: Object) -> None:
        self.site.edit(ref, patch)
        self.witness.meddle(ref, field)

    def playbook_changes(self) -> None:
        """Once it is pinned this has no effect; it is pinned anew when somebody resumes or says how grave it is, or a target is
        another one, so that none of these happens here."""
        anew = self.anew or self.said & {Verb.Resume, Verb.Classify}
        if not self.site.gone and self.site.status.plan_digest and not anew:
            self.site.playbook_changes()
            self.pinned = True

    @rule(really=SELDOM, worker=st.booleans())
    def somebody_deletes_a_target(self, really: bool, worker: bool) -> None:
        ref = self.site.worker if worker else self.site.flags
        if really and self.site.found(ref):
            self.site.server.remove(ref)

    @rule(really=SELDOM)
    def somebody_creates_the_worker_anew(self, really: bool) -> None:
        if really and not self.pinned:
            self.anew = True
            self.site.worker_anew()

    # What people say.

    def say(self, verb: Verb, **spec: Any) -> None:
        if not self.site.gone:
            self.said.add(verb)
            self.site.decide(verb, *(leader.life for leader in (self.old, self.new) if leader is not None), **spec)

    @rule(people=st.sampled_from(YES))
    def somebody_approves(self, people: tuple[str, ...]) -> None:
        for by in people:
            if not self.site.gone and (digest := self.site.status.plan_digest):
                self.say(Verb.Approve, by=by, option="bypass", role="incident-commander", planDigest=digest)

    @rule(by=st.sampled_from(["alice", "carol"]), really=SELDOM)
    def somebody_breaks_the_glass(self, by: str, really: bool) -> None:
        if really and not self.site.gone and (digest := self.site.status.plan_digest):
            self.say(Verb.BreakGlass, by=by, option="bypass", planDigest=digest, ticket="OPS-4711")

    @rule(by=st.sampled_from(["carol", "dave"]))
    def somebody_acknowledges(self, by: str) -> None:
        self.say(Verb.Acknowledge, by=by)

    @rule(role=st.sampled_from(["comms", "scribe"]), read=st.sampled_from(["P0", "P1", "", ""]))
    def somebody_releases(self, role: str, read: str) -> None:
        """The text as it stands, or that of a severity."""
        if not self.site.gone and (messages := self.site.status.messages):
            digest = digest_of(f"It is {read}".encode()) if read else messages[0].digest
            if digest:
                self.say(Verb.Release, by="mia", role=role, message="status-page", messageDigest=digest)

    @rule(really=SELDOM)
    def somebody_holds_it_up(self, really: bool) -> None:
        if really:
            self.say(Verb.Hold)

    @rule(severity=st.sampled_from(["P0", "P0", "P1"]))
    def somebody_classifies(self, severity: str) -> None:
        """Where that changes it, it may be pinned anew: only while nobody has changed the playbook."""
        if not self.pinned:
            self.say(Verb.Classify, severity=severity)

    @rule(verb=st.sampled_from([Verb.Resume, Verb.Resume, Verb.Close, Verb.Note, Verb.Abort]), really=st.booleans())
    def somebody_says(self, verb: Verb, really: bool) -> None:
        if verb is Verb.Resume and self.pinned:
            return
        if verb is not Verb.Abort or really:
            self.witness.demanded |= verb is Verb.Abort
            self.witness.came_back &= verb is not Verb.Resume
            self.say(verb)

    @rule(place=st.sampled_from(PLACES), really=SELDOM)
    def somebody_wants_it_back(self, place: tuple[str, str], really: bool) -> None:
        if really:
            self.witness.demanded = True
            self.say(Verb.Revert, option=place[0], step=place[1])

    @rule(place=st.sampled_from(PLACES))
    def somebody_extends(self, place: tuple[str, str]) -> None:
        if not self.site.gone:
            self.witness.extended[place] = self.witness.extended.get(place, timedelta()) + timedelta(seconds=300)
            self.say(Verb.Extend, option=place[0], step=place[1], extendBy="300s")

    @precondition(lambda self: bool(self.stuck()))
    @rule()
    def somebody_confirms_what_is_stuck(self) -> None:
        for debt in self.stuck():
            self.witness.confirmed.add((debt.option, debt.step))
            self.say(Verb.Confirm, option=debt.option, step=debt.step)

    def stuck(self) -> list[RevertRecord]:
        if self.site.gone:
            return []
        return [r for r in self.site.status.reverts if r.state in (RevertState.Conflict, RevertState.Blocked)]

    @precondition(lambda self: not self.site.gone and bool(self.site.chain))
    @rule(really=SELDOM)
    def status_is_lost(self, really: bool) -> None:
        """As when it is restored from a backup. What was owed is forgotten with it: only its pack tells of that."""
        if really:
            self.witness.status_lost()
            self.site.server.set_status(self.site.incident_ref, {})

    @precondition(lambda self: not self.site.gone)
    @rule(really=SELDOM)
    def somebody_deletes_the_incident(self, really: bool) -> None:
        if really:
            self.witness.demanded = True
            self.site.server.delete(self.site.incident_ref, "")

    def at_rest(self, rest: Rest) -> None:
        """What must hold when a tick has come to its end."""
        raise NotImplementedError

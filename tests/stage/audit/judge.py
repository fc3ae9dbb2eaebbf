"""The invariants of incidents, judged from the API server's audit log alone; never from what stanch says of itself.

What the log can tell: which writes were committed, in which order, as whom, with which token, and what stood in the
Incident's status by then (its writes are there too, as patches). Of the evidence it knows that it was read, not that it
was kept; of two processes of one operator it knows that each fences the other's writes out, and does not tell them apart.

Order: a request that came after another one's answer had ended was sent by somebody who could know of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from stanch.engine.mergepatch import merged
from tests.stage.audit.log import Event
from tests.stage.audit.terms import (
    EPOCH,
    TOKEN,
    Document,
    Effect,
    Finding,
    Kind,
    Outage,
    Promise,
    Stored,
    about,
    annotation,
    covered,
    due_of,
    intended,
    same_try,
)

WRITES = frozenset({"create", "update", "patch", "delete"})
STATUS = "incidents/status"
# What the operator writes in an incident's namespace in its own name, beside its own kinds.
OWN = frozenset({"events"})
LATENESS = timedelta(seconds=10)
# Between the operator's notion of now, which is never ahead of the API server's, and its write's arrival.
SLACK = timedelta(seconds=5)


def judge(events: Iterable[Event], promises: Sequence[Promise], outages: Mapping[str, Sequence[Outage]]) -> list[Finding]:
    """`outages`: namespace -> times in which its operator was down, its requests were held up, or a failed one made it wait; by
    as much a revert may be later."""
    seen: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.received):
        seen[event.namespace].append(event)
    found = [finding for one in promises for finding in Judgement(seen[one.namespace], one, outages.get(one.namespace, ())).all()]
    lanes = {(one.namespace, one.operator, one.account) for one in promises}
    return found + [finding for lane in sorted(lanes) for finding in strangers(seen[lane[0]], *lane[1:])]


def strangers(events: Iterable[Event], operator: str, account: str) -> Iterator[Finding]:
    """In that namespace the operator changes nothing but as the playbook's ServiceAccount, and says each time why."""
    for event in events:
        if event.verb not in WRITES or not event.done or event.user != operator or is_own(event):
            continue
        if event.acting != account:
            yield Finding(Kind.Identity, str(event))
        elif event.body is None:
            yield Finding(Kind.Log, f"what was written is not there: {event}")
        elif not (annotation(event, TOKEN) or annotation(event, EPOCH)):
            yield Finding(Kind.Unmarked, str(event))


def is_own(event: Event) -> bool:
    return event.group == "stanch.dev" or event.resource in OWN


@dataclass
class Judgement:
    """Of one incident. `events`: those of its namespace, by the time at which they came."""

    events: Sequence[Event]
    promise: Promise
    outages: Sequence[Outage]

    def all(self) -> Iterator[Finding]:
        yield from self._log()
        yield from self._once()
        before = self.created
        for effect in self.effects:
            yield from self._identity(effect)
            yield from self._intent(effect)
            yield from self._in_time(effect) if effect.back else self._evidence(effect, before)
            before = effect.event

    # What there is.

    @cached_property
    def writes(self) -> list[Event]:
        return [event for event in self.events if event.verb in WRITES and event.done]

    @cached_property
    def created(self) -> Event | None:
        made = (event for event in self.writes if event.verb == "create" and event.resource == "incidents")
        return next((event for event in made if event.name == self.promise.name), None)

    @cached_property
    def status_writes(self) -> list[Event]:
        return [event for event in self.writes if event.resource == STATUS and event.name == self.promise.name]

    @cached_property
    def history(self) -> list[Stored]:
        history: list[Stored] = []
        for event in self.status_writes:
            status = history[-1].status if history else {}
            history.append(Stored(event, merged(status, (event.body or {}).get("status", {}))))
        return history

    @cached_property
    def effects(self) -> list[Effect]:
        """Those that were committed."""
        return list(self._marked(self.writes))

    def _marked(self, events: Iterable[Event]) -> Iterator[Effect]:
        for event in events:
            uid, _, token = annotation(event, TOKEN).partition("/")
            if uid == self.promise.uid:
                yield Effect(token, event)

    def _record(self, stored: Stored, effect: Effect) -> Document:
        return stored.record(effect.records, f"{self.promise.uid}/{effect.step}")

    def _known(self, effect: Effect) -> list[Stored]:
        """What the status had been made, one write after the other, when that effect was asked for."""
        return [stored for stored in self.history if stored.event.answered <= effect.event.received]

    # What must be so.

    def _log(self) -> Iterator[Finding]:
        """That the log tells of the incident from beginning to end."""
        if self.created is None:
            yield self._finding(Kind.Log, "its creation is not there")
        if any(event.body is None for event in self.status_writes):
            yield self._finding(Kind.Log, "what was written into its status is not there")
        phase = self.history[-1].status.get("phase") if self.history else None
        if phase != "Closed":
            yield self._finding(Kind.Log, f"it ends with phase {phase}, not Closed")

    def _once(self) -> Iterator[Finding]:
        """A write of which the API server itself does not know whether it was done is none that is doubled or lost."""
        times = Counter(effect.token for effect in self.effects)
        perhaps = {effect.token for effect in self._marked(event for event in self.events if event.unclear)}
        yield from (self._finding(Kind.Doubled, f"{token}, {count} times") for token, count in times.items() if count > 1)
        yield from (self._finding(Kind.Lost, token) for token in sorted(self.promise.effects - times.keys() - perhaps))
        yield from (self._finding(Kind.Unpromised, token) for token in sorted(times.keys() - self.promise.effects))

    def _identity(self, effect: Effect) -> Iterator[Finding]:
        """Whoever wrote it: the operator, as the playbook's ServiceAccount."""
        if (effect.event.user, effect.event.acting) != (self.promise.operator, self.promise.account):
            yield self._finding(Kind.Identity, f"{effect.token}: {effect.event}")

    def _intent(self, effect: Effect) -> Iterator[Finding]:
        """It stood in the status, with the time of the revert, and no later leader had taken the target over since."""
        known = self._known(effect)
        record = self._record(known[-1], effect) if known else {}
        if not intended(record, effect.back):
            yield self._finding(Kind.Intent, f"{effect.token}: the status says {record.get('state')}; {effect.event}")
            return
        since = next(stored.event for stored in known if same_try(self._record(stored, effect), record))
        yield from self._current(effect, since)
        yield from self._boxed(effect, known[-1], since)

    def _current(self, effect: Effect, since: Event) -> Iterator[Finding]:
        """Whoever takes over, or does not know what came of that try, moves the target's version on and tries anew."""
        if effect.event.verb == "patch" and not effect.event.body["metadata"].get("resourceVersion"):
            yield self._finding(Kind.Stale, f"{effect.token} names no version, so nothing could have kept it out")
        for fence in self.writes:
            between = since.received < fence.received < effect.event.received
            if between and annotation(fence, EPOCH) and about(fence) == effect.about:
                yield self._finding(Kind.Stale, f"{effect.token} after the fence {annotation(fence, EPOCH)}")

    def _boxed(self, effect: Effect, stored: Stored, since: Event) -> Iterator[Finding]:
        after = self.promise.boxes.get(effect.token)
        if after is None:
            return
        due, wanted = due_of(stored.record("reverts", f"{self.promise.uid}/{effect.step}")), since.received + after
        if due is None or abs(due - wanted) > SLACK:
            yield self._finding(Kind.Due, f"{effect.token}: {due}, expected {wanted}")

    def _evidence(self, effect: Effect, since: Event | None) -> Iterator[Finding]:
        """What the step could destroy was read after the change before it."""
        begin, end = since.received if since else effect.event.received, effect.event.received
        mine = (event for event in self.events if event.acting == self.promise.account and event.done)
        read = {(event.verb, event.resource) for event in mine if begin < event.received and event.answered <= end}
        for verb, resource in sorted(self.promise.evidence - read):
            yield self._finding(Kind.Evidence, f"{effect.token}: no {verb} of {resource} since {begin}")

    def _in_time(self, effect: Effect) -> Iterator[Finding]:
        known, at = self._known(effect), effect.event.received
        due = due_of(self._record(known[-1], effect)) if known else None
        if due is None:
            yield self._finding(Kind.Due, f"{effect.token}: no time stands in the status")
        elif at < due:
            yield self._finding(Kind.Early, f"{effect.token}: {(due - at).total_seconds():.1f} s")
        elif (late := at - due - covered((due, at), self.outages)) > LATENESS:
            yield self._finding(Kind.Late, f"{effect.token}: {late.total_seconds():.1f} s beside outages")

    def _finding(self, kind: Kind, what: str) -> Finding:
        return Finding(kind, f"{self.promise.namespace}/{self.promise.name}: {what}")

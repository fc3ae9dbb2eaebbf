"""What incidents did until now, for the guards on pace: known from what is stored of them, without a request of their own.

Filled by the list before the first tick, then as `underway`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from stanch.domain.incident import ChangeRecord, Facts, Mode, Status
from stanch.domain.plan import Pin
from stanch.engine.changes import ANY, LONGEST, end_of
from stanch.engine.figures import Past, Touched
from stanch.engine.ports import Object
from stanch.runtime.queue import Key
from stanch.runtime.sweeper import key_of
from stanch.runtime.times import Times

# Namespace, name, generation: one that people edited begins anew.
Recipe = tuple[str, str, int]
# A leader's clock may be behind that of the one before.
SKEW = timedelta(seconds=2)


@dataclass(frozen=True)
class Told:
    """Where an incident stands in the index."""

    policy: str
    recipe: Recipe | None
    targets: frozenset[str]

    def places(self, index: PastIndex) -> Iterator[tuple[dict[Any, Times], object]]:
        yield index._opened, self.policy
        yield index._changes, self.policy
        yield from ((index._touched, target) for target in self.targets)
        yield index._helped, self.recipe
        yield index._failed, self.recipe


NOTHING = Told("", None, frozenset())


@dataclass
class PastIndex:
    _told: dict[Key, Told] = field(default_factory=dict)
    # By policy; by UID of the object; by playbook.
    _opened: dict[str, Times] = field(default_factory=dict)
    _changes: dict[str, Times] = field(default_factory=dict)
    _touched: dict[str, Times] = field(default_factory=dict)
    _helped: dict[Recipe, Times] = field(default_factory=dict)
    _failed: dict[Recipe, Times] = field(default_factory=dict)
    # Deleted ones, the first to go first; how many there were names them.
    _gone: deque[tuple[datetime, Key]] = field(default_factory=deque)
    _number: int = 0

    def told(self, facts: Facts, status: Status) -> None:
        """How it stands in the cluster. One whose policy is not known yet counts under each."""
        key = facts.namespace, facts.name
        self.forget(key)
        if facts.mode is Mode.DryRun:
            self._told[key] = NOTHING
            return
        policy, ended = status.policy.name if status.policy else "", end_of(status)
        recipe = recipe_of(facts.namespace, ended.playbook if ended else None)
        put(self._opened, policy, key, facts.created_at)
        put(self._changes, policy, key, *(change.at for change in status.changes if change.at for _ in range(change.count)))
        latest = latest_of(status.changes)
        for target, at in latest.items():
            put(self._touched, target, key, at)
        if ended:
            put(self._helped if ended.helped else self._failed, recipe, key, ended.at)
        self._told[key] = Told(policy, recipe, frozenset(latest))

    def heard(self, obj: Object) -> None:
        """The watch tells of it; in a storm it takes a while until it is looked at."""
        if (key := key_of(obj)) not in self._told:
            put(self._opened, "", key, datetime.fromisoformat(obj["metadata"]["creationTimestamp"]))
            self._told[key] = NOTHING

    def begin(self, incident: Key, policy: str, now: datetime) -> None:
        """It is about to store an intent: counted from this moment, so that two do not take what is left at once."""
        put(self._changes, policy, incident, now)

    def gone(self, incident: Key, now: datetime) -> None:
        """Who deletes an Incident does not undo what it did: until the next start it counts for as long as any guard looks back."""
        self._evict(now)
        was = self._told.pop(incident, None)
        if was is None:
            return
        self._number += 1
        kept = incident[0], f"{incident[1]} (deleted, {self._number})"
        for index, name in was.places(self):
            put(index, name, kept, *drop(index, name, incident))
        self._told[kept] = was
        self._gone.append((now, kept))

    def _evict(self, now: datetime) -> None:
        while self._gone and self._gone[0][0] < now - LONGEST:
            self.forget(self._gone.popleft()[1])

    def forget(self, incident: Key) -> None:
        was = self._told.pop(incident, None)
        for index, name in was.places(self) if was else ():
            drop(index, name, incident)

    def of(self, incident: Key, policy: str, recipe: Recipe | None, targets: frozenset[str], now: datetime) -> Past:
        self._evict(now)
        known, heard = (ordered(self._opened, name) for name in (policy, ""))
        opened = tuple(sorted((*known, *heard))) if policy and heard else known
        return Past(self._latest(incident, targets), opened, ordered(self._changes, policy), self._failures(recipe, now))

    def _latest(self, incident: Key, targets: frozenset[str]) -> Touched | None:
        """By another incident: one does not wait for itself. Of what is named no more it may have been one of these."""
        among = (target for target in (*targets, ANY) if targets and target in self._touched)
        found = (Touched("/".join(by), at, target != ANY) for target in among for at, by in self._touched[target].but(incident))
        return max(found, key=lambda one: (one.at, one.named, one.by), default=None)

    def _failures(self, recipe: Recipe | None, now: datetime) -> int:
        """In a row, until now. What helped at a time that has not come yet (the clock was set back) may have done so before."""
        helped, failed = (ordered(index, recipe) for index in (self._helped, self._failed))
        known = bisect_right(helped, now + SKEW)
        return len(failed) - (bisect_right(failed, helped[known - 1]) if known else 0)


def latest_of(changes: tuple[ChangeRecord, ...]) -> dict[str, datetime]:
    """By object."""
    times = sorted((change.at, change.target) for change in changes if change.at and change.target)
    return {target: at for at, target in times}


def recipe_of(namespace: str, playbook: Pin | None) -> Recipe | None:
    return (namespace, playbook.name, playbook.generation) if playbook else None


def put(index: dict[Any, Times], name: object, incident: Key, *times: datetime) -> None:
    if times:
        index.setdefault(name, Times()).add(incident, *times)


def drop(index: dict[Any, Times], name: object, incident: Key) -> tuple[datetime, ...]:
    if (among := index.get(name)) is None:
        return ()
    times = among.pop(incident)
    if not among:
        index.pop(name)
    return times


def ordered(index: dict[Any, Times], name: object) -> tuple[datetime, ...]:
    return index[name].ordered if name in index else ()

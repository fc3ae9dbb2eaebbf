"""What incidents did until now, for the guards on pace: known from what is stored of them, without a request of their own.

Filled by the list before the first tick, then as `underway`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from stanch.domain.incident import SETTLED, Facts, Mode, OptionState, Phase, Status
from stanch.domain.plan import Pin
from stanch.engine.availability import Unknown
from stanch.engine.figures import Past, Touched
from stanch.engine.ports import Object
from stanch.runtime.queue import Key
from stanch.runtime.sweeper import key_of

ENDED = SETTLED | {Phase.Mitigated, Phase.Escalated}
UNHELPFUL = frozenset({OptionState.Failed, OptionState.Denied, OptionState.Inconclusive})
# The furthest that a policy lets a guard look back.
LONGEST = timedelta(days=1)
# Namespace, name, generation: one that people edited begins anew.
Recipe = tuple[str, str, int]


@dataclass(frozen=True)
class Ended:
    at: datetime
    helped: bool


@dataclass(frozen=True)
class Told:
    """Where an incident stands in the index."""

    policy: str
    recipe: Recipe | None
    targets: frozenset[str]

    def places(self, index: PastIndex) -> Iterator[tuple[dict, object]]:
        yield index._opened, self.policy
        yield index._changes, self.policy
        yield from ((index._touched, target) for target in self.targets)
        yield index._ended, self.recipe


NOTHING = Told("", None, frozenset())


@dataclass
class PastIndex:
    """`complete`: every Incident was looked at; before that, nobody can say what they did."""

    complete: bool = False
    _told: dict[Key, Told] = field(default_factory=dict)
    # By policy; by UID of the object; by playbook.
    _opened: dict[str, dict[Key, datetime]] = field(default_factory=dict)
    _changes: dict[str, dict[Key, tuple[datetime, ...]]] = field(default_factory=dict)
    _touched: dict[str, dict[Key, datetime]] = field(default_factory=dict)
    _ended: dict[Recipe, dict[Key, Ended]] = field(default_factory=dict)
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
        policy, recipe = status.policy.name if status.policy else "", recipe_of(facts.namespace, status.playbook)
        self._opened.setdefault(policy, {})[key] = facts.created_at
        if times := tuple(change.at for change in status.changes if change.at):
            self._changes.setdefault(policy, {})[key] = times
        latest = {change.target: change.at for change in status.changes if change.at and change.target}
        for target, at in latest.items():
            self._touched.setdefault(target, {})[key] = at
        if recipe and (ended := end_of(status)):
            self._ended.setdefault(recipe, {})[key] = ended
        self._told[key] = Told(policy, recipe, frozenset(latest))

    def heard(self, obj: Object) -> None:
        """The watch tells of it; in a storm it takes a while until it is looked at."""
        if (key := key_of(obj)) not in self._told:
            self._opened.setdefault("", {})[key] = datetime.fromisoformat(obj["metadata"]["creationTimestamp"])
            self._told[key] = NOTHING

    def begin(self, incident: Key, policy: str, now: datetime) -> None:
        """It is about to store an intent: counted from this moment, so that two do not take what is left at once."""
        made = self._changes.setdefault(policy, {})
        made[incident] = (*made.get(incident, ()), now)

    def gone(self, incident: Key, now: datetime) -> None:
        """Who deletes an Incident does not undo what it did: until the next start it counts for as long as any guard looks back."""
        while self._gone and self._gone[0][0] < now - LONGEST:
            self.forget(self._gone.popleft()[1])
        was = self._told.pop(incident, None)
        if was is None:
            return
        self._number += 1
        kept = incident[0], f"{incident[1]} (deleted, {self._number})"
        for index, name in was.places(self):
            if incident in (among := index.get(name, {})):
                among[kept] = among.pop(incident)
        self._told[kept] = was
        self._gone.append((now, kept))

    def forget(self, incident: Key) -> None:
        was = self._told.pop(incident, None)
        for index, name in was.places(self) if was else ():
            drop(index, name, incident)

    def of(self, incident: Key, policy: str, recipe: Recipe | None, targets: frozenset[str]) -> Past | Unknown:
        if not self.complete:
            return Unknown("not every incident was looked at since the operator's start")
        names = {policy, ""}
        opened = tuple(at for name in names for at in self._opened.get(name, {}).values())
        changes = tuple(at for made in self._changes.get(policy, {}).values() for at in made)
        return Past(self._latest(incident, targets), opened, changes, self._failures(recipe))

    def _latest(self, incident: Key, targets: frozenset[str]) -> Touched | None:
        """By another incident: one does not wait for itself."""
        found = [(at, key) for target in targets for key, at in self._touched.get(target, {}).items() if key != incident]
        return Touched("/".join(max(found)[1]), max(found)[0]) if found else None

    def _failures(self, recipe: Recipe | None) -> int:
        """In a row, until now."""
        ended = self._ended.get(recipe, {}).values() if recipe else ()
        helped = max((one.at for one in ended if one.helped), default=None)
        return sum(not one.helped and (helped is None or one.at > helped) for one in ended)


def recipe_of(namespace: str, playbook: Pin | None) -> Recipe | None:
    return (namespace, playbook.name, playbook.generation) if playbook else None


def end_of(status: Status) -> Ended | None:
    """None: it goes on, or nothing was changed of which one could say whether it helped."""
    at = max((record.written_at for record in status.steps if record.written_at), default=None)
    tried = [record.state for record in status.options if record.state is not OptionState.Skipped]
    if at is None or not tried or status.phase not in ENDED:
        return None
    helped = tried[-1] is OptionState.Confirmed
    return Ended(at, helped) if helped or tried[-1] in UNHELPFUL else None


def drop(index: dict, name: object, incident: Key) -> None:
    among = index.get(name, {})
    among.pop(incident, None)
    if not among:
        index.pop(name, None)

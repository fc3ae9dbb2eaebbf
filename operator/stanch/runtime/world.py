"""Everything the runtime reaches the world through, put together once by `app`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stanch.domain.incident import Facts, Status
from stanch.engine.errors import Refused
from stanch.engine.parts import Action, CheckKind
from stanch.engine.ports import Clock, Clusters, Locks, Packs, Vault, Web
from stanch.engine.vouching import Lapse, Trust
from stanch.runtime.decisions import DecisionIndex
from stanch.runtime.lately import LatelyIndex
from stanch.runtime.past import PastIndex
from stanch.runtime.queue import Key
from stanch.runtime.sight import Sight
from stanch.runtime.underway import UnderwayIndex


@dataclass(frozen=True)
class World:
    clusters: Clusters
    packs: Packs
    plans: Vault
    # Of before-images.
    vault: Vault
    locks: Locks
    web: Callable[[tuple[str, ...]], Web]
    clock: Clock
    actions: Mapping[str, Action]
    checks: Mapping[str, CheckKind]
    # Those that the API server vouched for.
    decisions: DecisionIndex
    trust: Callable[[], Trust]
    # What else it does not vouch for.
    lapses: Callable[[], tuple[Lapse, ...]]
    # Raises Retryable when this process does not lead any more.
    epoch: Callable[[], int]
    # How many incidents wait for a time at which they are looked at again.
    crowd: Callable[[], int]
    underway: UnderwayIndex = field(default_factory=UnderwayIndex)
    past: PastIndex = field(default_factory=PastIndex)
    lately: LatelyIndex = field(default_factory=LatelyIndex)
    sight: Sight = field(default_factory=Sight)

    def told(self, facts: Facts, status: Status) -> None:
        """How an incident stands in the cluster, for the guards."""
        key = facts.namespace, facts.name
        self.sight.illegible.pop(key, None)
        self.underway.told(key, status)
        self.past.told(facts, status)
        self.lately.told(facts, status)

    def illegible(self, incident: Key, failure: Refused) -> None:
        """It is there, and nobody can say what it does."""
        self.sight.illegible[incident] = failure.message

    def forget(self, incident: Key) -> None:
        self.sight.illegible.pop(incident, None)
        self.underway.forget(incident)
        self.past.gone(incident, self.clock.now())
        self.lately.evict(self.clock.now())

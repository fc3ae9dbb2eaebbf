"""Everything the runtime reaches the world through, put together once by `app`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stanch.domain.incident import Facts, Status
from stanch.engine.parts import Action, CheckKind
from stanch.engine.ports import Clock, Clusters, Locks, Packs, Vault, Web
from stanch.engine.vouching import Lapse, Trust
from stanch.runtime.decisions import DecisionIndex
from stanch.runtime.past import PastIndex
from stanch.runtime.queue import Key
from stanch.runtime.underway import UnderwayIndex


@dataclass(frozen=True)
class World:
    clusters: Clusters
    packs: Packs
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
    underway: UnderwayIndex = field(default_factory=UnderwayIndex)
    past: PastIndex = field(default_factory=PastIndex)

    def told(self, facts: Facts, status: Status) -> None:
        """How an incident stands in the cluster, for the guards."""
        self.underway.told((facts.namespace, facts.name), status)
        self.past.told(facts, status)

    def forget(self, incident: Key) -> None:
        self.underway.forget(incident)
        self.past.gone(incident, self.clock.now())

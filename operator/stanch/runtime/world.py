"""Everything the runtime reaches the world through, put together once by `app`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stanch.engine.parts import Action, CheckKind
from stanch.engine.ports import Clock, Clusters, Locks, Packs, Vault, Web
from stanch.engine.vouching import Trust
from stanch.runtime.decisions import DecisionIndex
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
    # Raises Retryable when this process does not lead any more.
    epoch: Callable[[], int]
    underway: UnderwayIndex = field(default_factory=UnderwayIndex)

"""Where an action acts in a unit test: a cluster in memory, a pack in memory."""

from __future__ import annotations

from stanch.engine.parts import Stage
from stanch.packs.store import StoredPacks
from tests.unit.memory import MemoryCluster, MemoryWeb
from tests.unit.world_gates import MemoryPacks


def on(cluster: MemoryCluster, web: MemoryWeb | None = None, namespace: str = "shop", packs: MemoryPacks | None = None) -> Stage:
    """`packs` is where a test looks for what was kept."""
    pack = StoredPacks(packs or MemoryPacks()).of(namespace, "an-incident", "uid-1")
    return Stage(cluster, web or MemoryWeb(), pack, namespace, "steps/1-option-step", "fixer")

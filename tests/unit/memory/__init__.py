"""The cluster in memory: the ports of `stanch.kube`, held to the same contract (`tests/contract/suite_cluster.py`)."""

from tests.unit.memory.cluster import MemoryCluster, MemoryClusters, MemoryWeb
from tests.unit.memory.kinds import KINDS, Kind, custom
from tests.unit.memory.objects import NotModelled
from tests.unit.memory.server import Crash, MemoryServer, Write
from tests.unit.memory.time import MemoryTime, settle

__all__ = [
    "KINDS",
    "Crash",
    "Kind",
    "MemoryCluster",
    "MemoryClusters",
    "MemoryServer",
    "MemoryTime",
    "MemoryWeb",
    "NotModelled",
    "Write",
    "custom",
    "settle",
]

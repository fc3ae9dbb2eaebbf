"""Leases, locks and secrets on the cluster in memory."""

import pytest

from tests.contract.suite_records import RecordsContract
from tests.unit.test_memory_cluster import MemoryWorld


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


class TestRecords(RecordsContract):
    pass

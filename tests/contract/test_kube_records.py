"""Leases, locks and secrets on a real API server."""

from tests.contract.suite_records import RecordsContract


class TestRecords(RecordsContract):
    pass

"""Leases, locks, plans and before-images on a real API server."""

from tests.contract.suite_records import RecordsContract


class TestRecords(RecordsContract):
    pass

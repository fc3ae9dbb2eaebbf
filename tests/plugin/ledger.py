"""Which test names which ID, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import pytest


class Outcome(StrEnum):
    passed = "passed"
    failed = "failed"
    not_run = "not run"


class State(StrEnum):
    proven = "proven"
    in_part = "in part"
    failed = "FAILED"
    not_run = "not run"
    unit = "unit"
    no_test = "no test"


# These tests support what others prove: a requirement is about a real cluster.
SUPPORTING = "tests/unit/"


@dataclass
class Ledger:
    """`tests` is ID -> the node ids that name it; `outcomes` is node id -> outcome, absent for what did not run; `lacking` is
    ID -> what of it no test shows."""

    titles: Mapping[str, str]
    lacking: Mapping[str, str] = field(default_factory=dict)
    tests: dict[str, dict[str, None]] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def enter(self, nodeid: str, ids: tuple[object, ...]) -> list[str]:
        """Notes that a test names these IDs; returns what is wrong with them."""
        for known in self.titles.keys() & set(ids):
            self.tests.setdefault(known, {})[nodeid] = None
        return [
            f"{nodeid}: @pytest.mark.requirement names {unknown!r}, which tests/requirements.yaml does not have; "
            'expected IDs such as "E-14"'
            for unknown in ids
            if unknown not in self.titles
        ]

    def record(self, report: pytest.TestReport) -> None:
        """Set-up, call and tear-down each report; a failure of any of them stays. An expected failure proves nothing."""
        expected_failure = hasattr(report, "wasxfail")
        if report.failed:
            self.outcomes[report.nodeid] = Outcome.failed
        elif report.passed and report.when == "call" and not expected_failure:
            self.outcomes.setdefault(report.nodeid, Outcome.passed)

    def outcome(self, nodeid: str) -> Outcome:
        return self.outcomes.get(nodeid, Outcome.not_run)

    def state(self, identifier: str) -> State:
        named = self.tests.get(identifier)
        if not named:
            return State.no_test
        seen = {self.outcome(nodeid) for nodeid in named}
        if Outcome.failed in seen:
            return State.failed
        proving = {self.outcome(nodeid) for nodeid in named if not nodeid.startswith(SUPPORTING)}
        if Outcome.passed in proving:
            return State.in_part if identifier in self.lacking else State.proven
        return State.unit if Outcome.passed in seen else State.not_run

"""What generic tools (kstatus: kubectl wait, Argo CD, Flux) read from an Incident, for every phase that it can be in.

https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from stanch.domain.incident import Phase, Status
from stanch.engine.summary import PACK_UNAVAILABLE, conditions
from tests.unit.play import TRUSTED

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
KINDS = ("Ready", "Reconciling", "Stalled")

# By the name that kstatus gives to what it reads: nothing is left to do, something is done, nothing goes on by itself.
CURRENT = ("True", "False", "False")
IN_PROGRESS = ("False", "True", "False")
FAILED = ("False", "False", "True")

READ = {
    Phase.Opened: IN_PROGRESS,
    Phase.Capturing: IN_PROGRESS,
    Phase.Diagnosing: IN_PROGRESS,
    Phase.AwaitingApproval: IN_PROGRESS,
    Phase.Mitigating: IN_PROGRESS,
    Phase.Verifying: IN_PROGRESS,
    Phase.Holding: IN_PROGRESS,
    Phase.Mitigated: IN_PROGRESS,
    Phase.Resolved: CURRENT,
    Phase.Closed: CURRENT,
    Phase.Waiting: FAILED,
    Phase.Escalated: FAILED,
    Phase.Aborting: IN_PROGRESS,
    Phase.Aborted: CURRENT,
    Phase.Failed: FAILED,
}


def read(status: Status, store_error: str = "") -> tuple[str, ...]:
    found = {condition.type: condition.status for condition in conditions(status, 3, NOW, TRUSTED, store_error)}
    return tuple(found[kind] for kind in KINDS)


def test_every_phase_is_read_as_what_it_is() -> None:
    assert {phase: read(Status(phase=phase)) for phase in Phase} == READ


def test_an_incident_whose_pack_cannot_be_written_is_stalled_in_every_phase() -> None:
    """While the store is away, and when that has stopped it."""
    assert {phase: read(Status(phase=phase), "the store does not answer") for phase in Phase} == dict.fromkeys(Phase, FAILED)
    assert {phase: read(Status(phase=phase, reason=PACK_UNAVAILABLE)) for phase in Phase} == dict.fromkeys(Phase, FAILED)


@pytest.mark.parametrize(("store_error", "reason", "message"), [
    ("", "OptionsExhausted", "nobody is left to ask"),
    ("the store does not answer", PACK_UNAVAILABLE, "the store does not answer"),
])  # fmt: skip
def test_conditions_say_why_and_about_which_generation(store_error: str, reason: str, message: str) -> None:
    status = Status(phase=Phase.Escalated, reason="OptionsExhausted", message="nobody is left to ask")
    found = {condition.type: condition for condition in conditions(status, 3, NOW, TRUSTED, store_error)}
    assert [(found[kind].reason, found[kind].message) for kind in KINDS] == [
        (reason, message), ("Escalated", message), (reason, message),
    ]  # fmt: skip
    assert {condition.observed_generation for condition in found.values()} == {3}


def test_a_condition_keeps_the_time_of_its_last_change() -> None:
    status = Status(phase=Phase.Holding)
    status = replace(status, conditions=conditions(status, 3, NOW, TRUSTED), phase=Phase.Resolved)
    later = NOW + timedelta(minutes=5)
    since = {condition.type: condition.last_transition_time for condition in conditions(status, 3, later, TRUSTED)}
    assert [since[kind] for kind in KINDS] == [later, later, NOW]

"""`job`: complete, failed for good, or not yet; a Job that is not there says nothing."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from stanch.checks.job import JOB, JobParams
from stanch.engine.ports import Object
from tests.unit import rollouts
from tests.unit.checking import CONFIRMED, DENIED, INCONCLUSIVE, read


def job(name: str, at: int, *conditions: str, **status: Any) -> Object:
    metadata = {"name": name, "namespace": "shop", "labels": {"app": "backup"}, "creationTimestamp": rollouts.minute(at)}
    found = [{"type": type, "status": "True", "reason": "BackoffLimitExceeded"} for type in conditions]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "status": {"conditions": found, **status}}


@pytest.mark.parametrize(
    ("conditions", "verdict", "final", "value", "says"),
    [
        (("SuccessCriteriaMet", "Complete"), CONFIRMED, False, "Complete", "is complete"),
        (("FailureTarget", "Failed"), DENIED, True, "Failed", "BackoffLimitExceeded"),
        (("FailureTarget",), DENIED, False, "Running", "not complete yet"),
        ((), DENIED, False, "Running", "1 active"),
        (("Suspended",), DENIED, False, "Running", "suspended"),
    ],
)
async def test_readings(conditions: tuple, verdict: Any, final: bool, value: str, says: str) -> None:
    server = rollouts.server_with(job("nightly", 0, *conditions, active=1))
    reading = await read(JOB, server, {"objectName": "nightly"})
    assert (reading.verdict, reading.final, reading.value) == (verdict, final, value)
    assert says in reading.message


async def test_of_several_the_newest_counts() -> None:
    server = rollouts.server_with(job("old", 1, "Failed"), job("new", 2, "Complete"), job("older", 0))
    assert (await read(JOB, server, {"matchLabels": {"app": "backup"}})).verdict is CONFIRMED


@pytest.mark.parametrize("said", [{"objectName": "gone"}, {"matchLabels": {"app": "gone"}}])
async def test_an_absent_job_may_come(said: dict) -> None:
    reading = await read(JOB, rollouts.server_with(job("old", 1, "Complete")), said)
    assert (reading.verdict, reading.final) == (INCONCLUSIVE, False)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"objectName": "a", "matchLabels": {"app": "b"}},
        {"objectName": "../pods/x"},
        {"matchLabels": {}},
        {"matchLabels": {"app": "x,other=y"}},
        {"matchLabels": {"app in (x)": ""}},
        {"matchLabels": {"app": "x\n"}},
    ],
)
def test_what_it_may_not_say(said: dict) -> None:
    with pytest.raises(ValidationError):
        JobParams.model_validate(said)

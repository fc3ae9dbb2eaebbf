"""`object`: conditions and values of any one object; what is not there is not known, and Secrets stay secret."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from stanch.checks.object import OBJECT, ObjectParams, plural
from stanch.domain.access import Rule
from stanch.domain.plan import Ref
from stanch.engine.parts import Reading
from tests.unit import rollouts
from tests.unit.checking import CONFIRMED, DENIED, INCONCLUSIVE, read
from tests.unit.memory import MemoryServer

JOB = {"apiVersion": "batch/v1", "kind": "Job", "objectName": "backup"}
TARGET = Ref("apps/v1", "Deployment", "shop", "web")


def server_with(**status: Any) -> MemoryServer:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "backup", "namespace": "shop"}, "status": status}
    return rollouts.server_with(job, rollouts.deployment(rollouts.template("web:v1")))


@pytest.mark.parametrize(
    ("said", "verdict", "value", "says"),
    [
        ({"expect": "object.status.succeeded == 1"}, CONFIRMED, None, "job/backup, as expected"),
        ({"expect": "object.status.succeeded == 2"}, DENIED, None, "expected object.status.succeeded == 2"),
        ({"value": "object.status.succeeded"}, CONFIRMED, 1, "value is 1"),
        ({"value": "object.status.succeeded", "expect": "value > 3"}, DENIED, 1, "value is 1, expected value > 3"),
        ({"value": "object.status.succeeded", "expect": "value > baseline"}, INCONCLUSIVE, 1, "baseline is not known"),
        ({"expect": "object.status.gone == 1"}, INCONCLUSIVE, None, "cannot be judged"),
        ({"value": "object.status"}, INCONCLUSIVE, None, "gives map"),
        ({"value": "object.status.succeeded", "type": "Number", "expect": "value < 1.5"}, CONFIRMED, 1.0, "value is 1"),
        ({"value": "object.metadata.name", "type": "Integer"}, INCONCLUSIVE, None, "its value is not an integer of 64 bits"),
    ],
)
async def test_readings(said: dict, verdict: Any, value: Any, says: str) -> None:
    reading = await read(OBJECT, server_with(succeeded=1), JOB | said)
    assert (reading.verdict, reading.value, reading.final) == (verdict, value, False)
    assert says in reading.message


async def test_it_can_look_at_a_target_and_compare_with_before() -> None:
    said = {"value": "object.spec.replicas", "expect": "value == baseline"}
    assert (await read(OBJECT, server_with(), said, TARGET, baseline=4)).verdict is CONFIRMED
    assert (await read(OBJECT, server_with(), said, TARGET, baseline=5)).verdict is DENIED


async def test_an_absent_object_may_come_and_a_forbidden_one_is_not_known() -> None:
    said = {**JOB, "expect": "true"}
    absent = await read(OBJECT, rollouts.server_with(), said)
    assert (absent.verdict, absent.final) == (INCONCLUSIVE, False)
    params = OBJECT.params.model_validate({"expect": "true"})
    assert (await read(OBJECT, rollouts.server_with(), {"expect": "true"})).final
    assert OBJECT.rules(params, "shop", None) == ()


async def test_a_kind_that_is_not_served_is_final() -> None:
    reading = await read(OBJECT, rollouts.server_with(), {**JOB, "kind": "Jobb", "expect": "true"})
    assert reading == Reading(INCONCLUSIVE, reading.message, True)


@pytest.mark.parametrize(
    "said",
    [
        {**JOB},
        {"apiVersion": "batch/v1", "kind": "Job", "expect": "true"},
        {"kind": "Job", "objectName": "backup", "expect": "true"},
        {**JOB, "apiVersion": "v1", "kind": "Secret", "expect": "true"},
        {**JOB, "objectName": "../secrets/x", "expect": "true"},
        {**JOB, "kind": "Job/status", "expect": "true"},
        {**JOB, "expect": "object.spec.size() + 1"},
        {**JOB, "expect": "objekt.spec == 1"},
        {**JOB, "expect": "object.l.all(i, object.l.all(j, true))"},
        {**JOB, "expect": "object.x == '${params.evil}'"},
        {**JOB, "value": ""},
        {**JOB, "value": "true || " * 200 + "true"},
        {**JOB, "expect": "true", "namespace": "kube-system"},
    ],
)
def test_what_it_may_not_say(said: dict) -> None:
    with pytest.raises(ValidationError):
        ObjectParams.model_validate(said)


def test_rules_name_the_one_object() -> None:
    params = ObjectParams.model_validate({**JOB, "expect": "true"})
    assert OBJECT.rules(params, "shop", None) == (Rule(("get",), "batch", "jobs", ("backup",)),)
    names = {
        "NetworkPolicy": "networkpolicies", "policy": "policies", "Gateway": "gateways", "Ingress": "ingresses",
        "Endpoints": "endpoints", "Pod": "pods",
    }  # fmt: skip
    assert {kind: plural(kind) for kind in names} == names

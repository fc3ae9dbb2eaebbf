"""The API server's audit log says what the soak's judgement takes from it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.model import ClusterError
from tests.stage.audit.log import AuditLog, Event

TIMES = 20


@pytest.fixture
def log(cluster: Any, namespace: str) -> Iterator[AuditLog]:
    assert cluster.audit_log, "the cluster under test has no way to its audit log (audit_log is None)"
    with AuditLog(cluster.audit_log, lambda line: namespace.encode() in line) as log:
        yield log


def of(log: AuditLog, resource: str, name: str) -> list[Event]:
    log.read()
    return [event for event in log.events if (event.resource, event.name) == (resource, name)]


def test_when_a_request_is_answered_it_stands_in_the_log(cluster: Any, namespace: str, log: AuditLog) -> None:
    for number in range(TIMES):
        cluster.kubectl("-n", namespace, "create", "configmap", f"flags-{number}", "--from-literal=on=true")
        (event,) = of(log, "configmaps", f"flags-{number}")
        assert (event.verb, event.code, event.acting) == ("create", 201, "")
    received = [event for event in log.events if event.name.startswith("flags-")]
    assert all(one.answered < next_one.received for one, next_one in itertools.pairwise(received))


def test_what_a_config_map_became_is_kept_and_of_a_secret_nothing(cluster: Any, namespace: str, log: AuditLog) -> None:
    for kind in ("configmap", "secret"):
        make = ["create", kind] + ["generic"] * (kind == "secret")
        cluster.kubectl("-n", namespace, *make, "flags", "--from-literal=on=true")
        patch = json.dumps({"data": {"on": None}})
        cluster.kubectl("-n", namespace, "patch", kind, "flags", "--type=merge", "-p", patch)
    made, changed = (event for event in of(log, "configmaps", "flags") if event.verb != "get")
    assert made.body["data"] == {"on": "true"} and changed.body == {"data": {"on": None}}
    assert {event.verb: event.body for event in of(log, "secrets", "flags")} == {"create": None, "get": None, "patch": None}


def test_what_is_only_tried_and_what_is_refused_is_told_from_what_is_done(cluster: Any, namespace: str, log: AuditLog) -> None:
    make = ("-n", namespace, "create", "configmap", "flags", "--from-literal=on=true")
    cluster.kubectl(*make, "--dry-run=server")
    cluster.kubectl(*make)
    with pytest.raises(ClusterError, match="already exists"):
        cluster.kubectl(*make)
    assert [(event.code, event.dry, event.done) for event in of(log, "configmaps", "flags")] == [
        (201, True, False), (201, False, True), (409, False, False),
    ]  # fmt: skip

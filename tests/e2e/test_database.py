"""Scenario 2 of the Kubernetes runbook on a real PostgreSQL whose connections a leaking client has used up."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.model import ClusterError
from tests.stage.database import DatabaseScene
from tests.stage.scene import Scene

REFUSALS = ("too many clients", "remaining connection slots are reserved")


@pytest.fixture
def database(scene: Scene) -> DatabaseScene:
    return DatabaseScene(scene.kubectl, scene.operator_namespace)


def quick(document: dict[str, Any]) -> None:
    """The shipped playbook with short holds."""
    spec = document["spec"]
    for check in [check for option in spec["options"] for check in option["verify"]] + spec["recovery"]["verify"]:
        check["holdFor"] = "3s"
    spec["recovery"]["watchFor"] = "0s"


def refused(database: DatabaseScene) -> bool:
    try:
        database.ask()
    except ClusterError as error:
        return any(said in str(error) for said in REFUSALS)
    return False


@pytest.mark.requirement("E-09", "E-12")
def test_fewer_frontends_relieve_the_database_and_come_back_afterwards(database: DatabaseScene) -> None:
    database.set(playbook=quick)
    assert database.ask() == "served"
    database.leak(each=6)
    database.until_true("a client is refused for want of connections", lambda: refused(database))
    name = database.open()
    incident = database.until(name, "Resolved", 180)
    assert int(incident["status"]["facts"]["connections"]) >= 15
    assert {option["name"]: option["state"] for option in incident["status"]["options"]} == {"scale-frontend": "Confirmed"}
    assert database.replicas() == 3, "recovery gave back what was there before"
    assert database.ask() == "served" and database.connections() < 15


@pytest.mark.requirement("E-09", "B-15")
def test_few_connections_are_a_false_alarm_and_nothing_is_changed(database: DatabaseScene) -> None:
    database.set(playbook=quick)
    generation = database.kubectl.get("deployment", "leaky-frontend")["metadata"]["generation"]
    name = database.open()
    database.kubectl.wait(f"incident/{name}", ".status.reason", "FalseAlarm")
    assert database.kubectl.get("deployment", "leaky-frontend")["metadata"]["generation"] == generation

"""Scenario 2 of the Kubernetes runbook on a real PostgreSQL whose connections a leaking client has used up."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from tests.cluster.model import ClusterError
from tests.stage.database import DatabaseScene
from tests.stage.pack import folder_of
from tests.stage.people import glass_breakers
from tests.stage.scene import Scene

REFUSALS = ("too many clients", "remaining connection slots are reserved")
# So long were the leaked ones idle before they are ended here; those in use ask every second.
IDLE = "4"


@pytest.fixture
def database(scene: Scene) -> DatabaseScene:
    return DatabaseScene(scene.kubectl, scene.operator_namespace)


def quick(document: dict[str, Any]) -> None:
    """The shipped playbook with short holds."""
    spec = document["spec"]
    for check in [check for option in spec["options"] for check in option["verify"]] + spec["recovery"]["verify"]:
        check["holdFor"] = "3s"
    spec["recovery"]["watchFor"] = "0s"


def impatient(document: dict[str, Any]) -> None:
    """As `quick`, and it waits 10 seconds for connections to fall."""
    quick(document)
    for option in document["spec"]["options"]:
        for check in option["verify"]:
            check["within"] = "10s"


def refused(database: DatabaseScene) -> bool:
    try:
        database.ask()
    except ClusterError as error:
        return any(said in str(error) for said in REFUSALS)
    return False


def crowded(database: DatabaseScene, *clients: str, each: int = 6) -> None:
    """A database that refuses its clients, because these, or all of them, leak. One more with each question: a question, or the
    server's probe, may itself have had the last place for a moment when a leak wanted it. Each client has the connection that it
    uses before: that the database is ready, the way to it learns a moment later."""
    database.until_true(
        "each client has its connection", lambda: len(database.sessions("pool")) == len(database.clients()) == database.replicas()
    )
    assert database.ask() == "served"
    wanted = count(each)

    def refused_with_one_more() -> bool:
        database.leak(next(wanted), *clients)
        return refused(database)

    database.until_true("a client is refused for want of connections", refused_with_one_more)


def all_idle(database: DatabaseScene) -> bool:
    """Also those that the slowest client has leaked last: a younger one is not ended, and rightly so."""
    return 0 < len(database.sessions("leak")) <= database.idle(seconds=int(IDLE))


def states(incident: dict[str, Any]) -> dict[str, str]:
    return {option["name"]: option["state"] for option in incident["status"]["options"]}


@pytest.mark.requirement("E-11")
def test_connections_idle_for_too_long_are_ended_and_those_in_use_are_not(database: DatabaseScene) -> None:
    database.set(playbook=quick)
    crowded(database)
    pooled = database.sessions("pool")
    database.until_true("leaked connections are idle for long enough", lambda: all_idle(database))
    name = database.open(parameters={"idleSeconds": IDLE})
    incident = database.until(name, "Resolved", 180)
    assert states(incident) == {"end-idle": "Confirmed"}
    assert int(incident["status"]["facts"]["ended"]) >= 10
    assert database.sessions("leak") == set(), "leaked ones are not opened again"
    assert database.sessions("pool") == pooled, "who uses his connection keeps it"
    assert database.ask() == "served"
    assert database.replicas() == 3, "the frontend is left alone"
    written = [path.read_text().strip() for path in folder_of(incident).rglob("*.stdout.txt")]
    assert written == [incident["status"]["facts"]["ended"]], "what the command said is kept"


@pytest.mark.requirement("E-09", "E-12")
def test_fewer_frontends_relieve_the_database_and_come_back_afterwards(database: DatabaseScene) -> None:
    database.set(playbook=quick)
    crowded(database)
    name = database.open()
    incident = database.until(name, "Resolved", 180)
    facts = incident["status"]["facts"]
    assert int(facts["connections"]) >= 15
    assert int(facts["refusals"]) >= 1, "the database has logged whom it refused"
    assert int(facts["idleTooLong"]) == 0, "leaked a moment ago: not idle for ten minutes, so none is ended"
    assert states(incident) == {"end-idle": "Skipped", "scale-frontend": "Confirmed"}
    assert database.replicas() == 3, "recovery gave back what was there before"
    database.kubectl("rollout", "status", "deployment/leaky-frontend", "--timeout=120s", timeout=150)
    assert database.ask() == "served" and database.connections() < 15
    logs = [path.read_text() for path in (folder_of(incident) / "logs" / "before-1").glob("database-*")]
    assert any(said in text for said in REFUSALS for text in logs)


@pytest.mark.requirement("E-12")
def test_connections_that_do_not_fall_in_time_give_the_frontends_back_and_the_last_resort_waits_for_a_person(
    database: DatabaseScene,
) -> None:
    """The one frontend that is left has leaked them all."""
    database.set(playbook=impatient)
    left = database.clients()[0]
    database.kubectl("annotate", left, "controller.kubernetes.io/pod-deletion-cost=1")
    crowded(database, left, each=18)
    name = database.open()
    incident = database.until(name, "AwaitingApproval", 180)
    assert states(incident) == {"end-idle": "Skipped", "scale-frontend": "Denied", "restart": "Running"}
    assert "expected value < 15" in next(o["message"] for o in incident["status"]["options"] if o["name"] == "scale-frontend")
    assert [record["state"] for record in incident["status"]["reverts"]] == ["Done"]
    assert database.replicas() == 3


@pytest.mark.requirement("E-09", "B-15")
def test_few_connections_are_a_false_alarm_and_nothing_is_changed(database: DatabaseScene) -> None:
    database.set(playbook=quick)
    generation = database.kubectl.get("deployment", "leaky-frontend")["metadata"]["generation"]
    name = database.open()
    incident = database.until_status(name, ".reason", "FalseAlarm")
    assert incident["status"]["phase"] == "Resolved"
    assert not incident["status"].get("steps") and not incident["status"].get("options")
    assert database.kubectl.get("deployment", "leaky-frontend")["metadata"]["generation"] == generation


@pytest.mark.requirement("E-09", "B-15")
def test_a_database_that_does_not_answer_is_no_false_alarm(database: DatabaseScene) -> None:
    """Not knowing how many connections there are is not knowing that there are few."""

    def deaf(document: dict[str, Any]) -> None:
        impatient(document)
        for question in document["spec"]["diagnosis"]:
            question["within"] = "5s"
        document["spec"]["diagnosis"][0]["exec"]["command"][0] = "no-such-program"

    database.set(playbook=deaf)
    name = database.open()
    incident = database.until_status(name, ".option", "scale-frontend")
    assert "connections" not in incident["status"].get("facts", {})
    assert incident["status"]["reason"] != "FalseAlarm"


def without_one_less(database: DatabaseScene) -> None:
    """Its budget lets no frontend go."""
    selector = {"matchLabels": {"component": "leaky-frontend"}}
    metadata, spec = {"name": "leaky-frontend"}, {"minAvailable": 3, "selector": selector}
    database.kubectl.apply([{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}])


def postmaster(database: DatabaseScene) -> str:
    """The database's pod: a restart makes another one."""
    return str(database.kubectl.get("pod", "database-0")["metadata"]["uid"])


def hurried(document: dict[str, Any]) -> None:
    """As `impatient` with fewer frontends, which are given up when they were held up for a minute; the restart has its time."""
    impatient(document)
    document["spec"]["options"][1]["timeout"] = "1m"
    for check in document["spec"]["options"][2]["verify"]:
        check["within"] = "3m"


def untried(database: DatabaseScene) -> tuple[str, str]:
    """An incident in which fewer frontends are held up; the one that would be left has leaked them all, so that only a restart
    helps. Its name, and the database's pod."""
    database.set(playbook=hurried)
    without_one_less(database)
    before, left = postmaster(database), database.clients()[0]
    database.kubectl("annotate", left, "controller.kubernetes.io/pod-deletion-cost=1")
    crowded(database, left, each=18)
    return database.open(), before


def unattended(document: dict[str, Any]) -> None:
    """As `hurried`, and the restart asks nobody."""
    hurried(document)
    del document["spec"]["options"][2]["approval"]


@pytest.mark.requirement("E-10")
def test_the_restart_is_approved_neither_beforehand_nor_before_fewer_frontends_were_tried(database: DatabaseScene) -> None:
    """Once they were, and did not help, the commander's yes lets it run."""
    name, before = untried(database)
    incident = database.until_status(name, ".reason", "DisruptionBudget")
    bound = {"role": "incident-commander", "option": "restart", "planDigest": incident["status"]["planDigest"]}
    said = database.decide(database.commander, "Approve", incident, **bound)["metadata"]["name"]
    database.kubectl.wait(f"decision/{said}", ".status.effect", "NoEffect")
    assert "restart is a last resort" in database.kubectl.get("decision", said)["status"]["message"]
    incident = database.until(name, "AwaitingApproval", 180)
    assert incident["status"]["message"].endswith("does not let it run; not tried: scale-frontend")
    assert incident["status"]["waitsFor"] == "incident-commander 0/1"
    database.decide(database.commander, "Approve", incident, **bound)
    incident = database.until_status(name, ".reason", "LastResort")
    assert "approved, and held up by LastResort: options that were not tried: scale-frontend" in incident["status"]["message"]
    assert incident["status"]["waitsFor"] == "BreakGlass or Reject of restart" and not incident["status"].get("steps")
    assert postmaster(database) == before and database.replicas() == 3
    database.decide(database.commander, "Reject", incident, **bound)
    incident = database.until(name, "Escalated")
    assert postmaster(database) == before
    database.kubectl("delete", "poddisruptionbudget", "leaky-frontend")
    database.decide(database.on_call, "Resume", incident)
    database.until_status(name, ".attempt", "2")
    database.approve(database.commander, name, "incident-commander")
    incident = database.until(name, "Resolved", 300)
    assert states(incident) == {"end-idle": "Skipped", "scale-frontend": "Denied", "restart": "Confirmed"}
    assert postmaster(database) != before and database.ask() == "served"


@pytest.mark.requirement("E-10", "A-16")
def test_an_approved_restart_is_run_before_fewer_frontends_were_tried_by_who_breaks_the_glass(database: DatabaseScene) -> None:
    name, before = untried(database)
    database.kubectl.apply(glass_breakers())
    database.until(name, "AwaitingApproval", 180)
    database.approve(database.commander, name, "incident-commander")
    incident = database.until_status(name, ".reason", "LastResort")
    assert postmaster(database) == before
    bound = {"option": "restart", "planDigest": incident["status"]["planDigest"], "ticket": "OPS-4711", "role": "on-call"}
    database.decide(database.on_call, "BreakGlass", incident, **bound)
    incident = database.until(name, "Resolved", 300)
    assert states(incident) == {"end-idle": "Skipped", "scale-frontend": "Failed", "restart": "Confirmed"}
    assert [glass["without"] for glass in incident["status"]["brokenGlass"]] == ["a try of scale-frontend"]
    assert postmaster(database) != before and database.ask() == "served"


@pytest.mark.requirement("E-10")
def test_the_restart_is_refused_while_fewer_frontends_were_not_tried_and_done_once_they_did_not_help(
    database: DatabaseScene,
) -> None:
    """The one frontend that is left has leaked them all, so that only a restart helps."""
    database.set(playbook=unattended)
    without_one_less(database)
    before, left = postmaster(database), database.clients()[0]
    database.kubectl("annotate", left, "controller.kubernetes.io/pod-deletion-cost=1")
    crowded(database, left, each=18)
    name = database.open()
    incident = database.until(name, "Escalated", 180)
    assert "LastResort: options that were not tried: scale-frontend" in incident["status"]["message"]
    assert postmaster(database) == before and not incident["status"].get("steps")
    database.kubectl("delete", "poddisruptionbudget", "leaky-frontend")
    database.decide(database.on_call, "Resume", incident)
    database.until_status(name, ".attempt", "2")
    incident = database.until(name, "Resolved", 300)
    assert states(incident) == {"end-idle": "Skipped", "scale-frontend": "Denied", "restart": "Confirmed"}
    assert postmaster(database) != before and database.ask() == "served"


def asking(document: dict[str, Any]) -> None:
    """As `unattended`, and idle connections are ended with a yes only."""
    unattended(document)
    document["spec"]["options"][0]["approval"] = {"roles": {"incident-commander": 1}}


@pytest.mark.requirement("E-10")
def test_the_restart_is_refused_while_idle_connections_were_not_ended_and_not_needed_once_they_are(database: DatabaseScene) -> None:
    """There are some, so that ending them would have its turn first, and the commander says no. The one frontend that is left has
    leaked them all, so that fewer of them do not help."""
    database.set(playbook=asking)
    before, left = postmaster(database), database.clients()[0]
    database.kubectl("annotate", left, "controller.kubernetes.io/pod-deletion-cost=1")
    crowded(database, left, each=18)
    database.until_true("leaked connections are idle for long enough", lambda: all_idle(database))
    name = database.open(parameters={"idleSeconds": IDLE})
    incident = database.until(name, "AwaitingApproval", 180)
    assert incident["status"]["option"] == "end-idle" and int(incident["status"]["facts"]["idleTooLong"]) > 0
    bound = {"role": "incident-commander", "option": "end-idle", "planDigest": incident["status"]["planDigest"]}
    database.decide(database.commander, "Reject", incident, **bound)
    incident = database.until(name, "Escalated", 180)
    assert incident["status"]["message"].count("LastResort: options that were not tried: end-idle;") == 1
    assert {option: state for option, state in states(incident).items() if option != "restart"} == {
        "end-idle": "Denied",
        "scale-frontend": "Denied",
    }
    assert {step["option"] for step in incident["status"]["steps"]} == {"scale-frontend"} and database.replicas() == 3
    database.decide(database.on_call, "Resume", incident)
    database.until_status(name, ".attempt", "2")
    database.approve(database.commander, name, "incident-commander")
    incident = database.until(name, "Resolved", 300)
    assert states(incident) == {"end-idle": "Confirmed"} and database.sessions("leak") == set()
    assert postmaster(database) == before and database.ask() == "served"

"""StatefulSets and DaemonSets are restarted and taken back as Deployments are, though their history is another one."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.stage.kubectl import documents
from tests.stage.scene import HERE, Scene
from tests.stage.trial import Document, TrialScene, check, option, states, step

SET = {"target": "set"}
ROLLED_OUT = {"name": "rolled-out", "rollout": SET, "within": "2m"}
ALL_READY = {"name": "all-ready", "readyShare": {**SET, "atLeast": 100}, "within": "1m"}
# Beside what every workload has.
OF_KIND: dict[str, Document] = {"StatefulSet": {"serviceName": "worker", "replicas": 2}, "DaemonSet": {}}


@pytest.fixture
def trial(stage: Scene, operator: Any) -> TrialScene:
    operator.start()
    return TrialScene(stage.kubectl, stage.operator_namespace)


def worker(kind: str) -> list[Document]:
    """What serves as the frontend does, under another kind and name, and its Service."""
    made = copy.deepcopy(documents(HERE / "frontend.yaml"))
    label = {"app": "aureus", "component": "worker"}
    for document in made:
        document["metadata"] = {"name": "worker", "labels": label}
        if document["kind"] == "Service":
            document["spec"]["selector"] = label
            continue
        document["kind"], template = kind, document["spec"]["template"]
        template["metadata"]["labels"] = label
        document["spec"] = {"selector": {"matchLabels": label}, "template": template, **OF_KIND[kind]}
    return made


def healthy(within: str) -> Document:
    return check("healthy", within, "1s", http={"service": "worker", "port": 8080, "path": "/health"})


def rolled_out(trial: TrialScene, kind: str, *variables: str) -> None:
    """A release with these variables, as a person's pipeline would roll it out."""
    trial.kubectl("set", "env", f"{kind.lower()}/worker", *variables)
    trial.kubectl("rollout", "status", f"{kind.lower()}/worker", "--timeout=120s", timeout=150)


def variables(trial: TrialScene, kind: str) -> dict[str, str]:
    template = trial.kubectl.get(kind.lower(), "worker")["spec"]["template"]
    return {item["name"]: item["value"] for item in template["spec"]["containers"][0]["env"]}


def revisions(trial: TrialScene) -> list[int]:
    found = trial.kubectl.get("controllerrevisions", "-l", "component=worker")["items"]
    return sorted(revision["revision"] for revision in found)


def done(incident: Document, name: str) -> str:
    """What the step says that it did."""
    (record,) = (record for record in incident["status"]["steps"] if record["name"] == name)
    assert record["state"] == "Done", record
    return record["message"]


@pytest.mark.requirement("E-05", "E-07")
@pytest.mark.parametrize("to", [{"to": "Previous"}, {"to": "Revision", "revision": 1}], ids=["previous", "named"])
@pytest.mark.parametrize("kind", OF_KIND)
def test_restart_does_not_help_and_the_release_before_does(trial: TrialScene, kind: str, to: Document) -> None:
    trial.prepare(beside=worker(kind))
    rolled_out(trial, kind, "FRONTEND_VERSION=v1")
    rolled_out(trial, kind, "FRONTEND_VERSION=v2", "RELEASE_BROKEN=true")
    assert revisions(trial) == [1, 2]
    # Asked once it is rolled out: at the end of its time one question decides, and it must not meet a pod that is just going.
    restarted = step("restart", rolloutRestart=SET, smoke=[{**ROLLED_OUT, "name": "restarted"}])
    restart = option("restart", ROLLED_OUT, healthy("4s"), steps=[restarted])
    undo = option("undo", ROLLED_OUT, ALL_READY, healthy("1m"), steps=[step("undo", rolloutUndo={**SET, **to})])
    name = trial.run(restart, undo, targets=[{"name": "set", "kind": kind, "objectName": "worker"}])
    incident = trial.until(name, "Resolved", 240)
    assert states(incident) == {"restart": "Denied", "undo": "Confirmed"}
    assert variables(trial, kind) == {"FRONTEND_VERSION": "v1"}
    assert done(incident, "restart") and done(incident, "undo").startswith("revision 3 -> 1")
    # The restart made a revision of its own; what is gone back to is the first one, which comes to stand last.
    assert revisions(trial) == [2, 3, 4]


@pytest.mark.requirement("E-07")
@pytest.mark.parametrize("kind", OF_KIND)
def test_without_an_earlier_release_nothing_is_undone(trial: TrialScene, kind: str) -> None:
    trial.prepare(beside=worker(kind))
    rolled_out(trial, kind, "FRONTEND_VERSION=v1")
    undo = option("undo", ROLLED_OUT, steps=[step("undo", rolloutUndo={**SET, "to": "Previous"})])
    name = trial.run(undo, targets=[{"name": "set", "kind": kind, "objectName": "worker"}])
    incident = trial.until(name, "Escalated")
    assert states(incident) == {"undo": "Failed"} and revisions(trial) == [1]
    assert variables(trial, kind) == {"FRONTEND_VERSION": "v1"}

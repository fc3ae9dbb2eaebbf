"""A scene for one playbook that a test writes itself: the frontend, settings that nothing mounts, the access that it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from stanch.actions.registry import ACTIONS
from stanch.api.kinds import PlaybookSpec
from stanch.cli.rbac import Subject, objects
from tests.stage.kubectl import documents
from tests.stage.people import people
from tests.stage.scene import AUREUS, HERE, Edit, Scene, calm

Document = dict[str, Any]
NAME, SETTINGS = "trial", "frontend-settings"
TARGETS = [
    {"name": "app", "kind": "Deployment", "objectName": "frontend"},
    {"name": "settings", "kind": "ConfigMap", "objectName": SETTINGS},
]
ROLLED_OUT = {"name": "rolled-out", "rollout": {"target": "app"}, "within": "2m"}


@dataclass(frozen=True)
class TrialScene(Scene):
    def prepare(self, frontend: Edit = lambda _: None, beside: Iterable[Document] = ()) -> None:
        """The frontend, edited, its settings, what stands beside it, the people."""
        settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": SETTINGS}, "data": {"read-only": "false"}}
        self.kubectl.apply([settings, *beside, *documents(HERE / "frontend.yaml", frontend)])
        self.kubectl.apply(documents(AUREUS / "policy.yaml", calm))
        self.kubectl.apply(people())
        self.rolled_out()

    def run(
        self, *options: Document, targets: Iterable[Document] = (), policy: str = "", incident: str = "tried", **more: Any
    ) -> str:
        """The playbook of these options, exactly the access that it needs, and the Incident that is opened for it: its name.
        Under the default policy, or another one."""
        spec = {
            "summary": "What a test tries",
            "serviceAccountName": "trier",
            "targets": [*TARGETS, *targets],
            "evidence": {"collect": [{"describe": {"target": "app"}}]},
            "options": list(options),
            **more,
        }
        subject = Subject(NAME, self.namespace, PlaybookSpec.model_validate(spec), self.operator_namespace)
        metadata = {"name": NAME, "namespace": self.namespace}
        playbook = {"apiVersion": "stanch.dev/v1alpha1", "kind": "Playbook", "metadata": metadata, "spec": spec}
        # Each names its namespace: who owns a target may be in another one.
        self.kubectl.inside("").apply([*objects(subject), playbook])
        under = {"policyRef": {"name": policy}} if policy else {}
        return self.open(incident, playbookRef={"name": NAME}, **under)

    def settings(self) -> dict[str, str]:
        return self.kubectl.get("configmap", SETTINGS)["data"]

    def pods(self) -> list[str]:
        return self.kubectl("get", "pods", "-l", "component=frontend", "-o", "name").split()

    def everywhere(self, command: str) -> None:
        """A shell command in every frontend pod, as a person would run it."""
        for pod in self.pods():
            self.kubectl("exec", pod, "--", "sh", "-c", command)


def option(name: str, *verify: Document, **more: Any) -> Document:
    """One option; its step, where none is given, changes settings that nobody reads."""
    return {"name": name, "steps": [step(name)], "verify": list(verify), **more}


def step(name: str, **more: Any) -> Document:
    """One step; its action, where none is given, writes its own name into the settings."""
    action = {} if more.keys() & ACTIONS.keys() else {"setConfig": writing({name: "done"})}
    return {"name": name, "expect": "what the test says", **action, **more}


def writing(data: dict[str, str]) -> Document:
    return {"target": "settings", "data": data}


def check(name: str, within: str = "2s", hold_for: str = "0s", **kind: Any) -> Document:
    return {"name": name, **kind, "within": within, "holdFor": hold_for}


def states(incident: Document) -> dict[str, str]:
    """Option -> what became of it."""
    return {record["name"]: record["state"] for record in incident["status"]["options"]}


def why(incident: Document, option: str) -> str:
    return next(record["message"] for record in incident["status"]["options"] if record["name"] == option)


def seen(incident: Document, name: str) -> Document:
    """The record of a check."""
    return next(record for record in incident["status"]["checks"] if record["name"] == name)


def with_variables(**variables: str) -> Callable[[Document], None]:
    """The frontend with these variables too."""
    entries = [{"name": name, "value": value} for name, value in variables.items()]

    def edit(document: Document) -> None:
        if document["kind"] == "Deployment":
            document["spec"]["template"]["spec"]["containers"][0]["env"] += entries

    return edit

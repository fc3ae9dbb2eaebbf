"""One namespace with an application that has rate limits, and a playbook of the test's own for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stanch.api.kinds import PlaybookSpec
from stanch.cli.rbac import Subject, objects
from tests.stage.kubectl import documents
from tests.stage.people import people
from tests.stage.scene import AUREUS, HERE, Edit, Scene, calm

Document = dict[str, Any]
NAME = "rate-limiting"


def option(name: str, *steps: Document, verify: list[Document] | None = None, **more: Any) -> Document:
    ready = [{"name": "rolled-out", "rollout": {"target": "app"}, "within": "2m"}]
    return {"name": name, "risk": "Medium", "steps": list(steps), "verify": verify or ready, **more}


def step(name: str, expect: str = "it is done", **action: Any) -> Document:
    return {"name": name, "expect": expect, **action}


def call(path: str, contains: str) -> Document:
    http = {"service": "limits", "port": 8080, "path": path, "bodyContains": contains}
    return {"name": "answers", "http": http, "within": "1m"}


@dataclass(frozen=True)
class LimitsScene(Scene):
    def play(self, *options: Document, access: Edit = lambda _: None, **incident: Any) -> str:
        """The application, the playbook, exactly the access that `stanch rbac` prints for it (edited); opens the Incident."""
        self.kubectl.apply(documents(HERE / "limits.yaml"))
        self.kubectl.apply(documents(AUREUS / "policy.yaml", calm))
        self.kubectl.apply(people())
        playbook = self._playbook(list(options))
        subject = Subject(NAME, self.namespace, PlaybookSpec.model_validate(playbook["spec"]), self.operator_namespace)
        granted = objects(subject)
        for document in granted:
            access(document)
        self.kubectl.apply([*granted, playbook])
        self.rolled_out("limits")
        return self.open("limited", type="rate-limiting", component="limits", playbookRef={"name": NAME}, **incident)

    def _playbook(self, options: list[Document]) -> Document:
        spec = {
            "summary": "Rate limits block legitimate users",
            "serviceAccountName": "rate-limit-remediator",
            "parameters": [{"name": "queryLimit", "type": "Integer", "default": "10", "description": "Limit of queries"}],
            "targets": [
                {"name": "app", "kind": "Deployment", "objectName": "limits"},
                {"name": "keepers", "kind": "RoleBinding", "objectName": "limits-keepers"},
            ],
            "evidence": {"collect": [{"describe": {"target": "app"}}]},
            "options": options,
        }
        metadata = {"name": NAME, "namespace": self.namespace}
        return {"apiVersion": "stanch.dev/v1alpha1", "kind": "Playbook", "metadata": metadata, "spec": spec}

    def ended(self, name: str, **states: str) -> Document:
        """Resolved where one of the options was confirmed, else Escalated; each option has come to its state."""
        incident = self.until(name, "Resolved" if "Confirmed" in states.values() else "Escalated")
        found = {one["name"]: one["state"] for one in incident["status"]["options"]}
        told = [one.get("message") for one in incident["status"]["options"]]
        assert found == {name.replace("_", "-"): state for name, state in states.items()}, told
        return incident

    def stored(self, incident: Document, suffix: str) -> str:
        """What the step's file in the pack holds whose name ends so."""
        folder = Path(urlsplit(incident["status"]["pack"]["uri"]).path) / "steps"
        (found,) = [path for path in folder.rglob("*") if path.name.endswith(suffix)]
        return found.read_text()

    def inside(self, *argv: str) -> str:
        """What a command in the application's pod prints."""
        return self.kubectl("exec", "deployment/limits", "--", *argv)

    def asked(self, path: str) -> Document:
        at = f"/api/v1/namespaces/{self.namespace}/services/http:limits:8080/proxy{path}"
        return json.loads(self.kubectl("get", "--raw", at))

    def answer(self, verb: str, incident: Document, step: str, role: str = "", option: str = "only") -> None:
        """The commander says it about a step."""
        asked = {"role": role} if role else {}
        self.decide(self.commander, verb, incident, option=option, step=step, **asked)

    def steps(self, incident: Document) -> dict[str, Document]:
        return {one["name"]: one for one in incident["status"]["steps"]}

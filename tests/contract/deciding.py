"""Incidents that need people and no pods: a setting that is switched once enough of them have said yes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stanch.api.kinds import PlaybookSpec
from stanch.cli.rbac import Subject, objects
from tests.stage.install import install_operator
from tests.stage.kubectl import Kubectl, documents
from tests.stage.operator import OperatorProcess
from tests.stage.people import COMMANDER, people
from tests.stage.scene import AUREUS, Scene

Object = dict[str, Any]
PLAYBOOK, SETTINGS, OPTION, ROLE = "deciding", "settings", "switch", "incident-commander"
IS_ON = {"target": "settings", "expect": "object.data.on == 'true'"}
SWITCHED = {"name": "switched", "object": IS_ON, "within": "5s", "holdFor": "0s"}


def playbook(*steps: Object, timeout: str = "15m", **roles: int) -> Object:
    """`steps` follow the one that switches."""
    approval = {"roles": {role.replace("_", "-"): count for role, count in roles.items()}, "timeout": timeout}
    step = {"name": OPTION, "expect": "it is on", "setConfig": {"target": "settings", "data": {"on": "true"}}}
    return {
        "summary": "A setting that people switch",
        "serviceAccountName": "switcher",
        "targets": [{"name": "settings", "kind": "ConfigMap", "objectName": SETTINGS}],
        "evidence": {"collect": [{"objects": {"target": "settings"}}]},
        "options": [{"name": OPTION, "approval": approval, "steps": [step, *steps], "verify": [SWITCHED]}],
    }


class Deciding(Scene):
    def prepare(self, spec: Object) -> None:
        """The setting, the playbook with the access that it needs, the policy, the people."""
        self.kubectl.apply([
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": SETTINGS}, "data": {"on": "false"}},
            *documents(AUREUS / "policy.yaml"),
            *people(),
        ])  # fmt: skip
        self.declare(PLAYBOOK, spec)

    def declare(self, name: str, spec: Object) -> None:
        """A playbook, and the access that it needs."""
        subject = Subject(name, self.namespace, PlaybookSpec.model_validate(spec), self.operator_namespace)
        metadata = {"name": name, "namespace": self.namespace}
        self.kubectl.apply([
            *objects(subject), {"apiVersion": "stanch.dev/v1alpha1", "kind": "Playbook", "metadata": metadata, "spec": spec}
        ])  # fmt: skip

    def opened(self, name: str, playbook: str = PLAYBOOK) -> Object:
        """An Incident that waits for its approval."""
        return self.until(self.open(name, playbookRef={"name": playbook}), "AwaitingApproval", 60)

    def yes(self, incident: Object, who: Kubectl, **spec: Any) -> Object:
        said = {"role": ROLE, "option": OPTION, "planDigest": incident["status"]["planDigest"], **spec}
        return self.decide(who, "Approve", incident, **said)

    def forged(self, incident: Object) -> Object:
        """An Approve in the commander's name by somebody else: possible only where nothing stops it."""
        return self.yes(incident, self.kubectl, by=COMMANDER)

    def decision(self, said: Object) -> Object:
        return self.kubectl.get("decision", said["metadata"]["name"])

    def recorded(self, said: Object) -> Object:
        """What came of it, once that is said."""
        self.kubectl("wait", f"decision/{said['metadata']['name']}", "--for=jsonpath={.status.recordedAt}", "--timeout=30s")
        return self.decision(said)["status"]

    def condition(self, name: str, kind: str = "DecisionsTrusted") -> Object:
        found = self.incident(name)["status"]["conditions"]
        return next(condition for condition in found if condition["type"] == kind)


@contextmanager
def operating(kubectl: Kubectl, folder: Path, *namespaces: str) -> Iterator[OperatorProcess]:
    """New namespaces of these names, and an operator as shipped that works on their incidents."""
    for namespace in namespaces:
        kubectl("create", "namespace", namespace)
    install_operator(kubectl, f"{namespaces[0]}-op")
    process = OperatorProcess(kubectl, folder, namespaces, namespace=f"{namespaces[0]}-op")
    process.start()
    yield process
    assert process.stop() == 0, process.log.read_text()[-4000:]

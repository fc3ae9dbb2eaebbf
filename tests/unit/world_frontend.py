"""The frontend of the stage in memory: its Deployment, a small controller for it, pods, and what answers behind its Service."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from stanch.engine.ports import HttpCall, HttpReply, Object
from stanch.engine.workload import HASH_LABEL, REVISION, controller_uid, revision_number, template_of
from stanch.evidence.last_deploy import REUSED
from tests.stage.kubectl import ROOT, documents
from tests.unit.memory import MemoryServer, Write

PORT = "8080"


class Frontend:
    """The Deployment controller and the kubelet look at it when `reconcile` is called, never by themselves."""

    def __init__(self, server: MemoryServer, namespace: str) -> None:
        self.server, self.namespace = server, namespace
        self.mitigations: list[str] = []
        self._started = 0
        self._seen = ""
        for document in read(ROOT / "tests" / "stage" / "frontend.yaml"):
            made = server.add({**document, "metadata": {**document["metadata"], "namespace": namespace}})
            self.ref = made if made.kind == "Deployment" else self.ref
        server.patch(self.ref, {"spec": {"replicas": 1}}, "", "", dry_run=False)
        self._template = template_of(self.deployment)
        server.backends[namespace, self.ref.name, PORT] = self.answer
        server.after_write.append(self._written)
        self.reconcile()

    @property
    def deployment(self) -> Object:
        return self.server.read(self.ref)

    @property
    def environment(self) -> dict[str, str]:
        """As the Deployment asks for it."""
        return environment(self.deployment)

    def release(self, version: str, **variables: str) -> None:
        """Rolls a release out, as a person's pipeline would."""
        container = template_of(self.deployment)["spec"]["containers"][0]
        pairs = {"FRONTEND_VERSION": version, **variables}
        container["env"] = [{"name": name, "value": value} for name, value in pairs.items()]
        self.edit({"spec": {"template": {"spec": {"containers": [container]}}}})
        self.reconcile()

    def edit(self, patch: Object) -> None:
        """Somebody other than stanch changes the Deployment."""
        self.server.patch(self.ref, patch, "", "", dry_run=False)
        self._template = template_of(self.deployment)

    def recreate(self) -> None:
        """Somebody deletes the Deployment with all that it owns, and applies it anew, as it was once."""
        for replica_set in self._sets():
            for pod in self._owned("v1", "Pod", replica_set["metadata"]["uid"]):
                self.server.remove(self.server.ref(pod))
            self.server.remove(self.server.ref(replica_set))
        self.server.remove(self.ref)
        (document,) = [one for one in read(ROOT / "tests" / "stage" / "frontend.yaml") if one["kind"] == "Deployment"]
        self.ref = self.server.add({**document, "metadata": {**document["metadata"], "namespace": self.namespace}})
        self.edit({"spec": {"replicas": 1}})
        self.reconcile()

    def answer(self, _: HttpCall) -> HttpReply:
        """What runs answers, not what is asked for: it follows the template when the controller has."""
        pods = self._owned("v1", "Pod", self._running["metadata"]["uid"])
        broken = environment({"spec": {"template": {"spec": pods[0]["spec"]}}}).get("RELEASE_BROKEN") == "true"
        return HttpReply(502 if broken else 200, b"", 0.01)

    def reconcile(self) -> None:
        """One look of the controller: the ReplicaSet of the template numbered as the latest, pods moved, status set."""
        if self.deployment["metadata"]["resourceVersion"] == self._seen:
            return
        sets = self._sets()
        template = template_of(self.deployment)
        current = next((item for item in sets if template_of(item) == template), None) or self._new_set(template)
        latest = max(revision_number(item) for item in sets) if sets else 0
        if revision_number(current) < latest:
            current = self._renumbered(current, latest + 1)
        self._running = current
        self._move_pods(current)
        number = {REVISION: str(revision_number(current))}
        self.server.patch(self.ref, {"metadata": {"annotations": number}}, "", "", dry_run=False)
        self._set_status()
        self._seen = self.deployment["metadata"]["resourceVersion"]

    def _written(self, write: Write) -> None:
        """Counts how often the template was changed by stanch, with the token that did it."""
        deployment = self.deployment
        if write.ref.kind == "Deployment" and template_of(deployment) != self._template:
            self._template = template_of(deployment)
            self.mitigations.append(deployment["metadata"]["annotations"]["stanch.dev/token"])

    def _sets(self) -> list[Object]:
        return self._owned("apps/v1", "ReplicaSet", self.ref.uid)

    def _owned(self, api_version: str, kind: str, uid: str) -> list[Object]:
        found = self.server.select(api_version, kind, self.namespace, "", "")
        return [item for item in found if controller_uid(item) == uid]

    def _new_set(self, template: Object) -> Object:
        number = max((revision_number(item) for item in self._sets()), default=0) + 1
        name = f"{self.ref.name}-h{number}"
        labels = {**template["metadata"]["labels"], HASH_LABEL: f"h{number}"}
        metadata = self._metadata(name, self.deployment, labels, {REVISION: str(number)})
        spec = {"replicas": 0, "template": {**template, "metadata": {**template["metadata"], "labels": labels}}}
        return self.server.read(
            self.server.add({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec})
        )

    def _renumbered(self, replica_set: Object, number: int) -> Object:
        annotations = replica_set["metadata"]["annotations"]
        was = ",".join(part for part in (annotations.get(REUSED, ""), annotations[REVISION]) if part)
        patch = {"metadata": {"annotations": {REVISION: str(number), REUSED: was}}}
        return self.server.patch(self.server.ref(replica_set), patch, "", "", dry_run=False)

    def _move_pods(self, current: Object) -> None:
        for replica_set in self._sets():
            if replica_set["metadata"]["uid"] != current["metadata"]["uid"]:
                for pod in self._owned("v1", "Pod", replica_set["metadata"]["uid"]):
                    self.server.remove(self.server.ref(pod))
        missing = self.deployment["spec"]["replicas"] - len(self._owned("v1", "Pod", current["metadata"]["uid"]))
        for _ in range(missing):
            self._start_pod(current)

    def _start_pod(self, owner: Object) -> None:
        self._started += 1
        name = f"{owner['metadata']['name']}-{self._started}"
        template = owner["spec"]["template"]
        metadata = self._metadata(name, owner, template["metadata"]["labels"], template["metadata"].get("annotations", {}))
        container = {"name": "frontend", "state": {"running": {}}, "lastState": {}, "ready": True, "restartCount": 0}
        status = {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [container],
        }
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"], "status": status}
        self.server.add(pod)
        self.server.logs[self.namespace, name, "frontend", False] = [f"{name} starting\n".encode()]

    def _metadata(self, name: str, owner: Object, labels: Any, annotations: Any) -> Object:
        uid = owner["metadata"]["uid"]
        reference = {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": uid,
        }
        return {"name": name, "namespace": self.namespace, "labels": labels, "annotations": annotations,
                "ownerReferences": [{**reference, "controller": True}]}  # fmt: skip

    def _set_status(self) -> None:
        deployment = self.deployment
        wanted = deployment["spec"]["replicas"]
        counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), wanted)
        self.server.set_status(self.ref, {"observedGeneration": deployment["metadata"]["generation"], **counts})


@cache
def read(path: Path) -> tuple[Object, ...]:
    """The documents of a shipped file: to be copied before they are changed."""
    return tuple(documents(path))


def environment(workload: Object) -> dict[str, str]:
    container = workload["spec"]["template"]["spec"]["containers"][0]
    return {item["name"]: item["value"] for item in container["env"]}

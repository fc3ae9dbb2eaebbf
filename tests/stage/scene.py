"""One namespace with a frontend, the playbook for it, and an on-call engineer: releases break, incidents are opened."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.stage.install import moved
from tests.stage.kubectl import ROOT, Kubectl, documents
from tests.stage.people import COMMANDER, COMMS, ON_CALL, SECURITY, people

AUREUS = ROOT / "playbooks" / "aureus"
HERE = Path(__file__).parent
Edit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Scene:
    kubectl: Kubectl
    operator_namespace: str

    @property
    def namespace(self) -> str:
        return self.kubectl.namespace

    @property
    def on_call(self) -> Kubectl:
        return self.kubectl.acting_as(ON_CALL)

    @property
    def commander(self) -> Kubectl:
        return self.kubectl.acting_as(COMMANDER)

    @property
    def security(self) -> Kubectl:
        return self.kubectl.acting_as(SECURITY)

    @property
    def comms(self) -> Kubectl:
        return self.kubectl.acting_as(COMMS)

    def set(self, playbook: Edit = lambda _: None, access: Edit = lambda _: None) -> None:
        """Frontend v1, healthy; the shipped playbook and its access, each edited; the people."""
        self.kubectl.apply(documents(HERE / "frontend.yaml"))
        self.kubectl.apply(documents(AUREUS / "policy.yaml", calm))
        self.grant(access)
        self.kubectl.apply(people())
        self.kubectl.apply(documents(AUREUS / "frontend-down.yaml", self._here(playbook)))
        self.rolled_out()

    def play(self, name: str, *, playbook: Edit = lambda _: None, stage: Edit = lambda _: None, beside: Iterable[Any] = ()) -> None:
        """Frontend v1, edited, what stands beside it, the people; the shipped playbook of this name, edited, and its access."""
        self.kubectl.apply([*beside, *documents(HERE / "frontend.yaml", stage)])
        self.kubectl.apply(documents(AUREUS / "policy.yaml", calm))
        self.kubectl.apply(documents(AUREUS / f"{name}-access.yaml", self._here()))
        self.kubectl.apply(people())
        self.kubectl.apply(documents(AUREUS / f"{name}.yaml", self._here(playbook)))
        self.rolled_out()

    def grant(self, edit: Edit = lambda _: None) -> None:
        """The shipped access of the playbook's ServiceAccount, edited."""
        self.kubectl.apply(documents(AUREUS / "access.yaml", self._here(edit)))

    def _here(self, edit: Edit = lambda _: None) -> Edit:
        def edited(document: dict[str, Any]) -> None:
            moved(document, "aureus", self.namespace)
            moved(document, "stanch-system", self.operator_namespace)
            edit(document)

        return edited

    def release(self, version: str, **variables: str) -> None:
        """Rolls a release out, as a person's pipeline would."""
        pairs = [f"{name}={value}" for name, value in variables.items()]
        self.kubectl("set", "env", "deployment/frontend", f"FRONTEND_VERSION={version}", *pairs)
        self.rolled_out()

    def break_release(self, version: str = "v2") -> None:
        self.release(version, RELEASE_BROKEN="true")

    def rolled_out(self, name: str = "frontend") -> None:
        """To the end: kubectl says so while pods of before are still going, and their Service may still lead to them."""
        self.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s", timeout=150)
        self.until_true(f"the pods of {name}, and no others, are there and serve", lambda: self._settled(name))

    def _settled(self, name: str) -> bool:
        pods = self.kubectl.get("pods", "-l", f"component={name}")["items"]
        if any(pod["metadata"].get("deletionTimestamp") for pod in pods):
            return False
        subsets = self.kubectl.get("endpoints", name).get("subsets") or ()
        served = {address["targetRef"]["uid"] for subset in subsets for address in subset.get("addresses") or ()}
        return served == {pod["metadata"]["uid"] for pod in pods}

    def open(self, name: str = "frontend-502", **spec: Any) -> str:
        """Opens an Incident as the engineer on call; returns its name."""
        document = documents(HERE / "incident.yaml")[0]
        document["metadata"]["name"] = name
        document["spec"] |= {"openedBy": ON_CALL, **spec}
        self.on_call.create(document)
        return name

    def until(self, name: str, phase: str, seconds: float = 120) -> dict[str, Any]:
        """Waits for a phase and returns the Incident. The failure says how it stands instead."""
        return self.until_status(name, ".phase", phase, seconds)

    def until_status(self, name: str, path: str, value: str, seconds: float = 120) -> dict[str, Any]:
        """Waits until that place of the status holds the value, e.g. `.reverts[0].state`; else as `until`."""
        try:
            self.kubectl.wait(f"incident/{name}", f".status{path}", value, seconds)
        except Exception as error:
            standing = self.incident(name).get("status", {})
            raise AssertionError(f"{path} of {name} is not {value}: {standing}") from error
        return self.incident(name)

    def until_time(self, at: datetime) -> None:
        """Asks for the Deployment until that time has come: each question takes its time, and nothing sleeps in between."""
        while datetime.now(UTC) < at:
            self.deployment()

    def until_true(self, what: str, true: Callable[[], bool], seconds: float = 120) -> None:
        """Asks again and again, nothing sleeps in between. So many seconds, not questions: how long those take is the machine's
        affair, and a quick one would soon have no patience left."""
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"{what}: not so within {seconds:g} s"

    def incident(self, name: str) -> dict[str, Any]:
        return self.kubectl.get("incident", name)

    def deployment(self) -> dict[str, Any]:
        return self.kubectl.get("deployment", "frontend")

    def environment(self) -> dict[str, str]:
        """The frontend's variables, as the Deployment asks for them."""
        container = self.deployment()["spec"]["template"]["spec"]["containers"][0]
        return {item["name"]: item.get("value", "") for item in container["env"]}

    def approve(self, who: Kubectl, name: str, role: str, **spec: Any) -> None:
        """Approves, as that role, the plan that waits for it."""
        incident = self.until(name, "AwaitingApproval")
        status = incident["status"]
        self.decide(who, "Approve", incident, role=role, option=status["option"], planDigest=status["planDigest"], **spec)

    def decide(self, who: Kubectl, verb: str, incident: dict[str, Any], **spec: Any) -> dict[str, Any]:
        """A Decision, as plain kubectl makes it; what is None is left out."""
        reference = {"name": incident["metadata"]["name"], "uid": incident["metadata"]["uid"]}
        body = {"incidentRef": reference, "verb": verb, "by": who.user, "reason": "because the test says so", **spec}
        body = {key: value for key, value in body.items() if value is not None}
        metadata = {"generateName": f"{verb.lower()}-", "namespace": self.namespace}
        return who.create({"apiVersion": "stanch.dev/v1alpha1", "kind": "Decision", "metadata": metadata, "spec": body})

    def answer_plan(self, verb: str, incident: dict[str, Any]) -> None:
        """The commander's yes or no to the option that waits, and to the plan as it is."""
        bound = {name: incident["status"][name] for name in ("option", "planDigest")}
        self.decide(self.commander, verb, incident, role="incident-commander", **bound)


def calm(policy: dict[str, Any]) -> None:
    """The shipped policy, but for its limits on pace: one test opens incident after incident on one target."""
    policy["spec"]["limits"] = {"cooldown": "0s", "consecutiveFailures": 1000, "changesPerHour": 100_000,
                                "storm": {"incidents": 10_000}}  # fmt: skip


def keeps_evidence(document: dict[str, Any]) -> None:
    """The frontend has a folder where the application keeps its own evidence."""
    if document["kind"] == "Deployment":
        spec = document["spec"]["template"]["spec"]
        spec["volumes"] = [{"name": "evidence", "emptyDir": {}}]
        spec["containers"][0]["volumeMounts"] = [{"name": "evidence", "mountPath": "/app/evidence"}]

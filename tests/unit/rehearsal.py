"""The stage over the cluster in memory: what a story tells kubectl reaches the twin, and waiting lets the operator go on."""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stanch.actions.effects import TOKEN
from stanch.api import codec
from stanch.api.base import API_VERSION
from stanch.domain.plan import Ref
from stanch.engine.errors import Conflict, NotFound, Retryable
from stanch.engine.ports import Object
from tests.stage.kubectl import Kubectl
from tests.stage.proxy import Door, Written
from tests.stage.reconcilers import KINDS
from tests.stage.trial import TrialScene
from tests.stage.whole import Life as Lived
from tests.stage.whole import Story, lived
from tests.unit.memory import Crash, Write, custom, settle
from tests.unit.world import NAMESPACE, OPERATOR, Life, Site
from tests.unit.world_gates import Gate

ROUNDS = 600
# Seconds until the next life leads.
LEADS = 3.0
# What is granted is another tier's: here the playbook's account may do everything.
BESIDE = ("Role", "RoleBinding", "Service")
NAMED = {
    "deployment": ("apps/v1", "Deployment"),
    "configmap": ("v1", "ConfigMap"),
    "incident": (API_VERSION, "Incident"),
    "decision": (API_VERSION, "Decision"),
    "leases": ("coordination.k8s.io/v1", "Lease"),
    "application": ("argoproj.io/v1alpha1", "Application"),
}


@dataclass
class Company:
    """The site, the operator's life there, and what it wrote; where it dies, another one leads."""

    site: Site
    gate: Gate
    runner: asyncio.Runner
    deaths: int = 0

    def __post_init__(self) -> None:
        self.kubectl = MemoryKubectl(lambda *_, **__: "", NAMESPACE, company=self)
        self.door = Door(self.kubectl)

    def begins(self) -> None:
        self.life = self.runner.run(self._led(self.gate))
        self.site.server.after_write.append(self._note)

    async def _led(self, gate: Gate) -> Life:
        return Life(self.site, self.deaths + 1, gate)

    def _note(self, write: Write) -> None:
        token = ((write.body.get("metadata") or {}).get("annotations") or {}).get(TOKEN, "")
        self.door.written.append(Written(write.verb, str(write.ref), write.user, token, 200, self.site.server.time.now()))

    def goes_on(self) -> None:
        """Every incident once, and time until the first of them looks again."""
        delays = [
            self._tick(obj["metadata"]["name"]) for obj in self.site.server.select(API_VERSION, "Incident", NAMESPACE, "", "")
        ]
        self.site.passes(min((delay for delay in delays if delay is not None), default=1.0) + 0.001)

    def _tick(self, name: str) -> float | None:
        life, clock = self.life, self.site.server.time
        try:
            wake_at = self.runner.run(life.ticker.tick((NAMESPACE, name)))
        except (Conflict, Retryable):
            return 0.5
        except (Crash, BaseExceptionGroup):
            if not life.passage.dead:
                raise
            return self._another()
        return None if wake_at is None else max((wake_at - clock.now()).total_seconds(), 0.0)

    def _another(self) -> float:
        self.runner.run(settle())
        self.deaths += 1
        self.life = self.runner.run(self._led(Gate()))
        return LEADS


@dataclass(frozen=True)
class MemoryKubectl(Kubectl):
    """What the stage uses of it. `by`: the twin has no admission, so that who says something is not proven."""

    company: Company | None = None

    @property
    def site(self) -> Site:
        assert self.company is not None
        return self.company.site

    def inside(self, namespace: str) -> Kubectl:
        return MemoryKubectl(self.run, namespace, self.user, self.company)

    def acting_as(self, user: str) -> Kubectl:
        return MemoryKubectl(self.run, self.namespace, user, self.company)

    def apply(self, documents: Iterable[Object]) -> None:
        for document in documents:
            if document["kind"] not in BESIDE:
                self._put(copy.deepcopy(document))

    def _put(self, document: Object) -> None:
        scope = {} if document["kind"] == "ResponsePolicy" else {"namespace": self.namespace or NAMESPACE}
        metadata = {**scope, **document["metadata"]}
        ref = Ref(document["apiVersion"], document["kind"], metadata.get("namespace", ""), metadata["name"])
        try:
            self.site.server.patch(ref, document, "", "", dry_run=False)
        except NotFound:
            self.site.server.add({**document, "metadata": metadata})

    def create(self, document: Object) -> Object:
        made = copy.deepcopy(document)
        metadata = made["metadata"]
        if prefix := metadata.pop("generateName", ""):
            metadata["name"] = f"{prefix}{len(self.site.said())}"
        metadata.setdefault("namespace", self.namespace)
        stored = self.site.server.read(self.site.server.add(made))
        if made["kind"] == "Decision" and self.company:
            self.company.life.decisions.put(codec.decision_of(stored))
        return stored

    def get(self, *what: str) -> Object:
        api_version, kind = NAMED[what[0].partition("/")[0]]
        if len(what) == 1 and "/" not in what[0]:
            return {"items": self.site.server.select(api_version, kind, self.namespace, "", "")}
        return self.site.server.read(Ref(api_version, kind, self.namespace, what[-1].rpartition("/")[2]))

    def wait(self, what: str, jsonpath: str, value: str, seconds: float = 120) -> None:
        self.until(f"{jsonpath} of {what} is {value}", lambda: at(self.get(what), jsonpath) == value)

    def until(self, what: str, true: Callable[[], bool]) -> None:
        assert self.company is not None
        for _ in range(ROUNDS):
            if true():
                return
            self.company.goes_on()
        raise AssertionError(f"{what}: it never is")

    def __call__(self, *arguments: str, input: str | None = None, timeout: float = 120) -> str:
        match arguments:
            case "delete", "configmap", name, *_:
                for found in self.site.server.select("v1", "ConfigMap", NAMESPACE, "", f"metadata.name={name}"):
                    self.site.server.remove(self.site.server.ref(found))
            case "wait", what, path, *_:
                self.until(" ".join(arguments), lambda: bool(at(self.get(what), path.partition("{")[2].rstrip("}"))))
            case _:
                raise AssertionError(f"kubectl {' '.join(arguments)} is not rehearsed")
        return ""


def at(obj: Object, jsonpath: str) -> str:
    """What stands at a path like `.status.reverts[0].state`; empty: nothing."""
    found: Any = obj
    for key in re.findall(r"\w+", jsonpath):
        try:
            found = found[int(key)] if isinstance(found, list) else found[key]
        except (KeyError, IndexError):
            return ""
    return str(found)


@dataclass(frozen=True)
class Rehearsal(TrialScene):
    company: Company

    def rolled_out(self, name: str = "frontend") -> None:
        self.company.site.passes(60)

    def until_true(self, what: str, true: Callable[[], bool], seconds: float = 120) -> None:
        self.company.kubectl.until(what, true)


def rehearse(story: Story, folder: Path, gate: Gate | None = None) -> tuple[Lived, bool]:
    """A story in memory, and whether the operator died in it."""
    with asyncio.Runner() as runner:
        company = Company(place(folder), gate or Gate(), runner)
        scene = Rehearsal(company.kubectl, OPERATOR, company)
        story.prepares(scene)
        company.begins()
        incidents = story.goes(scene)
        return lived(story, scene, incidents, company.door, company.deaths), bool(company.deaths)


def place(folder: Path) -> Site:
    """The site, without the Incident that it begins with, and with what owns a target."""
    site = Site(folder=folder)
    site.server.remove(site.incident_ref)
    site.server.after_write[:] = [site.frontend._written]
    for kind, (group, version, plural) in KINDS.items():
        site.server.register(custom(kind, plural, f"{group}/{version}"))
    site.server.permit_all(f"system:serviceaccount:{NAMESPACE}:trier")
    return site

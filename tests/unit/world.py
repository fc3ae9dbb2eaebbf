"""A whole operator over the cluster in memory: the real tick, effects, actions, checks, evidence and packs.

`Site` is the cluster with the frontend, the shipped playbook and one Incident. `Life` is one life of the operator in it: its
memory and its epoch are its own, cluster and packs it shares with the others. Time moves when a test says so.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from stanch.actions.effects import TOKEN
from stanch.actions.registry import ACTIONS
from stanch.api import codec
from stanch.api.base import API_VERSION
from stanch.checks.registry import CHECKS
from stanch.domain.decision import Verb
from stanch.domain.incident import Phase, Status, StepRecord, StepState
from stanch.domain.plan import Ref
from stanch.domain.timeline import Entry, Line
from stanch.engine.chain import decode
from stanch.engine.errors import Conflict, NotFound, Refused, Retryable
from stanch.engine.ports import Object
from stanch.engine.recovering import rests
from stanch.engine.vouching import Lapse, Trust
from stanch.kube.locks import TargetLocks
from stanch.kube.records import before_images, plans
from stanch.packs.folder import Folder
from stanch.packs.store import StoredPacks, local_path
from stanch.packs.verify import Verification, verify
from stanch.runtime.announce import Announcer
from stanch.runtime.decisions import DecisionIndex
from stanch.runtime.effects import Effects
from stanch.runtime.metrics import Metrics
from stanch.runtime.sweeper import key_of
from stanch.runtime.tick import Ticker
from stanch.runtime.world import World
from tests.stage.kubectl import ROOT
from tests.unit.memory import MemoryServer, MemoryWeb, Write
from tests.unit.packs_shelf import shelf
from tests.unit.play import TRUSTED
from tests.unit.world_frontend import Frontend, read
from tests.unit.world_gates import Gate, GatedClusters, GatedStore, MemoryPacks, Passage

NAMESPACE, OPERATOR = "aureus", "stanch-system"
KEY = (NAMESPACE, "frontend-502")
ACCOUNT = "frontend-remediator"
Edit = Callable[[Object], None]


def quick(playbook: Object) -> None:
    """The shipped playbook with short waits: fewer polls, the same way."""
    for option in playbook["spec"]["options"]:
        for check in option["verify"]:
            if "http" in check:
                check |= {"within": "2s" if option["name"] == "restart" else "30s", "holdFor": "2s"}


def lean(playbook: Object) -> None:
    """With less evidence, for tests of many lives: what matters to the writes is that there is some."""
    quick(playbook)
    evidence = playbook["spec"]["evidence"]
    evidence["collect"] = [source for source in evidence["collect"] if "logs" in source or "describe" in source]


def needs_commander(playbook: Object) -> None:
    quick(playbook)
    playbook["spec"]["options"][1]["approval"] = {"roles": {"incident-commander": 1}}


class Site:
    """The frontend runs a broken release; an Incident says so. The packs lie in memory, or in `folder`."""

    def __init__(self, edit: Edit = quick, folder: Path | None = None) -> None:
        self.server = MemoryServer()
        self.folder = folder
        self.memory = MemoryPacks()
        self.trust: Trust = TRUSTED
        self.lapses: tuple[Lapse, ...] = ()
        # Whether each look at the cluster takes long, so that what was decided before is stored beside it.
        self.slow = False
        self.packs = Folder(folder) if folder else self.memory
        self.server.permit_all(f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}")
        for name in (NAMESPACE, OPERATOR):
            self.server.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.server.add(body("v1", "ServiceAccount", ACCOUNT))
        aureus = ROOT / "playbooks" / "aureus"
        for document in copy.deepcopy((*read(aureus / "policy.yaml"), *read(aureus / "frontend-down.yaml"))):
            if document["kind"] == "Playbook":
                edit(document)
            self.server.add(document)
        self.frontend = Frontend(self.server, NAMESPACE)
        self.passes(600)
        self.frontend.release("v2", RELEASE_BROKEN="true")
        self.passes(60)
        self.incident_ref = self.server.add(incident())
        self.server.after_write.append(self._audit)

    def passes(self, seconds: float) -> None:
        """Time, in which controllers do their work."""
        self.server.time.move(seconds)
        self.frontend.reconcile()

    def decide(self, verb: Verb, *lives: Life, by: str = "carol", **spec: Any) -> Ref:
        """A person says something; `lives` are told by their watch."""
        number = len(self.said()) + 1
        reference = {"name": self.incident_ref.name, "uid": self.incident_ref.uid}
        decision = body(API_VERSION, "Decision", f"d{number}")
        decision["spec"] = {"incidentRef": reference, "verb": verb.value, "by": by, "reason": "because", **spec}
        ref = self.server.add(decision)
        for life in lives:
            life.decisions.put(codec.decision_of(self.server.read(ref)))
        return ref

    def said(self) -> list[Object]:
        return self.server.select(API_VERSION, "Decision", NAMESPACE, "", "")

    @property
    def incident(self) -> Object:
        return self.server.read(self.incident_ref)

    @property
    def gone(self) -> bool:
        try:
            self.server.read(self.incident_ref)
        except NotFound:
            return True
        return False

    @property
    def status(self) -> Status:
        return codec.status_of(self.incident)

    @property
    def options(self) -> dict[str, str]:
        return {option.name: str(option.state) for option in self.status.options}

    @property
    def chain(self) -> list[Entry]:
        """As it lies in the store, in its order."""
        files = {str(path): path.read_bytes() for path in self.folder.glob("*/*/chain/*")} if self.folder else self.memory.objects
        return [decoded(data) for key, data in sorted(files.items()) if "/chain/" in key]

    @property
    def lines(self) -> list[Line]:
        return [entry.line for entry in self.chain]

    def locks(self) -> list[Object]:
        leases = self.server.select("coordination.k8s.io/v1", "Lease", OPERATOR, "", "")
        return [lease for lease in leases if lease["metadata"]["name"].startswith("stanch-target-")]

    def verified(self) -> Verification:
        """Offline, against what the Incident says of its pack."""
        pack = self.status.pack
        where = local_path(pack.uri) or shelf().lay(self.memory.objects) / pack.uri.removeprefix("memory://")
        return verify(where, pack.head.hash, pack.manifest)

    def not_silent(self) -> None:
        """Invariant 5, where nothing is to be done by itself any more."""
        status = self.status
        assert rests(status) or status.waits_for, f"{status.phase} with neither wake time nor a person: {status}"

    def _audit(self, write: Write) -> None:
        """Invariants 1 and 2, at the moment when stanch has written to the target."""
        if write.ref.kind != "Deployment":
            return
        status, lines = self.status, [line.key for line in self.lines]
        if "spec" not in write.body:
            # A fence: it changes nothing, and that of a leader which was held up may come late.
            assert any("/intent/" in line for line in lines), "the target was touched before anything was intended"
            return
        token = write.body["metadata"]["annotations"][TOKEN]
        (step,) = [step for step in status.steps if step.state is StepState.Intended and step.token == token]
        assert f"{status.attempt}/step/{step.option}/{step.name}/intent/{step.attempts}" in lines, "written before its intent"
        self._evidence_first(status, step)

    def _evidence_first(self, status: Status, step: StepRecord) -> None:
        captured = [line for line in self.lines if line.files and line.files[0].path.startswith("captures/")]
        assert captured and status.evidence.captures, "written before there was evidence"
        assert status.evidence.at and step.intended_at and status.evidence.at <= step.intended_at
        earlier = [other.intended_at for other in status.steps if other.state is StepState.Done and other.intended_at]
        assert all(status.evidence.at >= at for at in earlier), "evidence is from before the last change"
        name = hashlib.sha256(f"{step.token}@{step.resource_version}".encode()).hexdigest()[:32]
        self.server.read(Ref("v1", "Secret", OPERATOR, f"stanch-before-{name}"))


class Life:
    """One life of the operator, from its start to its end. `gate` is asked about everything that it does."""

    def __init__(self, site: Site, epoch: int = 1, gate: Gate | None = None) -> None:
        self.site, self.epoch = site, epoch
        self.passage = Passage(gate or Gate())
        self.leads = True
        self.decisions = DecisionIndex()
        self.world = self._world()
        self.metrics = metrics = Metrics()
        self.ticker = Ticker(self.world, Effects(self.world, metrics).perform, Announcer(self.world, metrics, "test").announce)
        # By the time of the test nothing takes long, or everything does, however busy the machine is: a life goes the same way each
        # time.
        self.ticker.patience = 0.0 if site.slow else 3600.0
        for decision in site.said():
            self.decisions.put(codec.decision_of(decision))
        self._looks_at_incidents()

    def _looks_at_incidents(self) -> None:
        """As at the operator's start."""
        for obj in self.site.server.select(API_VERSION, "Incident", "", "", ""):
            try:
                self.world.told(codec.facts_of(obj), codec.status_of(obj))
            except Refused as failure:
                self.world.illegible(key_of(obj), failure)
        self.world.sight.complete = True

    def _world(self) -> World:
        clusters, clock = GatedClusters(self.site.server, self.passage), self.site.server.time
        return World(
            clusters=clusters, packs=StoredPacks(GatedStore(self.site.packs, self.passage), self._leading),
            plans=plans(clusters.own, OPERATOR), vault=before_images(clusters.own, OPERATOR),
            locks=TargetLocks(clusters.own, OPERATOR, clock),
            web=lambda _: MemoryWeb(), clock=clock, actions=ACTIONS, checks=CHECKS, decisions=self.decisions,
            trust=lambda: self.site.trust, lapses=lambda: self.site.lapses, epoch=self._leading,
            crowd=lambda: 0,
        )  # fmt: skip

    def _leading(self) -> int:
        if not self.leads:
            raise Retryable("NotLeading", "this process does not lead any more")
        return self.epoch

    async def tick(self) -> float | None:
        """Seconds until the next tick, as `runtime.workers` has it; None: only when something happens."""
        try:
            wake_at = await self.ticker.tick(KEY)
        except Conflict:
            return 0.05
        except Retryable as failure:
            return min(failure.after, 5.0)
        except Refused:
            return 30.0
        return None if wake_at is None else max((wake_at - self.site.server.time.now()).total_seconds(), 0.0)

    async def live(self, until: Phase | None = None, rounds: int = 300) -> None:
        """Ticks at each wake time until a phase, or until nothing more is to be done by itself."""
        for _ in range(rounds):
            delay = await self.tick()
            if self.site.gone or (until and self.site.status.phase is until):
                return None
            if delay is None:
                return self.site.not_silent()
            self.site.passes(delay + 0.001)
        raise AssertionError(f"the incident does not come to rest: {self.site.status}")


@cache
def decoded(data: bytes) -> Entry:
    """An entry of the chain, which is looked at again at each write: decoded once."""
    return decode(data)


def body(api_version: str, kind: str, name: str) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}}


def incident() -> Object:
    """The one of the stage, as the engineer on call opens it."""
    (document,) = copy.deepcopy(read(ROOT / "tests" / "stage" / "incident.yaml"))
    document["metadata"] |= {"name": KEY[1], "namespace": NAMESPACE}
    document["spec"]["openedBy"] = "alice"
    return document

"""The site of the state machine: three targets, a playbook that uses every part of the engine, and knobs for what goes wrong.

`Ground` is a `Site` whose every write is looked at by a `Witness`. What helps is the test's to say (`cause`): the frontend
answers while the cause is gone, or while the change that goes against it holds on the objects.
"""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import Any

import yaml

from stanch.api import codec
from stanch.domain.incident import ChangeRecord, Phase, Status
from stanch.domain.plan import Pin, Ref
from stanch.domain.timeline import Entry
from stanch.engine.errors import NotFound, Refused, Retryable
from stanch.engine.ports import HttpCall, HttpReply, Object
from stanch.packs.objects import Upload
from tests.unit.machine_witness import Witness
from tests.unit.world import ACCOUNT, API_VERSION, NAMESPACE, Site, body, decoded
from tests.unit.world_frontend import environment
from tests.unit.world_gates import MemoryPacks

USER = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
WATCH = 60
# Answers in a row after which the cause is gone, where it heals.
HEALED = 5
# As the policy has it without a word.
COOLDOWN = timedelta(minutes=5)

SPEC = yaml.safe_load("""
summary: The frontend answers 502 under load
match: {types: [availability], components: [frontend]}
serviceAccountName: frontend-remediator
targets:
- {name: app, kind: Deployment, nameFrom: "${incident.component}"}
- {name: worker, kind: Deployment, objectName: worker}
- {name: flags, kind: ConfigMap, objectName: flags}
evidence:
  budget: 10s
  collect:
  - logs: {target: app}
diagnosis:
- name: overloaded
  object: {target: flags, expect: object.data.load == 'high'}
  within: 5s
- name: idle
  object: {target: flags, expect: object.data.load == 'none'}
  within: 5s
falseAlarmWhen: facts.idle
options:
- name: shed
  when: facts.overloaded
  revertOnFailure: true
  steps:
  - name: limit
    expect: fewer requests come through
    setConfig: {target: flags, data: {mode: safe}}
    revert: {after: 600s}
    smoke:
    - {name: limited, object: {target: flags, expect: object.data.mode == 'safe'}, within: 5s, holdFor: 2s}
  - name: calm
    expect: the database has room
    scale: {target: worker, replicas: 1}
  verify:
  - {name: health, http: {service: frontend, port: "8080", path: /health}, within: 5s, holdFor: 5s}
- name: bypass
  approval: {roles: {incident-commander: 2}, timeout: 600s}
  steps:
  - name: bypass
    expect: requests are answered without the cache
    setEnv: {target: app, set: {BYPASS: "true"}}
    revert: {after: 1200s}
  - name: more
    expect: twice the work is done
    scale: {target: worker, replicas: 5}
    revert: {after: 900s, onRecovery: false}
  verify:
  - {name: health, http: {service: frontend, port: "8080", path: /health}, within: 5s, holdFor: 5s}
recovery:
  verify:
  - {name: health, http: {service: frontend, port: "8080", path: /health}, within: 5s, holdFor: 5s}
  watchFor: 60s
""")


class BreakablePacks(MemoryPacks):
    """A store that takes nothing while it is `broken`."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False

    def _works(self) -> None:
        if self.broken:
            raise Retryable("StoreDown", "the store takes nothing now", 2.0)

    async def create(self, key: str, data: bytes) -> bool:
        self._works()
        return await super().create(key, data)

    def upload(self, key: str, *, replace: bool = False) -> Upload:
        self._works()
        return super().upload(key, replace=replace)


class Ground(Site):
    """`kept`: the first option stays as it is when it did not help. `heals`: what was held back for a while is gone for good.
    `last`: the second option is a last resort, and nobody knows whether the first one fits."""

    def __init__(self, *, kept: bool = False, heals: bool = False, window: tuple[int, int] = (0, 0), touched: bool = False,
                 last: bool = False) -> None:  # fmt: skip
        self.witness, self.last = self._witness(), last
        super().__init__(lambda playbook: playbook.update(spec=self._spec(kept)))
        self.memory = self.packs = BreakablePacks()
        self.worker = self.server.add(worker())
        self.flags = self.server.add(flags())
        self.cause, self.kept, self.heals = "limit", kept, heals
        self.well_for = 0
        self.budget = self.server.add(budget())
        self.lets_pods_go(True)
        self.window = self._frozen_from(*window)
        self._tells()
        self.rested_at = self._rested_at() if touched else self.server.time.now()
        self.server.backends[NAMESPACE, "frontend", "8080"] = self._answers
        self.server.before_write.append(self.witness.before)
        if last:
            self.edit(self.flags, {"data": {"load": None}})
        self._chain: list[Entry] = []

    def passes(self, seconds: float) -> None:
        super().passes(seconds)
        if worker := self.found(getattr(self, "worker", self.frontend.ref)):
            wanted, generation = worker["spec"]["replicas"], worker["metadata"]["generation"]
            status = {"observedGeneration": generation, "replicas": wanted, "availableReplicas": wanted}
            if (worker.get("status") or {}).get("observedGeneration") != generation:
                self.server.set_status(self.worker, status)

    def _spec(self, kept: bool) -> Object:
        spec = copy.deepcopy(SPEC)
        spec["options"][0]["revertOnFailure"] = not kept
        spec["options"][1]["lastResort"] = self.last
        return spec

    def _witness(self) -> Witness:
        return Witness(self)

    def _audit(self, write: Any) -> None:
        self.witness.after(write)

    # The cause, and what goes against it.

    def well(self) -> bool:
        """Whether the frontend answers."""
        if self.cause == "gone":
            return True
        mode = self.found(self.flags).get("data", {}).get("mode")
        held = {"limit": mode == "safe", "bypass": environment(self.frontend.deployment).get("BYPASS") == "true"}
        return held.get(self.cause, False)

    def _answers(self, _: HttpCall) -> HttpReply:
        well = self.well()
        self.well_for = self.well_for + 1 if well else 0
        if self.heals and self.well_for >= HEALED:
            self.cause = "gone"
        self.witness.answered(well)
        return HttpReply(200 if well else 502, b"", 0.01)

    def found(self, ref: Ref) -> Object:
        """{} where it is gone, or another one bears its name."""
        try:
            return self.server.read(ref)
        except NotFound:
            return {}

    # What goes wrong, and who meddles.

    def evidence_is_readable(self, yes: bool) -> None:
        for pod in self.server.select("v1", "Pod", NAMESPACE, "", ""):
            # Not `Retryable`: that would be waited for, by a real clock, until the capture's budget is spent.
            logs = [b"starting\n"] if yes else [Refused("Unreadable", "the kubelet cannot read it")]
            self.server.logs[NAMESPACE, pod["metadata"]["name"], "frontend", False] = logs

    def edit(self, ref: Ref, patch: Object) -> None:
        """Somebody other than stanch."""
        if self.found(ref):
            self.server.patch(ref, patch, "", "", dry_run=False)

    def worker_anew(self) -> None:
        """Deleted, where it is there, and applied again: another object of the same name."""
        if self.found(self.worker):
            self.server.remove(self.worker)
        self.worker = self.server.add(worker())

    def playbook_changes(self) -> None:
        (playbook,) = self.server.select(API_VERSION, "Playbook", NAMESPACE, "", "")
        for option in playbook["spec"]["options"]:
            for step in option["steps"]:
                step.pop("revert", None)
                if "setConfig" in step:
                    step["setConfig"]["data"]["mode"] = "edited"
                if "setEnv" in step:
                    step["setEnv"]["set"]["BYPASS"] = "edited"
        self.server.patch(self.server.ref(playbook), {"spec": playbook["spec"]}, "", "", dry_run=False)

    def freeze(self, yes: bool) -> None:
        (policy,) = self.server.select(API_VERSION, "ResponsePolicy", "", "", "")
        self.server.patch(self.server.ref(policy), {"spec": {"suspended": yes}}, "", "", dry_run=False)

    def _tells(self) -> None:
        """The policy has a message that says how grave it is."""
        (policy,) = self.server.select(API_VERSION, "ResponsePolicy", "", "", "")
        message = {"name": "status-page", "audience": "all", "text": "It is ${incident.severity}", "releasedBy": "comms"}
        self.server.patch(self.server.ref(policy), {"spec": {"messages": [message]}}, "", "", dry_run=False)

    def _frozen_from(self, after: int, to: int) -> tuple[datetime, datetime]:
        """A freeze window of the policy, so many minutes from now."""
        start, end = (self.server.time.now().replace(second=0) + timedelta(minutes=minutes) for minutes in (after, to))
        if to:
            (policy,) = self.server.select(API_VERSION, "ResponsePolicy", "", "", "")
            once = {"start": f"{start:%Y-%m-%dT%H:%M}", "end": f"{end:%Y-%m-%dT%H:%M}"}
            windows = {"freezeWindows": [{"name": "soon", "timeZone": "UTC", "once": once}]}
            self.server.patch(self.server.ref(policy), {"spec": windows}, "", "", dry_run=False)
        return start, end

    def _rested_at(self) -> datetime:
        """Another incident, which is over, has changed the flags just now: until when they are left alone."""
        now, other = self.server.time.now(), copy.deepcopy(self.incident)
        other["metadata"] = {"name": "other", "namespace": NAMESPACE}
        status = Status(phase=Phase.Closed, rests=True, policy=Pin("aureus"), changes=(ChangeRecord("t", self.flags.uid, now),))
        self.server.set_status(self.server.add(other), codec.status_to_json(status))
        return now + COOLDOWN

    def lets_pods_go(self, yes: bool) -> None:
        """What the worker's PodDisruptionBudget says."""
        self.server.set_status(self.budget, {"observedGeneration": 1, "disruptionsAllowed": 9 if yes else 0})

    def permit(self, yes: bool) -> None:
        (self.server.permit_all if yes else self.server.restrict)(USER)

    @property
    def chain(self) -> list[Entry]:
        """As it lies in the store; entries are create-only, so that those seen before are not read again."""
        keys = sorted(key for key in self.memory.objects if "/chain/" in key)
        self._chain += [decoded(self.memory.objects[key]) for key in keys[len(self._chain) :]]
        return self._chain


def worker() -> Object:
    template = {"metadata": {"labels": {"app": "worker"}}, "spec": {"containers": [{"name": "worker", "image": "worker:1"}]}}
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "worker"}}, "template": template}
    return {**body("apps/v1", "Deployment", "worker"), "spec": spec}


def budget() -> Object:
    spec = {"minAvailable": 3, "selector": {"matchLabels": {"app": "worker"}}}
    return {**body("policy/v1", "PodDisruptionBudget", "worker"), "spec": spec}


def flags() -> Object:
    return {**body("v1", "ConfigMap", "flags"), "data": {"mode": "normal", "load": "high"}}

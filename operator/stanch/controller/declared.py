"""Tells authors of Playbooks and ResponsePolicies what is wrong with them: the condition `Ready`, before an incident needs one.

What was changed is judged at once. RBAC tells of no change, so Playbooks are judged again and again, one after the other: with more
of them each has its turn less often, and the API server is asked no more than before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import SystemRandom
from typing import Any

import structlog

from stanch.api import codec
from stanch.api.base import API_VERSION
from stanch.api.kinds import KINDS, PlaybookSpec
from stanch.api.lint import Severity, lint
from stanch.api.needs import needs
from stanch.domain.conditions import Condition, merge
from stanch.domain.objects import DeclaredStatus, Readiness
from stanch.domain.plan import Pin, Ref
from stanch.domain.record import TEXT
from stanch.engine.errors import Conflict, Failure, NotFound, Refused, Retryable
from stanch.engine.ports import Clock, Clusters, Object
from stanch.engine.turn import clip
from stanch.runtime import permissions
from stanch.runtime.permissions import Lack, Verdict
from stanch.runtime.queue import Key as Name
from stanch.runtime.queue import KeyQueue

log = structlog.get_logger()

Key = tuple[str, str, str]

PLAYBOOK = "Playbook"
SAID = 3000
# Requests beside the questions: the Playbook is read, and its status may be written.
BESIDE = 2
REASONS = {
    Verdict.Missing: ("False", Readiness.PermissionMissing),
    Verdict.Unknown: ("Unknown", Readiness.PermissionUnknown),
    Verdict.Depends: ("Unknown", Readiness.DependsOnIncident),
}
# What somebody is about to put right; a Role is often written right after its Playbook.
SOON = frozenset({Readiness.PermissionMissing, Readiness.PermissionUnknown})
USABLE = ("True", Readiness.Valid, "Can be used")
Judgement = tuple[str, Readiness, str]


@dataclass(frozen=True)
class Pace:
    """Seconds until a Playbook is judged again, give or take a fifth: one that is ready, one that lacks a permission. And seconds
    that pass for each request before the next one has its turn."""

    ready: float = 300.0
    unready: float = 30.0
    request: float = 0.5


class Declared:
    def __init__(self, clusters: Clusters, clock: Clock, pace: Pace | None = None) -> None:
        self._clusters = clusters
        self._clock = clock
        self._pace = pace or Pace()
        self._changed: dict[Key, Object] = {}
        self._wake = asyncio.Event()
        self._known: set[Name] = set()
        self._again = KeyQueue()
        self._chance = SystemRandom()

    def told(self, obj: Object, gone: bool) -> None:
        """The watch told about an object; only the latest state of each is kept."""
        key = key_of(obj)
        if gone:
            self._changed.pop(key, None)
            self._forget(key[1:])
        elif (obj.get("status") or {}).get("observedGeneration") != obj["metadata"]["generation"]:
            self._changed[key] = obj
            self._wake.set()
        elif obj["kind"] == PLAYBOOK and key[1:] not in self._known:
            # Judged by an earlier leader, nobody knows when: they all come within one round, not at once.
            self._known.add(key[1:])
            self._again.add_after(key[1:], self._pace.ready * self._chance.random())

    async def run(self) -> None:
        """Judges what changed and, in turn, what there is, until cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._changes())
            both.create_task(self._rounds())

    async def _changes(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._changed:
                await self._changed_one(self._changed.pop(next(iter(self._changed))))

    async def _changed_one(self, obj: Object) -> None:
        try:
            await self._judge(obj)
        except Retryable as failure:
            # The watch does not tell of it again: only a change does.
            asyncio.get_running_loop().call_later(failure.after, self._still, obj)

    def _still(self, obj: Object) -> None:
        self._changed.setdefault(key_of(obj), obj)
        self._wake.set()

    async def _rounds(self) -> None:
        while True:
            name = await self._again.get()
            requests = await self._in_turn(name)
            self._again.done(name)
            await asyncio.sleep(requests * self._pace.request)

    async def _in_turn(self, name: Name) -> int:
        """How many requests it took."""
        try:
            obj = await self._clusters.own.get(Ref(API_VERSION, PLAYBOOK, *name))
            return BESIDE + await self._judge(obj)
        except NotFound:
            self._forget(name)
        except Failure as failure:
            log.warning("declared.unread", name=name[1], namespace=name[0], reason=str(failure))
            self._plan(name, self._pace.unready)
        return BESIDE

    async def _judge(self, obj: Object) -> int:
        """How many questions about permissions it took. Raises `Retryable`."""
        judgement, requests = await self._judgement(obj)
        if obj["kind"] == PLAYBOOK:
            self._plan(key_of(obj)[1:], self._pace.unready if judgement[1] in SOON else self._pace.ready)
        await self._say(obj, judgement)
        return requests

    async def _judgement(self, obj: Object) -> tuple[Judgement, int]:
        spec, why = read(obj)
        if why:
            return ("False", Readiness.Invalid, why), 0
        if not isinstance(spec, PlaybookSpec):
            return USABLE, 0
        metadata = obj["metadata"]
        wanted = needs(metadata["name"], metadata["namespace"], spec)
        own = self._clusters.own
        acting = self._clusters.acting_as(wanted.namespace, Pin(wanted.account))
        asked = await permissions.ask(wanted, own, permissions.operator(wanted, own), permissions.account(wanted, acting))
        return permitted(asked.lacks), asked.requests

    async def _say(self, obj: Object, judgement: Judgement) -> None:
        metadata = obj["metadata"]
        before, after = codec.declared_status_of(obj), self._status(obj, judgement)
        if before == after:
            return
        ref = Ref(obj["apiVersion"], obj["kind"], metadata.get("namespace", ""), metadata["name"], metadata["uid"])
        status = {"status": codec.declared_status_to_json(after)}
        try:
            await self._clusters.own.patch(ref, status, resource_version=metadata["resourceVersion"], subresource="status")
        except (Conflict, NotFound):
            return  # it has changed or is gone: the watch tells about that too
        except Retryable:
            raise
        except Failure as failure:
            log.warning("declared.unjudged", kind=ref.kind, name=ref.name, namespace=ref.namespace, reason=str(failure))

    def _status(self, obj: Object, judgement: Judgement) -> DeclaredStatus:
        status, reason, message = judgement
        generation = obj["metadata"]["generation"]
        ready = Condition("Ready", status, reason, clip(message, TEXT), generation)
        return DeclaredStatus(generation, merge(codec.declared_status_of(obj).conditions, (ready,), self._clock.now()))

    def _plan(self, name: Name, seconds: float) -> None:
        self._known.add(name)
        self._again.forget(name)
        self._again.add_after(name, seconds * self._chance.uniform(0.8, 1.2))

    def _forget(self, name: Name) -> None:
        self._known.discard(name)
        self._again.forget(name)


def key_of(obj: Object) -> Key:
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def read(obj: Object) -> tuple[Any, str]:
    """The spec, and why it cannot be used: the first error, and how many more there are."""
    model = next(kind.spec for kind in KINDS if kind.name == obj["kind"])
    try:
        spec = codec.spec_of(model, obj)
    except Refused as failure:
        return None, failure.message
    problems = lint(spec) if isinstance(spec, PlaybookSpec) else ()
    errors = [problem for problem in problems if problem.severity is Severity.error]
    if not errors:
        return spec, ""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return spec, f"{errors[0].path}: {errors[0].message}; {errors[0].hint}{more}"


def permitted(lacks: Sequence[Lack]) -> Judgement:
    """`lacks`: the gravest first. Only those as grave are named: what depends on the incident would hide what is missing."""
    if not lacks:
        return USABLE
    verdict = lacks[0].verdict
    grave = [lack for lack in lacks if lack.verdict is verdict]
    whole = "; ".join(lack.message for lack in grave)
    more = "" if len(whole) <= SAID else f" ({len(grave)} in all: stanch lint --cluster)"
    return *REASONS[verdict], f"{clip(whole, SAID)}{more}: {grave[0].hint}"

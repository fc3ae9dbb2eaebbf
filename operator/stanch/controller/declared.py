"""Tells the authors of Playbooks what is wrong with them: the condition `Ready`, from lint, before any incident needs one."""

from __future__ import annotations

import asyncio

import structlog

from stanch.api import codec
from stanch.api.kinds import PlaybookSpec
from stanch.api.lint import Severity, lint
from stanch.domain.conditions import Condition, merge
from stanch.domain.objects import DeclaredStatus
from stanch.domain.plan import Ref
from stanch.engine.errors import Conflict, Failure, NotFound, Refused
from stanch.engine.ports import Clock, Cluster, Object

log = structlog.get_logger()

Key = tuple[str, str]


class Declared:
    def __init__(self, own: Cluster, clock: Clock) -> None:
        self._own = own
        self._clock = clock
        self._changed: dict[Key, Object] = {}
        self._wake = asyncio.Event()

    def playbook(self, obj: Object, gone: bool) -> None:
        """The watch told about a Playbook; only the latest state of each is kept."""
        key = (obj["metadata"]["namespace"], obj["metadata"]["name"])
        if gone:
            self._changed.pop(key, None)
        elif (obj.get("status") or {}).get("observedGeneration") != obj["metadata"]["generation"]:
            self._changed[key] = obj
            self._wake.set()

    async def run(self) -> None:
        """Judges what changed, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._changed:
                await self._judge(self._changed.pop(next(iter(self._changed))))

    async def _judge(self, obj: Object) -> None:
        metadata = obj["metadata"]
        ref = Ref(obj["apiVersion"], obj["kind"], metadata["namespace"], metadata["name"], metadata["uid"])
        status = {"status": codec.declared_status_to_json(self._status(obj))}
        try:
            await self._own.patch(ref, status, resource_version=metadata["resourceVersion"], subresource="status")
        except (Conflict, NotFound):
            return  # it has changed or is gone: the watch tells about that too
        except Failure as failure:
            log.warning("playbook.unjudged", playbook=metadata["name"], namespace=metadata["namespace"], reason=str(failure))

    def _status(self, obj: Object) -> DeclaredStatus:
        reason, message = judgement(obj)
        generation = obj["metadata"]["generation"]
        ready = Condition("Ready", "True" if reason == "Valid" else "False", reason, message, generation)
        return DeclaredStatus(generation, merge((), (ready,), self._clock.now()))


def judgement(obj: Object) -> tuple[str, str]:
    """Reason and message of the condition `Ready`: the first error, and how many more there are."""
    try:
        problems = lint(codec.spec_of(PlaybookSpec, obj))
    except Refused as failure:
        return "Invalid", failure.message
    errors = [problem for problem in problems if problem.severity is Severity.Error]
    if not errors:
        return "Valid", "Can be run"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return "Invalid", f"{errors[0].path}: {errors[0].message}; {errors[0].hint}{more}"

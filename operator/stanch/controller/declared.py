"""Tells authors of Playbooks and ResponsePolicies what is wrong with them: the condition `Ready`, before an incident needs one."""

from __future__ import annotations

import asyncio

import structlog

from stanch.api import codec
from stanch.api.kinds import KINDS, PlaybookSpec
from stanch.api.lint import Severity, lint
from stanch.domain.conditions import Condition, merge
from stanch.domain.objects import DeclaredStatus
from stanch.domain.plan import Ref
from stanch.engine.errors import Conflict, Failure, NotFound, Refused, Retryable
from stanch.engine.ports import Clock, Cluster, Object

log = structlog.get_logger()

Key = tuple[str, str, str]


class Declared:
    def __init__(self, own: Cluster, clock: Clock) -> None:
        self._own = own
        self._clock = clock
        self._changed: dict[Key, Object] = {}
        self._wake = asyncio.Event()

    def told(self, obj: Object, gone: bool) -> None:
        """The watch told about an object; only the latest state of each is kept."""
        key = key_of(obj)
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
        ref = Ref(obj["apiVersion"], obj["kind"], metadata.get("namespace", ""), metadata["name"], metadata["uid"])
        status = {"status": codec.declared_status_to_json(self._status(obj))}
        try:
            await self._own.patch(ref, status, resource_version=metadata["resourceVersion"], subresource="status")
        except (Conflict, NotFound):
            return  # it has changed or is gone: the watch tells about that too
        except Retryable as failure:
            # The watch does not tell of it again: only a change does.
            asyncio.get_running_loop().call_later(failure.after, self._again, obj)
        except Failure as failure:
            log.warning("declared.unjudged", kind=ref.kind, name=ref.name, namespace=ref.namespace, reason=str(failure))

    def _again(self, obj: Object) -> None:
        self._changed.setdefault(key_of(obj), obj)
        self._wake.set()

    def _status(self, obj: Object) -> DeclaredStatus:
        reason, message = judgement(obj)
        generation = obj["metadata"]["generation"]
        ready = Condition("Ready", "True" if reason == "Valid" else "False", reason, message, generation)
        return DeclaredStatus(generation, merge((), (ready,), self._clock.now()))


def key_of(obj: Object) -> Key:
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def judgement(obj: Object) -> tuple[str, str]:
    """Reason and message of the condition `Ready`: the first error, and how many more there are."""
    model = next(kind.spec for kind in KINDS if kind.name == obj["kind"])
    try:
        spec = codec.spec_of(model, obj)
    except Refused as failure:
        return "Invalid", failure.message
    problems = lint(spec) if isinstance(spec, PlaybookSpec) else ()
    errors = [problem for problem in problems if problem.severity is Severity.error]
    if not errors:
        return "Valid", "Can be used"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return "Invalid", f"{errors[0].path}: {errors[0].message}; {errors[0].hint}{more}"

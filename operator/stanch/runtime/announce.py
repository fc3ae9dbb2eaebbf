"""Tells people: Kubernetes Events on the Incident and on what it changes. Best effort; the timeline is the record."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import structlog

from stanch.domain.conditions import Condition
from stanch.domain.incident import Phase, Status
from stanch.domain.messages import MessageRecord, MessageState
from stanch.domain.plan import Ref
from stanch.domain.said import GlassRecord
from stanch.engine.calling import CONFLICT
from stanch.engine.chain import time_text
from stanch.engine.errors import Failure
from stanch.engine.messages import SENT_BY_PEOPLE
from stanch.engine.ports import Object
from stanch.engine.summary import distrusted, sentence
from stanch.runtime.case import Case
from stanch.runtime.metrics import Metrics
from stanch.runtime.world import World

log = structlog.get_logger()

# Whom an option waits for is called at once: silence is a no.
WARNS = frozenset({Phase.AwaitingApproval, Phase.Waiting, Phase.Escalated, Phase.Aborting, Phase.Aborted, Phase.Failed})
CHANGES = frozenset({Phase.Mitigating, Phase.Mitigated})


class Announcer:
    def __init__(self, world: World, metrics: Metrics, instance: str) -> None:
        self.world = world
        self.metrics = metrics
        self.instance = instance

    async def announce(self, case: Case, before: Status, after: Status) -> None:
        if moved(before, after):
            await self.tell(case, before, after)
        elif newly_waits(before, after):
            await self.emit(event(case.ref, case, after, self.instance, self.world.clock.now()))
        if newly_unheeded(before, after):
            await self.emit(self.unheeded(case, after))
        if newly_unrestored(before, after):
            await self.emit(self.unrestored(case, after))
        for glass in newly_broken(before, after):
            await self.alarm(case, after, glass)
        for message in newly_released(before, after):
            await self.emit(self.released(case, after, message))
        for distrust in newly_distrusted(before, after):
            why = {"reason": distrust.reason, "type": "Warning", "message": distrust.message}
            await self.emit(event(case.ref, case, after, self.instance, self.world.clock.now()) | why)

    async def tell(self, case: Case, before: Status, after: Status) -> None:
        log.info("phase",
                 before=str(before.phase), after=str(after.phase), reason=after.reason, message=after.message)  # fmt: skip
        self.metrics.transitions.labels(str(after.phase)).inc()
        about = [case.ref]
        if after.phase in CHANGES:
            about += [target.ref for target in after.targets]
        for ref in about:
            await self.emit(event(ref, case, after, self.instance, self.world.clock.now()))

    def unheeded(self, case: Case, after: Status) -> Object:
        message = f"Incident {case.ref.name}: nobody took it on by {after.acknowledge_by:%Y-%m-%d %H:%M:%S} UTC"
        why = {"reason": "Unacknowledged", "type": "Warning", "message": message}
        return event(case.ref, case, after, self.instance, self.world.clock.now()) | why

    def unrestored(self, case: Case, after: Status) -> Object:
        message = f"Incident {case.ref.name}: not mitigated by {after.restore_by:%Y-%m-%d %H:%M:%S} UTC (RTO)"
        why = {"reason": "NotRestored", "type": "Warning", "message": message}
        return event(case.ref, case, after, self.instance, self.world.clock.now()) | why

    def released(self, case: Case, after: Status, record: MessageRecord) -> Object:
        told = f"{record.name} for {record.audience} was released by {record.by}: {SENT_BY_PEOPLE}"
        message = f"Incident {case.ref.name}: {told}; stanch messages {case.ref.name} {record.name} prints it"
        why = {"reason": "MessageReleased", "type": "Normal", "message": message}
        return event(case.ref, case, after, self.instance, self.world.clock.now()) | why

    async def alarm(self, case: Case, after: Status, glass: GlassRecord) -> None:
        """On the Incident and on all that may be changed now."""
        self.metrics.glass.inc()
        message = f"BreakGlass by {glass.by}, ticket {glass.ticket}: option {glass.option} goes without {glass.without}"
        why = {"reason": "BreakGlass", "type": "Warning", "message": f"Incident {case.ref.name}: {message}"}
        log.warning("glass.broken", by=glass.by, ticket=glass.ticket, option=glass.option, without=glass.without)
        for ref in (case.ref, *(target.ref for target in after.targets)):
            await self.emit(event(ref, case, after, self.instance, self.world.clock.now()) | why)

    async def emit(self, body: Object) -> None:
        try:
            await self.world.clusters.own.create(body)
        except Failure as failure:
            log.warning("event.lost", reason=str(failure))


def moved(before: Status, after: Status) -> bool:
    return before.phase is not after.phase or before.reason != after.reason


def newly_waits(before: Status, after: Status) -> bool:
    """Whether somebody else is waited for than before, in the same phase: the second of two who must approve, who must close;
    or the same, about another plan."""
    return bool(after.waits_for) and (before.waits_for, before.plan_digest) != (after.waits_for, after.plan_digest)


def newsworthy(before: Status, after: Status) -> bool:
    waits = newly_waits(before, after)
    said = bool(newly_broken(before, after) or newly_released(before, after))
    late = newly_unheeded(before, after) or newly_unrestored(before, after)
    return moved(before, after) or waits or late or said or bool(newly_distrusted(before, after))


def newly_unheeded(before: Status, after: Status) -> bool:
    return after.unheeded and not before.unheeded


def newly_unrestored(before: Status, after: Status) -> bool:
    return after.unrestored and not before.unrestored


def newly_broken(before: Status, after: Status) -> tuple[GlassRecord, ...]:
    return tuple(glass for glass in after.broken_glass if glass not in before.broken_glass)


def newly_released(before: Status, after: Status) -> tuple[MessageRecord, ...]:
    known = {record.name for record in before.messages if record.state is MessageState.Released}
    return tuple(r for r in after.messages if r.state is MessageState.Released and r.name not in known)


def newly_distrusted(before: Status, after: Status) -> tuple[Condition, ...]:
    """Which admission policies are not in force any more, or now for another reason."""
    known = {(condition.type, condition.reason) for condition in distrusted(before)}
    return tuple(condition for condition in distrusted(after) if (condition.type, condition.reason) not in known)


def event(ref: Ref, case: Case, status: Status, instance: str, now: datetime) -> Object:
    """https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/"""
    involved = {
        "apiVersion": ref.api_version,
        "kind": ref.kind,
        "namespace": ref.namespace,
        "name": ref.name,
        "uid": ref.uid,
    }
    at = time_text(now.replace(microsecond=0))
    return {
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"generateName": ordered_name(ref, now), "namespace": ref.namespace},
        "involvedObject": involved, **kind_of(status),
        "message": told(case, status), "firstTimestamp": at, "lastTimestamp": at, "count": 1,
        "source": {"component": "stanch"}, "reportingComponent": "stanch.dev/operator", "reportingInstance": instance,
    }  # fmt: skip


def kind_of(status: Status) -> dict[str, str]:
    """In whatever phase: a change that could not be taken back is what people are called for."""
    if status.reason == CONFLICT:
        return {"reason": CONFLICT, "type": "Warning"}
    return {"reason": str(status.phase), "type": "Warning" if status.phase in WARNS else "Normal"}


def ordered_name(ref: Ref, now: datetime) -> str:
    """Times of Events are whole seconds; names that follow the microseconds let `kubectl describe` show the order within one.

    The API server keeps 58 characters of a generateName.
    """
    return f"{ref.name[:42]}.{int(now.timestamp() * 1_000_000):x}-"


def told(case: Case, status: Status) -> str:
    return sentence(replace(status, message=f"Incident {case.ref.name}: {status.message}"))

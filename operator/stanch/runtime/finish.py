"""Release, Seal, Mark: what is given back and what is put down for good."""

from __future__ import annotations

from typing import Any

import structlog

from stanch.api import codec
from stanch.api.base import API_VERSION
from stanch.domain.decision import Decision
from stanch.domain.incident import StepRecord
from stanch.domain.objects import DecisionStatus, Standing
from stanch.domain.plan import Ref
from stanch.engine.errors import NotFound, Refused
from stanch.engine.moves import Mark, Release, Seal
from stanch.engine.outcomes import Done, Outcome, Sealed
from stanch.kube.locks import target_lease
from stanch.packs.manifest import ATTEMPTS_BEGUN, CAPTURES_BEGUN
from stanch.runtime.case import Case
from stanch.runtime.revert import owed_refs
from stanch.runtime.world import World
from stanch.runtime.write import FINALIZER

log = structlog.get_logger()


async def release(world: World, case: Case, effect: Release) -> Outcome:
    """Also what an earlier attempt changed; what still owes something stays locked, and holds the finalizer."""
    for uid in owed_refs(case):
        if uid in effect.keep:
            continue
        await world.locks.unlock(target_lease(uid), case.facts.uid)
    finalizers = case.raw["metadata"].get("finalizers") or []
    if FINALIZER in finalizers and not effect.keep:
        left = [name for name in finalizers if name != FINALIZER]
        patch = {"metadata": {"finalizers": left}}
        await case.patch(world.clusters.own, patch)
    return Done()


async def seal(world: World, case: Case, effect: Seal) -> Outcome:
    """`at` is the head's own time in effect: a second seal of the same head yields the same bytes."""
    since = case.status.phase_since
    assert since is not None
    manifest = await case.pack.seal(effect.head, pack_facts(case), since)
    return Sealed(manifest, case.pack.uri)


async def mark(world: World, case: Case, effect: Mark) -> Outcome:
    await record(world, case.ref.namespace, effect)
    return Done()


async def disregard(world: World, decision: Decision) -> None:
    """Marks one about an incident that is not there. It names that by its UID: none that comes later is meant."""
    where = decision.namespace
    why = f"there is no incident {decision.incident} in namespace {where} (kubectl -n {where} get inc): look for its name"
    try:
        await record(world, where, Mark(decision.name, "NoEffect", why))
    except NotFound:
        world.decisions.drop(decision)
    except Refused as failure:
        log.warning("decision.unmarked", decision=decision.name, reason=failure.reason, message=failure.message)


async def record(world: World, namespace: str, effect: Mark) -> None:
    ref = Ref(API_VERSION, "Decision", namespace, effect.decision)
    status = DecisionStatus(world.clock.now(), Standing(effect.effect) if effect.effect else None, effect.message)
    patch = {"status": codec.decision_status_to_json(status)}
    written = await world.clusters.own.patch(ref, patch, subresource="status")
    world.decisions.put(codec.decision_of(written))


def pack_facts(case: Case) -> dict[str, Any]:
    """What the pack says beside its chain: the incident, what was changed, who approved. All of it is in the status."""
    facts, status = case.facts, case.status
    incident = {
        "namespace": facts.namespace, "name": facts.name, "uid": facts.uid, "title": facts.title, "type": facts.type,
        "severity": facts.severity, "component": facts.component, "openedBy": facts.opened_by, "mode": str(facts.mode),
        "createdAt": facts.created_at, "phase": str(status.phase), "planDigest": status.plan_digest,
        "startedAt": case.spec.get("startedAt", ""), "impact": case.spec.get("impact", ""), "links": case.spec.get("links", []),
        "playbook": status.playbook.name if status.playbook else "", "postmortem": status.postmortem,
        CAPTURES_BEGUN: status.evidence.begun, ATTEMPTS_BEGUN: status.attempt,
    }  # fmt: skip
    refs = {target.name: target.ref for target in status.targets}
    images = {debt.token: debt.digest for debt in status.reverts}
    changes = [change(step, images.get(step.token, "")) for step in status.steps]
    return {"incident": incident, "changes": changes, "approvals": list(status.approvals),
            "breakglass": list(status.broken_glass), "targets": list(refs.values())}  # fmt: skip


def change(step: StepRecord, image: str) -> dict[str, Any]:
    """`image`: the digest that its revert holds. Of a very large status, that is where it is kept."""
    return {
        "option": step.option, "step": step.name, "state": str(step.state), "summary": step.message, "token": step.token,
        "beforeImage": step.before or image, "intendedAt": step.intended_at, "doneAt": step.done_at,
    }  # fmt: skip

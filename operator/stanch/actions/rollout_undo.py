"""`rolloutUndo`: back to an earlier release, the previous, a named or the last stable one (E-07, A-13).

The patch replaces the pod template as `kubectl rollout undo` does: what the old template lacks is taken out, at every
depth; nothing else of the spec changes.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stanch.actions.counting import count_pods
from stanch.actions.effects import TOKEN, annotations_of, apply, observe, ref_of
from stanch.actions.owners import guard_owner, read_owner
from stanch.actions.revisions import History, named, previous, summary
from stanch.actions.rollouts import KINDS, guard_rollout, limits, sentences, write_rules
from stanch.actions.stable import last_stable
from stanch.domain.access import Rule
from stanch.domain.plan import Ref, Risk
from stanch.domain.record import camel
from stanch.engine.durations import Duration
from stanch.engine.errors import Retryable
from stanch.engine.mergepatch import difference, merged
from stanch.engine.parts import Action, Before, Change, EffectClass, RevertConflict, Stage
from stanch.engine.ports import Object
from stanch.engine.workload import revisions_of, template_of

CHANGE_CAUSE = "kubernetes.io/change-cause"


class To(StrEnum):
    Previous = "Previous"
    LastStable = "LastStable"
    Revision = "Revision"


class UndoParams(BaseModel):
    """Takes the target back to an earlier release."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=camel,
        validate_by_name=True,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "(self.to == 'Revision') == has(self.revision)",
                    "message": "revision is required with to: Revision, and only there",
                }
            ]
        },
    )

    to: To = Field(
        description="Previous: the newest earlier revision of another release. LastStable: the one that a "
        "person marked (annotation stanch.dev/stable-revision on the workload, or stanch.dev/stable=true on the "
        "revision), else one whose pods are still all ready, else one that stood for stableAfter; refused when none can be told. "
        "Both pass over what this incident has tried in vain. Revision: the one with this number."
    )
    revision: int | None = Field(default=None, ge=1, le=2**31 - 1, description="Number of the revision, with to: Revision.")
    stable_after: Duration = Field(
        default=timedelta(hours=1),
        description="With to: LastStable, how long a revision must have stood before a new one, to count as stable.",
    )

    @model_validator(mode="after")
    def _revision_with_its_kind(self) -> UndoParams:
        if (self.to is To.Revision) != (self.revision is not None):
            raise ValueError("revision is required with to: Revision, and only there")
        return self


async def read(stage: Stage, ref: Ref, params: UndoParams) -> Before:
    """Target and revisions, newest first. Raises `Retryable` while its controller has not seen the latest spec."""
    cluster = stage.cluster
    target = await cluster.get(ref)
    if target["metadata"].get("generation", 0) > target.get("status", {}).get("observedGeneration", 0):
        raise Retryable("NotObserved", f"{ref}: its controller has not seen the latest spec, so revisions are not final")
    revisions = await revisions_of(cluster, target)
    if params.to is To.LastStable:
        revisions = await count_pods(cluster, target, revisions)
    return Before(target, (*revisions, *await read_owner(cluster, target)))


def plan(before: Before, params: UndoParams, token: str) -> Change:
    """Raises `Refused` where there is nothing to go back to, nobody can tell, or the change would not act or last."""
    guard_rollout(before.target, "undo")
    owner = guard_owner(before)
    history = History.of(before, token)
    revision, why = choose(history, params)
    patch = {
        "metadata": {"annotations": {TOKEN: token, **change_cause(before.target, revision)}},
        "spec": {"template": difference(template_of(before.target), template_of(revision))},
    }
    why = sentences(why, limits(before.target), owner)
    return Change(ref_of(before.target), patch, summary(history, revision), why)


def choose(history: History, params: UndoParams) -> tuple[Object, str]:
    match params.to:
        case To.Previous:
            return previous(history)
        case To.LastStable:
            return last_stable(history, params.stable_after)
        case To.Revision:
            return named(history, params.revision)


def change_cause(target: Object, revision: Object) -> dict[str, str | None]:
    """kubectl gives a Deployment its revision's change cause back; sets keep theirs, as with kubectl."""
    cause = annotations_of(revision).get(CHANGE_CAUSE)
    if target["kind"] != "Deployment" or annotations_of(target).get(CHANGE_CAUSE) == cause:
        return {}
    return {CHANGE_CAUSE: cause}


def inverse(before: Before, change: Change, seen: Object, token: str) -> Change | None:
    """Back to the template from before, as a whole: half a release is none. Pure. Raises `RevertConflict`."""
    was, ours = template_of(before.target), template_of(merged(before.target, change.patch))
    if template_of(seen) == was:
        return None
    if template_of(seen) != ours:
        raise RevertConflict(f"spec.template of {change.ref} is not what {change.summary!r} made of it: somebody changed it since")
    cause = {CHANGE_CAUSE: annotations_of(before.target).get(CHANGE_CAUSE)}
    touched = cause if CHANGE_CAUSE in change.patch["metadata"]["annotations"] else {}
    patch: dict[str, Any] = {"metadata": {"annotations": {TOKEN: token, **touched}}, "spec": {"template": difference(ours, was)}}
    return replace(change, patch=patch, summary=f"take back: {change.summary}", why="")


def rules(params: UndoParams, namespace: str, ref: Ref) -> tuple[Rule, ...]:
    kind = "replicasets" if ref.kind == "Deployment" else "controllerrevisions"
    wide = "RBAC cannot narrow a list to names"
    lists = [Rule(("list",), "apps", kind, why=f"the revisions; {wide}")]
    if params.to is To.LastStable and ref.kind != "Deployment":
        lists.append(Rule(("list",), "", "pods", why=f"which revision's pods are ready; {wide}"))
    return (*write_rules(ref), *lists)


ROLLOUT_UNDO = Action(
    name="rolloutUndo",
    summary="Take a workload back to its previous, a named or its last stable revision",
    params=UndoParams,
    kinds=KINDS,
    effect_class=EffectClass.cas,
    risk=Risk.Medium,
    irreversible="",
    rules=rules,
    read=read,
    plan=plan,
    observe=observe,
    apply=apply,
    inverse=inverse,
    takes_pods=True,
)

"""`rolloutPause`: a Deployment rolls nothing out until it is resumed; the pods that run go on.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pausing-and-resuming-a-deployment
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from stanch.actions import takeback
from stanch.actions.effects import TOKEN, apply, observe, ref_of, refuse_deleted, title_of
from stanch.actions.owners import guard_owner, read_owner
from stanch.actions.rollouts import write_rules
from stanch.domain.access import Rule
from stanch.domain.plan import Ref, Risk
from stanch.engine.errors import Refused
from stanch.engine.parts import Action, Before, Change, EffectClass, Stage
from stanch.engine.ports import Object


class PauseParams(BaseModel):
    """Pauses the rollouts of the target."""

    model_config = ConfigDict(extra="forbid", frozen=True)


async def read(stage: Stage, ref: Ref, _: BaseModel) -> Before:
    target = await stage.cluster.get(ref)
    return Before(target, await read_owner(stage.cluster, target))


def plan(before: Before, _: PauseParams, token: str) -> Change:
    """Raises `Refused` where it is paused already: whoever did that may resume it under us."""
    target = before.target
    refuse_deleted(target, "pause")
    if paused(target):
        raise Refused("AlreadyPaused", f"cannot pause {title_of(target)}: somebody paused it already; find out who, and why")
    return switch(before, True, token, "rollouts paused", "a rollout under way stops where it is; pods that die are replaced still")


def paused(target: Object) -> bool | None:
    """The API server leaves false out."""
    return target["spec"].get("paused") or None


def switch(before: Before, to: bool | None, token: str, summary: str, why: str) -> Change:
    """The change to `spec.paused`; None takes it away. Raises `Refused` (OwnedByReconciler)."""
    owner = guard_owner(before)
    patch = {"metadata": {"annotations": {TOKEN: token}}, "spec": {"paused": to}}
    return Change(ref_of(before.target), patch, summary, f"{why}; {owner}" if owner else why)


def inverse(before: Before, change: Change, seen: Object, token: str) -> Change | None:
    """As it was before. On a field of two values nobody can contradict us: it is ours still, or it is back."""
    field = takeback.Field("spec.paused", paused(before.target), change.patch["spec"]["paused"], paused(seen))
    owed = takeback.owed(change, [field])
    return takeback.back(change, token, {"spec": {"paused": field.was}}) if owed else None


def rules(_: BaseModel, namespace: str, ref: Ref) -> tuple[Rule, ...]:
    return write_rules(ref)


ROLLOUT_PAUSE = Action(
    name="rolloutPause",
    summary="Stop a Deployment from rolling anything out",
    params=PauseParams,
    kinds=frozenset({"Deployment"}),
    effect_class=EffectClass.cas,
    risk=Risk.Low,
    irreversible="",
    rules=rules,
    read=read,
    plan=plan,
    observe=observe,
    apply=apply,
    inverse=inverse,
)

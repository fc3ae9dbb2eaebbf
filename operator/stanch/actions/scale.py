"""`scale`: more or fewer pods (A-05: containment by scale-down, E-06: scale to 5).

Refused where an autoscaler decides, and where going down would delete volumes.
https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#deployment-and-scaling-guarantees
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stanch.actions import takeback
from stanch.actions.autoscalers import RULE, guard_autoscalers, read_autoscalers
from stanch.actions.effects import TOKEN, apply, observe, ref_of, refuse_deleted, title_of
from stanch.actions.owners import guard_owner, read_owner
from stanch.actions.rollouts import sentences, write_rules
from stanch.domain.access import Rule
from stanch.domain.plan import Ref, Risk
from stanch.engine.errors import Refused
from stanch.engine.parts import Action, Before, Change, EffectClass, Stage
from stanch.engine.ports import Object

MOST = 10_000
ONE_OF = "scale has exactly one of replicas, by, percent"
ORDERED = "min is not above max"
UNFILLED = "type(self.min) != int || type(self.max) != int"


class ScaleParams(BaseModel):
    """Sets how many pods the target has."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "[has(self.replicas), has(self.by), has(self.percent)].filter(x, x).size() == 1", "message": ONE_OF},
                # Where either is a template, the two are compared once it is filled in.
                {"rule": f"!has(self.min) || !has(self.max) || {UNFILLED} || self.min <= self.max", "message": ORDERED},
            ]
        },
    )

    replicas: int | None = Field(default=None, ge=0, le=MOST, description="This many pods.")
    by: int | None = Field(
        default=None, ge=-MOST, le=MOST, description="So many pods more, or fewer when negative, than there were before the step."
    )
    percent: int | None = Field(
        default=None, ge=0, le=1000, description="This share of the pods that there were before the step, rounded up; 50 is half."
    )
    min: int | None = Field(default=None, ge=0, le=MOST, description="Never fewer pods than these; left out: 0.")
    max: int | None = Field(default=None, ge=0, le=MOST, description=f"Never more pods than these; left out: {MOST}.")

    @model_validator(mode="after")
    def _one_way(self) -> ScaleParams:
        if [self.replicas, self.by, self.percent].count(None) != 2:
            raise ValueError(ONE_OF)
        if self.least > self.most:
            raise ValueError(ORDERED)
        return self

    @property
    def least(self) -> int:
        return self.min or 0

    @property
    def most(self) -> int:
        return MOST if self.max is None else self.max


async def read(stage: Stage, ref: Ref, _: ScaleParams) -> Before:
    """Target, its autoscalers, its owner. Raises what `cluster.get` raises, and `Retryable`."""
    target = await stage.cluster.get(ref)
    return Before(target, (*await read_autoscalers(stage.cluster, target), *await read_owner(stage.cluster, target)))


def plan(before: Before, params: ScaleParams, token: str) -> Change:
    """Raises `Refused` where somebody else decides, nothing would change, or volumes would go."""
    target = before.target
    refuse_deleted(target, "scale")
    owner = guard_owner(before)
    now = replicas_of(target)
    goal, why = wanted(target, params)
    autoscaler = guard_autoscalers(before, goal)
    guard_volumes(target, now, goal)
    patch = {"metadata": {"annotations": {TOKEN: token}}, "spec": {"replicas": goal}}
    return Change(ref_of(target), patch, f"replicas {now} -> {goal}", sentences(why, ordered(target), autoscaler, owner))


def replicas_of(target: Object) -> int:
    """The API server writes the default, 1, into every workload."""
    return target["spec"].get("replicas", 1)


def wanted(target: Object, params: ScaleParams) -> tuple[int, str]:
    """How many, and how that came. Raises `Refused`: NothingToChange, or OutOfBounds where a bound would turn more into fewer."""
    now = replicas_of(target)
    asked, how = asked_for(now, params)
    goal = min(max(asked, params.least), params.most)
    bound = "" if goal == asked else f"min {goal}" if goal > asked else f"max {goal}"
    why = f"{how}, kept to {bound}" if bound else how
    if goal == now:
        raise Refused("NothingToChange", f"{title_of(target)} has {now} replicas already ({why})")
    if params.replicas is None and (goal > now) != (asked > now):
        other = "fewer" if goal < now else "more"
        raise Refused("OutOfBounds", f"{why}: that is {other} than the {now} that {title_of(target)} has; change the bound")
    return goal, why if bound or params.replicas is None else ""


def asked_for(now: int, params: ScaleParams) -> tuple[int, str]:
    if params.by is not None:
        return now + params.by, f"{now}{params.by:+} is {now + params.by}"
    if params.percent is not None:
        share = -(-now * params.percent // 100)
        return share, f"{params.percent}% of {now}, rounded up, is {share}"
    assert params.replicas is not None
    return params.replicas, f"{params.replicas} asked for"


def guard_volumes(target: Object, now: int, goal: int) -> None:
    """A StatefulSet may say that volumes go with their pods: no revert brings their data back.

    https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#persistentvolumeclaim-retention
    """
    policy = target["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    if goal < now and policy.get("whenScaled") == "Delete" and target["spec"].get("volumeClaimTemplates"):
        raise Refused(
            "DeletesVolumes",
            f"{title_of(target)} deletes the volumes of the pods that it scales away, and nothing brings them back; set "
            "persistentVolumeClaimRetentionPolicy.whenScaled to Retain first",
        )


def ordered(target: Object) -> str:
    in_order = target["kind"] == "StatefulSet" and target["spec"].get("podManagementPolicy") != "Parallel"
    return "one pod after the other, each only while the others are ready" if in_order else ""


def inverse(before: Before, change: Change, seen: Object, token: str) -> Change | None:
    """Back to as many as before. Raises `RevertConflict` where somebody scaled it since."""
    was, ours = replicas_of(before.target), change.patch["spec"]["replicas"]
    fields = [takeback.Field("spec.replicas", was, ours, replicas_of(seen))]
    patch: dict[str, Any] = {"spec": {"replicas": was}}
    if not takeback.owed(change, fields):
        return None
    guard_volumes(seen, ours, was)
    return takeback.back(change, token, patch)


def rules(_: ScaleParams, namespace: str, ref: Ref) -> tuple[Rule, ...]:
    return (*write_rules(ref), RULE)


SCALE = Action(
    name="scale",
    summary="Give a workload more or fewer pods",
    params=ScaleParams,
    kinds=frozenset({"Deployment", "StatefulSet"}),
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

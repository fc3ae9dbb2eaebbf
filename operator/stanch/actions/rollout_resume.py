"""`rolloutResume`: a paused Deployment rolls out again; the other way round it is `rolloutPause`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from stanch.actions.effects import apply, observe, refuse_deleted, title_of
from stanch.actions.rollout_pause import inverse, paused, read, rules, switch
from stanch.domain.plan import Risk
from stanch.engine.errors import Refused
from stanch.engine.parts import Action, Before, Change, EffectClass


class ResumeParams(BaseModel):
    """Resumes the rollouts of the target."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def plan(before: Before, _: ResumeParams, token: str) -> Change:
    """Raises `Refused` where it is not paused."""
    target = before.target
    refuse_deleted(target, "resume")
    if not paused(target):
        raise Refused("NotPaused", f"cannot resume {title_of(target)}: it is not paused")
    return switch(before, None, token, "rollouts resumed", "what was changed in its pod template meanwhile rolls out now")


ROLLOUT_RESUME = Action(
    name="rolloutResume",
    summary="Let a paused Deployment roll out again",
    params=ResumeParams,
    kinds=frozenset({"Deployment"}),
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

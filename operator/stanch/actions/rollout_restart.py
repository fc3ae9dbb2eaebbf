"""`rolloutRestart`: new pods of the same release, by the workload's own rolling update (E-05).

The mark on the pod template is the step's token, never the time: a retry finds its own mark and restarts nothing again.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from stanch.actions.effects import TOKEN, apply, observe, ref_of
from stanch.actions.owners import guard_owner, read_owner
from stanch.actions.rollouts import KINDS, guard_rollout, limits, sentences, write_rules
from stanch.domain.access import Rule
from stanch.domain.plan import Ref, Risk
from stanch.engine.parts import Action, Before, Change, EffectClass, Stage
from stanch.engine.workload import RESTARTED_BY


class RestartParams(BaseModel):
    """Restarts all pods of the target by its rolling update."""

    model_config = ConfigDict(extra="forbid", frozen=True)


async def read(stage: Stage, ref: Ref, _: RestartParams) -> Before:
    target = await stage.cluster.get(ref)
    return Before(target, await read_owner(stage.cluster, target))


def plan(before: Before, _: RestartParams, token: str) -> Change:
    """One patch: the mark that makes new pods, and the token. Raises `Refused` where it would not act or not last."""
    guard_rollout(before.target, "restart")
    why = guard_owner(before)
    patch = {
        "metadata": {"annotations": {TOKEN: token}},
        "spec": {"template": {"metadata": {"annotations": {RESTARTED_BY: token}}}},
    }
    ref = ref_of(before.target)
    return Change(ref, patch, f"restart {ref}{how(before)}", sentences(limits(before.target), why))


def how(before: Before) -> str:
    """Recreate has no rolling update: say the gap."""
    recreate = (before.target["spec"].get("strategy") or {}).get("type") == "Recreate"
    return " (strategy Recreate: all old pods stop before the first new one starts)" if recreate else ""


def rules(_: RestartParams, namespace: str, ref: Ref) -> tuple[Rule, ...]:
    return write_rules(ref)


ROLLOUT_RESTART = Action(
    name="rolloutRestart",
    summary="Restart all pods of a workload by its rolling update",
    params=RestartParams,
    kinds=KINDS,
    effect_class=EffectClass.cas,
    risk=Risk.Low,
    irreversible="a restart cannot be undone",
    rules=rules,
    read=read,
    plan=plan,
    observe=observe,
    apply=apply,
    inverse=None,
    takes_pods=True,
)

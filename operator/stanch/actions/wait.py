"""`wait`: nothing is done for a while, where an effect needs time before the next step."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

from stanch.domain.plan import Risk
from stanch.domain.record import camel
from stanch.engine.durations import between
from stanch.engine.parts import Action, EffectClass


class WaitParams(BaseModel):
    """Waits before the next step."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=camel, validate_by_name=True)

    for_: between("1s", "24h") = Field(alias="for", description="How long.")


def pauses(params: WaitParams) -> timedelta:
    return params.for_


WAIT = Action(
    name="wait",
    summary="Wait before the next step",
    params=WaitParams,
    kinds=frozenset(),
    effect_class=EffectClass.none,
    risk=Risk.Low,
    irreversible="waiting changes nothing",
    rules=lambda params, namespace, ref: (),
    pauses=pauses,
)

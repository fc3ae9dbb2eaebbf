"""`askPerson`: the run waits for a person's Confirm Decision; a Reject, or no answer in the step's time, fails the step.

Who may answer is proven by the API server, as for every Decision.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from stanch.domain.plan import Risk
from stanch.domain.record import TEXT
from stanch.engine.parts import Action, EffectClass

ROLE = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"


class AskParams(BaseModel):
    """Waits for a person's Confirm."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Annotated[str, Field(min_length=1, max_length=63, pattern=ROLE)] = Field(description="Role under which to answer.")
    question: Annotated[str, Field(min_length=1, max_length=TEXT)] = Field(
        description="What the person is to look at or do before confirming."
    )


def asks(params: AskParams) -> str:
    return params.role


ASK_PERSON = Action(
    name="askPerson",
    summary="Wait until a person with a role confirms",
    params=AskParams,
    kinds=frozenset(),
    effect_class=EffectClass.none,
    risk=Risk.Low,
    irreversible="asking changes nothing",
    rules=lambda params, namespace, ref: (),
    asks=asks,
)

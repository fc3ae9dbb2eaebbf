"""What a playbook says of guards."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stanch.api.base import Spec
from stanch.domain.guards import Budgets
from stanch.domain.guards import Guards as Held

SHARE = r"^([0-9]{1,2}|100)%$"


class Guards(Spec):
    """What holds a step up although everything else speaks for it. Left out, every guard is on."""

    min_available: Annotated[int, Field(ge=0, le=10_000, strict=True)] | Annotated[str, Field(pattern=SHARE)] | None = Field(
        default=None,
        description="Fewest pods that a step may leave available of a target, or their share of those that it wants, such as 50%; "
        "left out: one, of a target that wants several. What is not available already is nothing that a step takes.",
    )
    pod_disruption_budgets: Budgets = Field(
        default=Held().budgets,
        description="Respect: a step takes no more available pods at once than each PodDisruptionBudget that selects them lets go; "
        "Ignore: budgets are not read.",
    )

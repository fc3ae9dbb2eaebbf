"""Until when whoever an incident waits for can still answer. What follows then is the phase's to say."""

from __future__ import annotations

from datetime import datetime

from stanch.domain.incident import Phase, Status, StepState
from stanch.domain.plan import Plan
from stanch.engine import calling

BOUNDED = frozenset({Phase.AwaitingApproval, Phase.Mitigating})


def until(status: Status, plan: Plan | None) -> datetime | None:
    """None: nobody is waited for, or for as long as it takes. Who must settle a revert, or say what a step has done, has no
    limit; an answer to a step is not later than the end of its option."""
    undecided = any(record.state is StepState.Indeterminate for record in status.steps)
    if plan is None or undecided or status.phase not in BOUNDED or not calling.beside(status.waits_for):
        return None
    asked = [
        record.intended_at + plan.step(record.option, record.name).timeout
        for record in status.steps
        if record.state is StepState.Waiting and record.intended_at and record.option == status.option
    ]
    # While a person holds it up, the time of an option stands still.
    own = None if status.held and status.phase is Phase.Mitigating else status.deadline
    return min((at for at in (*asked, own) if at), default=None)

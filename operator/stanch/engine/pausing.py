"""Hold: until a person resumes, nothing further is changed, and nothing that stays until recovery is taken back.

What was begun goes to its end, what is due to be taken back at its time is, and all that only looks goes on. The time of an option
under way does not.
"""

from __future__ import annotations

from stanch.domain.decision import Decision
from stanch.domain.incident import SETTLED, Phase
from stanch.domain.said import HoldRecord
from stanch.engine import calling
from stanch.engine.moves import Move
from stanch.engine.taken import Taken
from stanch.engine.turn import Turn, clip

# The reason of a status while a change waits for it.
ON_HOLD = "OnHold"
RESUME = "Resume"
# Nothing is changed there but by a person's word.
STILL = frozenset({Phase.Escalated, Phase.Aborting, *SETTLED})


def hold(turn: Turn, decision: Decision) -> Taken:
    if turn.status.phase in STILL:
        return Taken(False, f"an incident that is {turn.status.phase} changes nothing by itself")
    if was := turn.status.held:
        return Taken(False, f"{was.by} holds it up already, since {was.at:%H:%M:%S} UTC")
    turn.set(held=HoldRecord(decision.by, decision.created_at, clip(decision.reason, 253), decision.role))
    return Taken(True, "nothing further is changed until somebody says Resume; what is owed at a time is taken back at its time")


def lift(turn: Turn, decision: Decision) -> Taken:
    """Its time begins anew, and what is waited for is said by its phase."""
    turn.set(held=None)
    if turn.in_phase(Phase.Mitigating):
        turn.set(deadline=turn.now + turn.option.timeout)
    if turn.status.reason == ON_HOLD:
        turn.set(reason="Resumed", message=clip(f"Resumed by {decision.by}: {decision.reason}"))
    turn.set(waits_for="; ".join(part for part in turn.status.waits_for.split("; ") if part != RESUME))
    if turn.in_phase(Phase.Mitigated):
        turn.set(recovery_since=turn.now, hold_until=None)
    return Taken(True, "it goes on from where it stands")


def wait(turn: Turn) -> Move | None:
    """The end of the turn, where somebody holds it up; None: nobody does. What people are called for meanwhile stays said."""
    if (held := turn.status.held) is None:
        return None
    if stuck := calling.asked(turn.status.waits_for):
        turn.set(waits_for=f"{stuck}; {RESUME}")
    else:
        turn.set(reason=ON_HOLD, message=clip(f"Held up by {held.by}: {held.reason}"), waits_for=RESUME)
    return turn.move()

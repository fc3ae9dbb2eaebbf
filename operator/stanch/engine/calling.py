"""People are called for what could not be taken back, in whatever phase the incident is (E-18), and no more once it is settled.

A status names one thing that is waited for; whom the phase itself waits for stands behind it meanwhile.
"""

from __future__ import annotations

from stanch.domain.incident import Phase
from stanch.engine.turn import Turn, clip

# The reason of a status while a person must settle what could not be taken back, and once nothing of that is left.
CONFLICT, SETTLED = "RevertConflict", "RevertSettled"
ASKED = "Revert or Confirm of "


def call(turn: Turn, steps: str, what: str) -> None:
    """The reason changes, and with it people are told. `steps`: all that they must settle."""
    beside = left(turn)
    turn.set(reason=CONFLICT, message=clip(what), waits_for=clip(waits(steps, beside), 253))


def waits(steps: str, beside: str = "") -> str:
    return f"{ASKED}{steps}; {beside}" if beside else f"{ASKED}{steps}"


def relieve(turn: Turn, what: str) -> None:
    """Nothing of it is left to settle."""
    if not turn.status.waits_for.startswith(ASKED):
        return
    turn.set(waits_for=left(turn))
    if turn.status.reason == CONFLICT:
        turn.set(reason=SETTLED, message=clip(what))


def left(turn: Turn) -> str:
    """Who is waited for, but for reverts."""
    if turn.in_phase(Phase.Escalated):
        return "Resume, Close or Abort"
    return beside(turn.status.waits_for)


def asked(waits_for: str) -> str:
    """Who is waited for because of reverts; empty: nobody."""
    return next((part for part in waits_for.split("; ") if part.startswith(ASKED)), "")


def beside(waits_for: str) -> str:
    return "; ".join(part for part in waits_for.split("; ") if not part.startswith(ASKED))

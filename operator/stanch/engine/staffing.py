"""Who holds which role. It gives nobody a right: who may say what is said by RBAC."""

from __future__ import annotations

from stanch.domain.decision import Decision
from stanch.domain.incident import TERMINAL
from stanch.domain.said import RoleRecord
from stanch.engine.taken import Taken
from stanch.engine.turn import Turn

ROLES = 16


def assign(turn: Turn, decision: Decision) -> Taken:
    """The last one who was assigned holds it."""
    if turn.status.phase in TERMINAL:
        return Taken(False, f"an incident that is {turn.status.phase} has no roles to fill")
    was = next((record.assignee for record in turn.status.roles if record.role == decision.role), "")
    others = tuple(record for record in turn.status.roles if record.role != decision.role)
    if was == decision.assignee:
        return Taken(False, f"{was} is {decision.role} already")
    if len(others) >= ROLES:
        return Taken(False, f"{len(others)} roles are assigned already, more than that are not kept")
    turn.set(roles=(*others, RoleRecord(decision.role, decision.assignee, decision.by, decision.created_at)))
    return Taken(True, f"{decision.assignee} is {decision.role}" + (f" instead of {was}" if was else ""))

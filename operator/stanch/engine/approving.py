"""Who lets an option run: as many people as it asks for, under their roles; or one alone, who breaks the glass.

Either is about one plan, by its digest. A no counts more than both: what was denied is not run any more.
"""

from __future__ import annotations

from stanch.domain.decision import Decision, Verb
from stanch.domain.incident import Phase, Status, StepRecord, StepState
from stanch.domain.plan import Option
from stanch.domain.said import ApprovalRecord, GlassRecord
from stanch.engine import choosing
from stanch.engine.taken import Taken
from stanch.engine.turn import Turn, clip

# Of the glass that was broken, the latest that a status holds. The timeline has all.
GLASS = 16


def approve(turn: Turn, decision: Decision) -> Taken:
    if problem := unfit(turn, decision) or early(turn, decision) or ineligible(turn, decision):
        return Taken(False, problem)
    record = ApprovalRecord(decision.name, decision.option, decision.role, decision.by, decision.created_at)
    turn.set(approvals=(*turn.status.approvals, record))
    return Taken(True, f"approved as {decision.role}")


def option_of(turn: Turn, decision: Decision) -> Option | None:
    if not turn.has_plan:
        return None
    return next((option for option in turn.plan.options if option.name == decision.option), None)


def unfit(turn: Turn, decision: Decision) -> str:
    """Why this Decision is not about what would be run; empty: it is."""
    option = option_of(turn, decision)
    if option is None:
        return f"there is no option {decision.option!r}"
    if decision.plan_digest != turn.status.plan_digest:
        return f"it names plan {decision.plan_digest}, the plan is {turn.status.plan_digest}"
    if option.approval is None:
        return f"option {option.name} needs no approval"
    record = next((record for record in turn.status.options if record.name == option.name), None)
    if awaited(turn, decision):
        return expired(turn, decision)
    if record is None or (decision.verb is Verb.Reject and withdrawable(turn.status, option.name)):
        return ""
    return f"option {option.name} is {record.state.lower()} already"


def withdrawable(status: Status, option: str) -> bool:
    """Let run, and nothing of it is written, nor about to be: a no still comes in time."""
    this = status.phase is Phase.Mitigating and status.option == option
    return this and not any(record.option == option and begun(record) for record in status.steps)


def begun(record: StepRecord) -> bool:
    return record.written_at is not None or record.state in (StepState.Intended, StepState.Indeterminate)


def early(turn: Turn, decision: Decision) -> str:
    """Beforehand nobody knows what will have been tried."""
    option = option_of(turn, decision)
    if option is None or not option.last_resort or awaited(turn, decision):
        return ""
    return f"option {option.name} is a last resort: say it again when it waits for that, and what else was tried is known"


def expired(turn: Turn, decision: Decision) -> str:
    """What was said too late is none the better for an operator that was away when the time was over."""
    until = turn.status.deadline
    over = until is not None and decision.created_at > until
    return (
        f"it was said after {until:%Y-%m-%d %H:%M:%S} UTC, when option {decision.option} could be approved no more" if over else ""
    )


def awaited(turn: Turn, decision: Decision) -> bool:
    return turn.in_phase(Phase.AwaitingApproval) and turn.status.option == decision.option


def ineligible(turn: Turn, decision: Decision) -> str:
    """Why this person's yes does not count; empty: it does."""
    option = option_of(turn, decision)
    assert option is not None and option.approval is not None
    if decision.by == turn.facts.opened_by:
        return "who opened the incident does not approve it"
    if decision.role not in option.approval.roles:
        return f"option {option.name} asks for {', '.join(option.approval.roles)}, not for {decision.role}"
    granted = choosing.granted(turn, option)
    if any(record.by == decision.by for record in granted):
        return f"{decision.by} approved it already"
    if sum(record.role == decision.role for record in granted) >= option.approval.roles[decision.role]:
        return f"enough people approved it as {decision.role} already"
    return ""


def break_glass(turn: Turn, decision: Decision) -> Taken:
    """In an emergency one person stands in for all that are asked, whoever they are, and answers for a last resort that is run
    before the others. Nothing else is let off: neither evidence nor other guards, no time at which something is taken back, and no
    word of the record. It is said of what waits now, not beforehand."""
    if problem := unfit(turn, decision):
        return Taken(False, problem)
    if not awaited(turn, decision):
        return Taken(False, f"option {decision.option} waits for no approval now: say it again when it does")
    if glass := choosing.broken(turn.status):
        return Taken(False, f"{glass.by} broke the glass already")
    without = choosing.lacking(turn)
    if not without:
        return Taken(False, f"option {decision.option} has its approvals already")
    record = GlassRecord(decision.name, decision.option, decision.plan_digest, decision.by, decision.ticket,
                         clip(without, 253), decision.created_at, decision.role)  # fmt: skip
    turn.set(broken_glass=(*turn.status.broken_glass, record)[-GLASS:])
    return Taken(True, f"ticket {decision.ticket}: option {decision.option} goes without {without}; a postmortem is required")

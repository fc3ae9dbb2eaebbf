"""Opened and Waiting: find playbook, policy and targets, fix the plan; or say which person can make that possible."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from stanch.domain.incident import Mode, Phase
from stanch.engine import debts, messages, restoring, triage
from stanch.engine.moves import Move, Release, Resolve
from stanch.engine.outcomes import CameBack, Denied, Done, Later, Resolved
from stanch.engine.transitions import Event
from stanch.engine.turn import Turn, clip

REPLAN_EVERY = timedelta(seconds=30)


def opened(turn: Turn) -> Move | None:
    if came_back := turn.take(Resolve, CameBack):
        ask(turn, came_back)
        return None
    if denied := turn.take(Resolve, Denied):
        turn.set(retention=denied.retention)
        turn.go(Event.PlanRefused, denied.reason, denied.message, waits_for=turn.facts.opened_by)
        refuse(turn, denied)
        return None
    return plan(turn)


def waiting(turn: Turn) -> Move | None:
    """Looks again by itself, quietly: the same refusal is neither a new line of the timeline nor a write."""
    if turn.status.reason == CameBack.REASON:
        return turn.move(wake_in=timedelta() if turn.facts.deleted else None)
    if denied := turn.take(Resolve, Denied):
        turn.set(retention=denied.retention)
        if clip(denied.message) != turn.status.message:
            turn.set(reason=denied.reason, message=clip(denied.message))
            refuse(turn, denied)
        return turn.move(wake_in=REPLAN_EVERY)
    return plan(turn)


def ask(turn: Turn, came_back: CameBack) -> None:
    """The past is not replayed: only a person knows whether this is the same trouble again. A chain that is there goes on, and
    so do attempts and captures: the tokens of earlier ones may stand on the targets, their files stand in the pack."""
    was = turn.status
    # It may have come back with its finalizer: that is taken off at its end, whatever the lost status said.
    turn.set(attempt=came_back.attempt, pack=replace(was.pack, head=came_back.head), locked=True,
             retention=came_back.retention, evidence=replace(was.evidence, begun=came_back.captures))  # fmt: skip
    turn.say(turn.key("came-back"), "Open", expectation="an incident that was not handled before", result=came_back.message,
             next="a person's Resume plans it anew, Close ends it")  # fmt: skip
    turn.go(Event.PlanRefused, CameBack.REASON, came_back.message, waits_for="Resume or Close")


def plan(turn: Turn) -> Move | None:
    if turn.status.locked and turn.status.targets:
        # Resumed: the next plan may be about other objects, and those of the last one would stay locked for good.
        return give_back(turn)
    if turn.barred:
        return bar(turn)
    if later := turn.take(Resolve, Later):
        turn.set(reason=later.reason, message=clip(later.message))
        return turn.move(wake_in=timedelta(seconds=later.after))
    resolved = turn.take(Resolve, Resolved)
    if resolved and as_classified(turn, resolved):
        if turn.in_phase(Phase.Waiting):
            turn.go(Event.Replan, "Planned", "What was missing is there")
        fix(turn, resolved)
        return None
    return turn.move(Resolve(turn.status.attempt))


def bar(turn: Turn) -> Move:
    """Who opened it, or wrote its playbook, is not proven: nothing is even read for it. What waits for something else goes on
    saying that; its condition tells both."""
    if turn.barred and turn.in_phase(Phase.Opened):
        turn.set(reason=str(turn.barred.reason), message=clip(turn.barred.message))
    return turn.move(wake_in=REPLAN_EVERY)


def as_classified(turn: Turn, resolved: Resolved) -> bool:
    """Whether the plan is about what the incident is by now: while it was made, a person may have said otherwise."""
    said = turn.status.classified
    return said is None or resolved.plan.occasion.severity == said.severity


def give_back(turn: Turn) -> Move | None:
    """What owes a revert stays locked; the debt itself names the object from here on."""
    owed = tuple(record.ref.uid for record in debts.opened(turn))
    if turn.take(Release, Done):
        turn.set(locked=bool(owed), targets=())
        return None
    if later := turn.take(Release, Later, Denied):
        turn.set(reason=later.reason, message=clip(later.message))
        return turn.move(wake_in=turn.after(later))
    return turn.move(Release(owed))


def refuse(turn: Turn, denied: Denied) -> None:
    turn.say(turn.key("refused", denied.reason), "Plan", expectation="a playbook that can be run", result=denied.message,
             next=f"{turn.facts.opened_by} mends it; looked at again every {REPLAN_EVERY.seconds} s")  # fmt: skip


def fix(turn: Turn, resolved: Resolved) -> None:
    """Pins everything that the incident will run on: later changes to playbook or policy have no effect on it."""
    plan = resolved.plan
    turn.adopt(plan)
    turn.set(
        playbook=plan.playbook, policy=resolved.policy, service_account=plan.service_account, plan_digest=resolved.digest,
        targets=plan.touched, close_role=resolved.close_role, facts=dict(resolved.facts), option="", at="",
        options=(), steps=(), checks=(), approvals=(), diagnosed=False, retention=resolved.retention, proposal=resolved.proposal,
        levels=resolved.levels, acknowledge_by=triage.due(turn, resolved.respond_within),
        restore_by=restoring.due(turn, resolved.restore_within),
        pack=replace(turn.status.pack, uri=resolved.pack_uri),
    )  # fmt: skip
    suggest(turn)
    messages.draft(turn, resolved.messages)
    names = ", ".join(str(target.ref) for target in plan.targets)
    held = f"; a change would be held up now by {resolved.blocked}" if resolved.blocked else ""
    turn.say(turn.key("planned"), f"Open with playbook {plan.playbook.name}", expectation=turn.facts.title,
             result=f"plan {resolved.digest[:19]} on {names}{held}", next="capture evidence")  # fmt: skip
    messages.vouch(turn, resolved.drafts)
    if turn.facts.mode is Mode.DryRun:
        turn.go(Event.PlanOnly, "DryRun", f"Dry run: the plan is in the pack, nothing was written{held}")
    else:
        turn.go(Event.PlanReady, "Planned", f"Playbook {plan.playbook.name} on {names}{held}")


def suggest(turn: Turn) -> None:
    """What the criteria propose is said where it is not what was said; only people change it."""
    proposal = turn.status.proposal
    if proposal and proposal.severity not in ("", turn.severity):
        turn.say(turn.key("severity", "proposed"), f"Propose severity {proposal.severity}",
                 expectation=f"severity is {turn.severity}", result=proposal.message,
                 next=f"a person confirms it: stanch classify {turn.facts.name} {proposal.severity} --reason …")  # fmt: skip

"""Diagnosing: what is owed first; then questions whose answers become facts; then the choice of an option."""

from __future__ import annotations

from stanch.domain.incident import Verdict
from stanch.domain.plan import Check
from stanch.engine import calling, debts
from stanch.engine.choosing import choosing
from stanch.engine.conditions import holds
from stanch.engine.moves import Bind, Checks, Move, Read
from stanch.engine.outcomes import Bound, Denied, Later, Readings
from stanch.engine.parts import Reading
from stanch.engine.templates import needs_facts
from stanch.engine.transitions import Event
from stanch.engine.trial import Trial, known, poll
from stanch.engine.turn import Turn, clip, spelled

# Of an answer in the timeline, and of all of them: sixteen may come at once, and the status carries them until they are stored.
SAID, TOGETHER = 253, 2048


def diagnosing(turn: Turn) -> Move | None:
    # A clock that was set back since the option failed must not let the next one go first.
    if due := debts.due(turn, max(turn.now, turn.status.phase_since or turn.now)):
        return owed(turn, due)
    if not turn.status.diagnosed:
        return diagnose(turn) if turn.plan.diagnosis else learned(turn, {})
    if turn.plan.false_alarm and holds(turn, turn.plan.false_alarm):
        return false_alarm(turn)
    if needs_facts(turn.plan):
        return bind(turn)
    return choosing(turn)


def owed(turn: Turn, due: tuple) -> Move | None:
    """A denied option is taken back before the next one is tried; where that cannot be done, people are called."""
    stuck = debts.stuck(turn)
    if not stuck:
        return turn.move()
    why = "; ".join(f"{record.option}/{record.step}: {record.message}" for record in stuck)
    turn.go(Event.RevertStuck, calling.CONFLICT, f"What was changed could not be taken back: {why}",
            waits_for=calling.waits(debts.names(stuck), "Resume, Close or Abort"))  # fmt: skip
    return None


def diagnose(turn: Turn) -> Move | None:
    """Every question is asked until it is answered or its time is over. No answer is no fact (invariant 14)."""
    outcome = turn.take(Read, Readings, Later)
    if outcome is None:
        return turn.move(Read(Checks.diagnosis))
    since = turn.status.phase_since or turn.now
    trial = Trial(turn.plan.diagnosis, since, since + max(check.within for check in turn.plan.diagnosis))
    readings = known(trial, outcome)
    waiting = [check for check in trial.checks if not answered(readings[check.name]) and turn.now < since + check.within]
    return turn.move(wake_in=poll(trial)) if waiting else learned(turn, readings)


def answered(seen: Reading) -> bool:
    return seen.final or seen.verdict is not Verdict.Inconclusive


def learned(turn: Turn, readings: dict[str, Reading]) -> Move | None:
    for check in turn.plan.diagnosis:
        learn(turn, check, readings[check.name])
    turn.set(diagnosed=True)
    return None


def learn(turn: Turn, check: Check, seen: Reading) -> None:
    value = seen.value if seen.value is not None else seen.verdict is Verdict.Confirmed
    known = seen.verdict is not Verdict.Inconclusive
    if known:
        turn.set(facts={**turn.status.facts, check.name: spelled(value)})
    room = min(SAID, TOGETHER // len(turn.plan.diagnosis))
    turn.say(turn.key("diagnosis", check.name), f"Ask {check.name}", expectation=f"{check.check}",
             result=clip(f"{spelled(value)} ({seen.message})" if known else f"not known: {seen.message}", room))  # fmt: skip


def false_alarm(turn: Turn) -> None:
    """B-15: validated before containment, and found to be nothing. What an earlier attempt still owes goes first."""
    if owed := debts.opened(turn):
        debts.demand(turn, owed)
        return
    changed = "nothing was changed" if turn.status.attempt == 1 else "nothing was changed in this attempt"
    turn.say(turn.key("false-alarm"), "Diagnose", expectation="there is something to mitigate",
             result=f"false alarm: {turn.plan.false_alarm}", next="a person's Close ends the incident")  # fmt: skip
    turn.go(Event.FalseAlarm, "FalseAlarm", f"False alarm, {changed}: {turn.plan.false_alarm}", waits_for="Close")


def bind(turn: Turn) -> Move | None:
    """What diagnosis found becomes part of the plan, so that what is approved is what will be run."""
    if bound := turn.take(Bind, Bound):
        turn.adopt(bound.plan)
        void = f"; {len(turn.status.approvals)} earlier approvals are void" if turn.status.approvals else ""
        turn.set(plan_digest=bound.digest, approvals=())
        turn.say(turn.key("bound"), "Fill in what diagnosis found", result=f"plan {bound.digest[:19]}{void}",
                 next="choose an option")  # fmt: skip
        return None
    if denied := turn.take(Bind, Denied):
        turn.say(turn.key("unbound"), "Fill in what diagnosis found", expectation="a plan that can be run",
                 result=f"{denied.reason}: {denied.message}", next="people decide: Resume, Close or Abort")  # fmt: skip
        turn.go(Event.OptionsExhausted, denied.reason, f"The plan cannot be filled in: {denied.message}",
                waits_for="Resume, Close or Abort")  # fmt: skip
        return None
    if later := turn.take(Bind, Later):
        turn.set(reason=later.reason, message=clip(later.message))
        return turn.move(wake_in=turn.after(later))
    return turn.move(Bind(turn.status.facts))

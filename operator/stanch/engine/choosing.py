"""Which option is run: the first whose condition holds, and the people whose yes it needs (AwaitingApproval)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from stanch.domain.incident import OptionRecord, OptionState, Status
from stanch.domain.plan import Option
from stanch.domain.said import ApprovalRecord, GlassRecord
from stanch.domain.timeline import BROKEN_GLASS
from stanch.engine.conditions import severity, verdict
from stanch.engine.expressions import Failed
from stanch.engine.moves import Denied, Done, Later, Move, Recognize, Replaced
from stanch.engine.transitions import Event
from stanch.engine.turn import Turn, clip

# Of eight options each still says why in the one sentence for the person on call.
CAUSE = 110
# How often it is looked, while approvals are gathered, whether the targets are still the same.
LOOK_EVERY = timedelta(minutes=1)


def choosing(turn: Turn) -> Move | None:
    """The first option that was not tried and whose condition holds."""
    tried = {record.name for record in turn.status.options}
    for option in turn.plan.options:
        if option.name not in tried and fits(turn, option):
            if turn.plan.observe_only:
                observe(turn, option)
            else:
                choose(turn, option)
            return None
    exhausted(turn)
    return None


def fits(turn: Turn, option: Option) -> bool:
    """Whether the option's condition holds; an expression that fails is not a yes. The reason is recorded either way."""
    if not option.when:
        return True
    found = verdict(turn, option.when, severity(turn))
    if found is True:
        return True
    unmet = f"condition does not hold{lifts(turn, option)}"
    why = f"condition has no value: {found.message}" if isinstance(found, Failed) else unmet
    turn.close_option(OptionRecord(option.name, OptionState.Skipped, f"{why}: {option.when}"))
    turn.say(turn.key("option", option.name, "skipped"), f"Skip option {option.name}", expectation=option.when, result=why)
    return False


def lifts(turn: Turn, option: Option) -> str:
    """How grave people would have to call it for the condition to hold; empty: however grave, it would not."""
    would = ", ".join(level for level in turn.status.levels if verdict(turn, option.when, level) is True)
    return f" at severity {severity(turn)} (it does at {would}: Classify, then Resume)" if would else ""


def observe(turn: Turn, option: Option) -> None:
    """The policy lets stanch look only, for its adoption: what it would do is said, and people do it."""
    steps = ", ".join(f"{step.action} {turn.about(step)}" for step in option.steps)
    turn.say(turn.key("observed"), f"Would choose option {option.name}", expectation=steps,
             result="nothing was written: the policy says observeOnly", next="people decide: Resume, Close or Abort")  # fmt: skip
    turn.go(Event.ObservedOnly, "ObserveOnly", f"Would run option {option.name} ({steps}); the policy says observeOnly",
            waits_for="Resume, Close or Abort")  # fmt: skip


def choose(turn: Turn, option: Option) -> None:
    turn.set(option=option.name, at=option.name, checks=kept(turn, option))
    turn.close_option(OptionRecord(option.name, OptionState.Running, started_at=turn.now))
    if option.approval is None:
        turn.say(turn.key("option", option.name), f"Choose option {option.name}", expectation=f"risk {option.risk}",
                 next=f"step {option.steps[0].name}")  # fmt: skip
        begin(turn, Event.OptionChosen)
        return
    turn.say(turn.key("option", option.name), f"Choose option {option.name}", expectation=f"risk {option.risk}",
             next=f"wait for {missing(turn, option)} until {turn.now + option.approval.timeout:%H:%M:%S} UTC")  # fmt: skip
    turn.go(Event.ApprovalNeeded, "ApprovalNeeded",
            f"Option {option.name} needs approval of plan {turn.status.plan_digest}{beside(turn, option)}",
            waits_for=missing(turn, option), deadline=turn.now + option.approval.timeout)  # fmt: skip


def beside(turn: Turn, option: Option) -> str:
    """Who approves a last resort is to know what else there is."""
    left = untried(turn) if option.last_resort else []
    return f". It is a last resort, and not tried: {', '.join(left)}" if left else ""


def untried(turn: Turn) -> list[str]:
    """Options that come before a last resort."""
    return [option.name for option in turn.plan.options if not option.last_resort and not tried(turn, option)]


def tried(turn: Turn, option: Option) -> bool:
    """Something of it was written, or its condition is known not to hold. One that was held up, refused, rejected or that nobody
    answered for was not."""
    if any(record.option == option.name and record.written_at for record in turn.status.steps):
        return True
    return bool(option.when) and verdict(turn, option.when, severity(turn)) is False


def kept(turn: Turn, option: Option) -> tuple:
    """The baselines of this option's checks; readings of another option are not carried over."""
    names = {check.name for check in option.verify}
    return tuple(
        replace(record, verdict=record.baseline or record.verdict, message="")
        for record in turn.status.checks
        if record.name in names or record.baseline
    )


def begin(turn: Turn, event: Event) -> None:
    """From here on the targets may be locked."""
    option = turn.option
    turn.close_option(replace(turn.option_record, started_at=turn.now))
    turn.go(event, "OptionChosen", f"Option {option.name}: {option.steps[0].expect or option.steps[0].name}",
            deadline=turn.now + option.timeout)  # fmt: skip
    turn.set(locked=True)


def exhausted(turn: Turn) -> None:
    tried = ", ".join(f"{record.name} {record.state.lower()}" for record in turn.status.options) or "none"
    turn.say(turn.key("exhausted"), "Escalate", expectation="an option that helps", result=f"options: {tried}",
             next="people decide: Resume, Close or Abort")  # fmt: skip
    causes = "; ".join(f"{record.name} {record.state.lower()}: {clip(record.message, CAUSE)}" for record in turn.status.options)
    turn.go(Event.OptionsExhausted, "OptionsExhausted", f"No option helped. {causes or 'There was none'}",
            waits_for="Resume, Close or Abort")  # fmt: skip


def granted(turn: Turn, option: Option) -> tuple[ApprovalRecord, ...]:
    return tuple(record for record in turn.status.approvals if record.option == option.name)


def missing(turn: Turn, option: Option) -> str:
    """Roles that still lack a yes, as `incident-commander 0/1`; empty: enough."""
    assert option.approval is not None
    counts = {role: sum(r.role == role for r in granted(turn, option)) for role in option.approval.roles}
    return ", ".join(f"{role} {counts[role]}/{need}" for role, need in option.approval.roles.items() if counts[role] < need)


def broken(status: Status) -> GlassRecord | None:
    """Who let the current option run without its approvals, under this plan."""
    of_this = (status.option, status.plan_digest)
    return next((record for record in status.broken_glass if (record.option, record.plan_digest) == of_this), None)


def awaiting_approval(turn: Turn) -> Move | None:
    """Before it begins, and now and then before, it is looked whether what people said yes to is still there."""
    option, deadline, glass = turn.option, turn.status.deadline, broken(turn.status)
    assert deadline is not None
    if replaced := turn.take(Recognize, Replaced):
        ask_anew(turn, option, replaced)
        return None
    look = Recognize(option.name, len(granted(turn, option)) + (glass is not None))
    looked = turn.take(Recognize, Done, Later, Denied) if turn.effect == look else None
    if glass is None and missing(turn, option):
        if turn.now >= deadline:
            deny(turn, option, "approval expired: silence is a no")
            return None
        turn.set(waits_for=missing(turn, option))
        return turn.move(wake_in=min(deadline - turn.now, LOOK_EVERY)) if looked else turn.move(look)
    if isinstance(looked, Later | Denied):
        return unseen(turn, option, deadline, looked)
    if looked is None:
        return turn.move(look)
    go_without(turn, option, glass) if glass else go_approved(turn, option)
    return None


def go_approved(turn: Turn, option: Option) -> None:
    people = ", ".join(f"{record.by} ({record.role})" for record in granted(turn, option))
    turn.say(turn.key("option", option.name, "approved"), f"Option {option.name} approved", result=f"by {people}",
             next=f"step {option.steps[0].name}")  # fmt: skip
    begin(turn, Event.Approved)


def go_without(turn: Turn, option: Option, glass: GlassRecord) -> None:
    what = f"{glass.by} ({glass.role or 'no role'}) broke the glass, ticket {glass.ticket}"
    turn.say(turn.key("option", option.name, BROKEN_GLASS), f"Option {option.name} goes without its approvals",
             expectation=glass.without, result=what, next=f"step {option.steps[0].name}; a postmortem is required")  # fmt: skip
    begin(turn, Event.Approved)
    turn.set(reason="GlassBroken", message=clip(f"{what}: option {option.name} goes without {glass.without}"))


def unseen(turn: Turn, option: Option, deadline: datetime, why: Later | Denied) -> Move | None:
    """Let run, and nobody can tell whether it is still there: tried until the approval would have expired."""
    if turn.now >= deadline:
        deny(turn, option, f"its targets cannot be looked at: {why.message}")
        return None
    let = "goes without its approvals" if broken(turn.status) else "is approved"
    turn.set(reason=why.reason, message=clip(f"Option {option.name} {let}; its targets cannot be looked at: {why.message}"),
             waits_for="")  # fmt: skip
    return turn.move(wake_in=min(deadline - turn.now, turn.after(why)))


def ask_anew(turn: Turn, option: Option, replaced: Replaced) -> None:
    """What was approved is not there any more: planned on what is, and approved again. The old approvals do not count."""
    void = voided(turn, option)
    turn.say(turn.key("option", option.name, "replaced"), f"Look at the targets of option {option.name}",
             expectation="the objects that the plan is about", result=f"{replaced.message}; {void}",
             next="plan anew, on what is there then")  # fmt: skip
    turn.go(Event.TargetReplaced, "TargetReplaced", f"{replaced.message}: planned anew; {void}")
    turn.set(approvals=())
    turn.anew()


def voided(turn: Turn, option: Option) -> str:
    """A glass, too, was broken for what is gone: the plan that it names is none any more."""
    people = [f"{record.by} ({record.role})" for record in granted(turn, option)]
    if glass := broken(turn.status):
        people.append(f"{glass.by} (BreakGlass, ticket {glass.ticket})")
    return f"approvals that do not count any more: {', '.join(people)}" if people else "nobody had approved yet"


def deny(turn: Turn, option: Option, why: str) -> None:
    turn.close_option(replace(turn.option_record, state=OptionState.Denied, message=why))
    turn.say(turn.key("option", option.name, "denied"), f"Option {option.name} denied", result=why, next="next option")
    turn.go(Event.ApprovalDenied, "ApprovalDenied", f"Option {option.name}: {why}")

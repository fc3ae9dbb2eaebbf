"""Which option is run: the first whose condition holds, and the people whose yes it needs (AwaitingApproval)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from stanch.domain.incident import OptionRecord, OptionState, Status
from stanch.domain.plan import Option
from stanch.domain.said import ApprovalRecord, GlassRecord
from stanch.domain.timeline import BROKEN_GLASS
from stanch.engine import guards
from stanch.engine.conditions import severity, verdict
from stanch.engine.expressions import Failed
from stanch.engine.figures import BY_GUARD, Block, Input
from stanch.engine.moves import Move, Recognize
from stanch.engine.outcomes import Denied, Differs, Done, Later, Replaced
from stanch.engine.transitions import Event
from stanch.engine.turn import MESSAGE, Turn, clip

# Of eight options each still says why in the one sentence for the person on call.
CAUSE = 110
NONE_HELPED = "No option helped. "
# How often it is looked, while approvals are gathered, whether the targets are still the same. All that wait share one look in
# so many seconds: thousands of them must not keep the operator busy. Nobody is the less safe: each yes looks again.
LOOK_EVERY, LOOK_SHARE = timedelta(minutes=1), timedelta(seconds=2.5)
# So often people are asked anew about one option. What is changed more often than that is not still enough for a yes.
ANEW = 5


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
    left = untried(turn) if option.last_resort else ()
    return f". It is a last resort, so that an approval alone does not let it run; not tried: {', '.join(left)}" if left else ""


def held_back(turn: Turn) -> Block | None:
    """A last resort only after the others, unless somebody broke the glass for it. One that has begun goes on."""
    option = turn.option
    if not option.last_resort or broken(turn.status) or begun(turn, option):
        return None
    return guards.judge(Input(turn.plan.guards, turn.now, untried=untried(turn)), guards.OF_OPTION)


def untried(turn: Turn) -> tuple[str, ...]:
    """Options that come before a last resort."""
    return tuple(option.name for option in turn.plan.options if not option.last_resort and not tried(turn, option))


def tried(turn: Turn, option: Option) -> bool:
    """Something of it was written, or its condition is known not to hold. One that was held up, refused, rejected or that nobody
    answered for was not."""
    if begun(turn, option):
        return True
    return bool(option.when) and verdict(turn, option.when, severity(turn)) is False


def begun(turn: Turn, option: Option) -> bool:
    return any(record.option == option.name and record.written_at for record in turn.status.steps)


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
    causes = "; ".join(each_cause(turn.status.options, MESSAGE - len(NONE_HELPED)))
    turn.go(Event.OptionsExhausted, "OptionsExhausted", f"{NONE_HELPED}{causes or 'There was none'}",
            waits_for="Resume, Close or Abort")  # fmt: skip


def each_cause(options: tuple[OptionRecord, ...], room: int) -> list[str]:
    """In short; of the first that a guard held up all, as far as there is room: which figure, which limit, what would lift it."""
    causes = [cause(record, CAUSE) for record in options]
    held = next((place for place, record in enumerate(options) if BY_GUARD in record.message), None)
    if held is not None:
        left = room - sum(len(told) + len("; ") for told in causes)
        causes[held] = cause(options[held], CAUSE + max(0, left))
    return causes


def cause(record: OptionRecord, limit: int) -> str:
    return f"{record.name} {record.state.lower()}: {clip(record.message, limit)}"


def granted(turn: Turn, option: Option) -> tuple[ApprovalRecord, ...]:
    return tuple(record for record in turn.status.approvals if record.option == option.name)


def missing(turn: Turn, option: Option) -> str:
    """Roles that still lack a yes, as `incident-commander 0/1`; empty: enough."""
    assert option.approval is not None
    counts = {role: sum(r.role == role for r in granted(turn, option)) for role in option.approval.roles}
    return ", ".join(f"{role} {counts[role]}/{need}" for role, need in option.approval.roles.items() if counts[role] < need)


def lacking(turn: Turn) -> str:
    """All that keeps the option that waits from being run: approvals, and of a last resort the others; empty: nothing."""
    untaken = f"a try of {', '.join(untried(turn))}" if held_back(turn) else ""
    return ", ".join(part for part in (missing(turn, turn.option), untaken) if part)


def broken(status: Status) -> GlassRecord | None:
    """Who let the current option run without what it lacked, under this plan."""
    of_this = (status.option, status.plan_digest)
    return next((record for record in status.broken_glass if (record.option, record.plan_digest) == of_this), None)


def awaiting_approval(turn: Turn) -> Move | None:
    """Before it begins, and now and then before, it is looked whether what people said yes to is still there."""
    option, deadline, glass = turn.option, turn.status.deadline, broken(turn.status)
    assert deadline is not None
    if replaced := turn.take(Recognize, Replaced):
        ask_anew(turn, option, replaced)
        return None
    if differs := turn.take(Recognize, Differs):
        ask_of_change(turn, option, differs)
        return None
    look = Recognize(option.name, len(granted(turn, option)) + (glass is not None))
    looked = turn.take(Recognize, Done, Later, Denied) if turn.effect == look else None
    if glass is None and (missing(turn, option) or held_back(turn)):
        if turn.now >= deadline:
            expire(turn, option)
            return None
        wait(turn, option)
        every = look_every(turn.crowd)
        soon = turn.after(looked) if isinstance(looked, Later) else every
        return turn.move(wake_in=min(deadline - turn.now, every, soon)) if looked else turn.move(look)
    if isinstance(looked, Later | Denied):
        return unseen(turn, option, deadline, looked)
    if looked is None:
        return turn.move(look)
    go_without(turn, option, glass) if glass else go_approved(turn, option)
    return None


def look_every(crowd: int) -> timedelta:
    return max(LOOK_EVERY, crowd * LOOK_SHARE)


def expire(turn: Turn, option: Option) -> None:
    held = None if missing(turn, option) else held_back(turn)
    deny(turn, option, f"approved, and {BY_GUARD} {held}" if held else "approval expired: silence is a no")


def wait(turn: Turn, option: Option) -> None:
    """For approvals; of a last resort that has them, for somebody who answers for the others not being tried."""
    lacks = missing(turn, option)
    block = None if lacks else held_back(turn)
    turn.set(waits_for=lacks or f"BreakGlass or Reject of {option.name}")
    if block is None or turn.status.reason == block.guard:
        return
    turn.say(turn.key("option", option.name, "held"), f"Option {option.name} approved", result=f"{BY_GUARD} {block}",
             next=f"wait for {turn.status.waits_for}")  # fmt: skip
    turn.set(reason=block.guard, message=clip(f"Option {option.name} is approved, and {BY_GUARD} {block}"))


def go_approved(turn: Turn, option: Option) -> None:
    people = ", ".join(f"{record.by} ({record.role})" for record in granted(turn, option))
    turn.say(turn.key("option", option.name, "approved"), f"Option {option.name} approved", result=f"by {people}",
             next=f"step {option.steps[0].name}")  # fmt: skip
    begin(turn, Event.Approved)


def go_without(turn: Turn, option: Option, glass: GlassRecord) -> None:
    what = f"{glass.by} ({glass.role or 'no role'}) broke the glass, ticket {glass.ticket}"
    turn.say(turn.key("option", option.name, BROKEN_GLASS), f"Option {option.name} goes without {glass.without}",
             expectation=glass.without, result=what, next=f"step {option.steps[0].name}; a postmortem is required")  # fmt: skip
    begin(turn, Event.Approved)
    turn.set(reason="GlassBroken", message=clip(f"{what}: option {option.name} goes without {glass.without}"))


def unseen(turn: Turn, option: Option, deadline: datetime, why: Later | Denied) -> Move | None:
    """Let run, and nobody can tell whether it is still there: tried until the approval would have expired."""
    if turn.now >= deadline:
        deny(turn, option, f"its targets cannot be looked at: {why.message}")
        return None
    glass = broken(turn.status)
    let = f"goes without {glass.without}" if glass else "is approved"
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


def ask_of_change(turn: Turn, option: Option, differs: Differs) -> None:
    """What was approved is not what would be run: people are shown that, and asked again, with all their time. Nothing of it is
    written, so that its steps begin anew, too."""
    assert option.approval is not None
    void, times = voided(turn, option), turn.option_record.asked_anew + 1
    turn.set(steps=tuple(record for record in turn.status.steps if record.option != option.name))
    if times > ANEW:
        deny(turn, option, clip(f"what it would change was another thing {times} times while it was waited for: {differs.message}"))
        return
    turn.say(turn.key("option", option.name, "differs", str(times)), f"Look at what option {option.name} would change",
             expectation="what the plan shows", result=f"{differs.message}; {void}",
             next=f"ask again, about plan {differs.digest[:19]}")  # fmt: skip
    turn.adopt(differs.plan)
    turn.set(plan_digest=differs.digest, approvals=(), at=option.name)
    turn.close_option(replace(turn.option_record, asked_anew=times))
    turn.go(Event.ChangeDiffers, "ChangeDiffers", f"Option {option.name} needs approval of plan {differs.digest}: "
            f"{differs.message}; {void}", waits_for=missing(turn, option), deadline=turn.now + option.approval.timeout)  # fmt: skip


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

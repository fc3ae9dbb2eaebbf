"""What follows from `stanch approve`, `reject` and `break-glass`: the option as it would run, and whose yes it lacks then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from stanch.actions.registry import ACTIONS
from stanch.checks.registry import CHECKS
from stanch.cli import plan as plans
from stanch.cli.decide import Said, about_plan
from stanch.cli.ending import Ending
from stanch.cli.looking import Look, Way
from stanch.cli.reverts import due
from stanch.domain.decision import Verb
from stanch.domain.incident import Phase, Status
from stanch.domain.plan import Approval, Option, Plan, Step
from stanch.engine.approving import withdrawable
from stanch.packs.render import printable

UNSEEN, PARTLY = "plan not seen", "plan not seen whole"
# Of what a plan of another version has in it.
UNKNOWN = "what this version of stanch does not know"


def bound(said: Said, seen: Look) -> Said:
    """To the option that waits for approval, where none was named, and to the plan as it was seen: when that changes until it
    is said, what is said has no effect."""
    awaited = seen.status.option if seen.status.phase is Phase.AwaitingApproval else ""
    if not said.option and not awaited:
        raise Ending(f"incident {said.incident} waits for no approval now: name an option with --option")
    said = replace(said, option=said.option or awaited)
    deadline = seen.status.deadline
    if said.option == awaited and deadline and seen.now > deadline:
        raise Ending(f"option {awaited} could be approved until {deadline:%Y-%m-%d %H:%M:%S} UTC: silence was a no")
    said = about_plan(said, seen.raw)
    if said.verb is Verb.Reject:
        return said
    if seen.plan is None:
        return unseen(said, UNSEEN, f"cannot be shown here, and so you are not asked: {printable(seen.unreadable)}")
    cut = [step for option in seen.plan.options if option.name == said.option for step in option.steps if step.cut]
    if not cut:
        return said
    return unseen(said, PARTLY, f"cannot be shown whole, and so you are not asked: {not_whole(cut, said.incident)}")


def unseen(said: Said, words: str, why: str) -> Said:
    """Nobody lets run what they cannot look at, but who says that they did not: it stands in the reason."""
    if not said.unseen:
        raise Ending(f"what option {said.option} would do {why}; or say with --unseen that you did not see it")
    return replace(said, reason=f"{words}: {said.reason}" if said.reason else words)


def not_whole(cut: Iterable[Step], incident: str) -> str:
    steps = ", ".join(step.name for step in cut)
    return printable(f"the plan has no room for the whole difference of step {steps}; `stanch plan {incident}` shows what it has")


def subject(said: Said) -> str:
    return f"option {said.option} as {said.role or 'no role'}"


def approving(said: Said, seen: Look) -> Iterator[str]:
    if seen.user == seen.facts.opened_by:
        raise Ending(f"{seen.user} opened this incident: somebody else must approve")
    yield from option_as_it_runs(said, seen)
    if (option := option_of(said, seen)) and seen.plan:
        yield from blast_radius(option, seen.plan)
        yield still_missing(said, seen, option)
        yield from untried(option, seen)
    elif seen.status.option == said.option:
        yield f"It waits for {printable(seen.status.waits_for)}"
    yield from until(said, seen)


def rejecting(said: Said, seen: Look) -> Iterator[str]:
    yield from option_as_it_runs(said, seen)
    if withdrawable(seen.status, said.option):
        yield "It is let run, and nothing of it is written: a no stops it until its first intent is stored"
    yield f"Option {said.option} will not be run; {then(said, seen)}"


def breaking(said: Said, seen: Look) -> Iterator[str]:
    yield from option_as_it_runs(said, seen)
    if (option := option_of(said, seen)) and seen.plan:
        yield from blast_radius(option, seen.plan)
        yield from untried(option, seen)
    refuse_glass(said, seen.status)
    without = "the others having been tried" if seen.status.reason == "LastResort" else seen.status.waits_for
    yield printable(f"It begins at once, without {without}: you alone answer for it, under ticket {said.ticket}")
    yield "What an approval does not pass, this does not either: evidence comes first, what is for a time is taken back at its time"
    yield "Everybody is told: a Warning on the incident and on each target, an alert, the pack; a postmortem is required"
    yield from until(said, seen)


def refuse_glass(said: Said, status: Status) -> None:
    if status.phase is not Phase.AwaitingApproval or status.option != said.option:
        raise Ending(f"option {said.option} waits for no approval now: say it again when it does")
    of_this = (said.option, said.digest)
    if glass := next((one for one in status.broken_glass if (one.option, one.plan_digest) == of_this), None):
        raise Ending(f"{glass.by} broke the glass already")
    if not status.waits_for:
        raise Ending(f"option {said.option} has its approvals already: it begins without this")


WAYS = {
    Verb.Approve: Way(approving, bound, subject, of_plan=True),
    Verb.BreakGlass: Way(breaking, bound, subject, of_plan=True),
    Verb.Reject: Way(rejecting, bound, subject, of_plan=True),
}


def option_as_it_runs(said: Said, seen: Look) -> Iterator[str]:
    """Who cannot read the plan sees its digest, and is told that this is all."""
    option = option_of(said, seen)
    if option is None or seen.plan is None:
        yield f"Plan {said.digest}: what it would do cannot be shown here. {printable(seen.unreadable)}"
        return
    yield f"Plan {said.digest}"
    yield from plans.of_option(seen.plan.options.index(option) + 1, option, seen.status)


def option_of(said: Said, seen: Look) -> Option | None:
    """None where the plan cannot be read. Raises `Ending` where it has none of that name, or nobody asks for a yes or no."""
    if seen.plan is None:
        return None
    options = {option.name: option for option in seen.plan.options}
    if said.option not in options:
        raise Ending(f"the plan has no option {said.option!r}; it has {', '.join(options)}")
    if options[said.option].approval is None:
        raise Ending(f"option {said.option} needs no approval")
    in_time = said.verb is Verb.Reject and withdrawable(seen.status, said.option)
    if not in_time and not plans.wanted(said.option, seen.status):
        state = next(record.state for record in seen.status.options if record.name == said.option)
        raise Ending(f"option {said.option} is {state.lower()} already")
    return options[said.option]


def blast_radius(option: Option, plan: Plan) -> Iterator[str]:
    """What it changes by name; and what commands, calls and Jobs change, which no plan can tell."""
    known = dict.fromkeys(plan.target(step.target) for step in option.steps if step.writes and step.target and not reach(step))
    named = ", ".join(f"{ref} (UID {ref.uid})" for ref in known) or "nothing"
    beyond = list(reaches(option, plan))
    rest = "and what nobody can tell beforehand:" if beyond else f"and nothing else in {plan.namespace}"
    yield printable(f"It touches {len(known)}: {named}; {rest}")
    yield from (f"  {printable(line)}" for line in beyond)


def reaches(option: Option, plan: Plan) -> Iterator[str]:
    for step in option.steps:
        if far := reach(step):
            yield f"step {step.name}, {step.action}{f' in {plan.target(step.target)}' if step.target else ''}: {far}"
    for check in (*(check for step in option.steps for check in step.smoke), *option.verify):
        if far := CHECKS[check.check].reach if check.check in CHECKS else UNKNOWN:
            yield f"check {check.name}, {check.check}: {far}"


def reach(step: Step) -> str:
    if not step.writes:
        return ""
    return ACTIONS[step.action].reach if step.action in ACTIONS else UNKNOWN


def still_missing(said: Said, seen: Look, option: Option) -> str:
    """Once this one counts. Raises `Ending` where it would not."""
    assert option.approval is not None
    granted = [record for record in seen.status.approvals if record.option == option.name]
    if said.role not in option.approval.roles:
        raise Ending(f"option {option.name} asks for {', '.join(option.approval.roles)}, not for {said.role}")
    if any(record.by == seen.user for record in granted):
        raise Ending(f"{seen.user} approved option {option.name} already")
    if sum(record.role == said.role for record in granted) >= option.approval.roles[said.role]:
        raise Ending(f"enough people approved option {option.name} as {said.role} already")
    awaited = seen.status.phase is Phase.AwaitingApproval and seen.status.option == option.name
    if option.last_resort and not awaited:
        raise Ending(f"option {option.name} is a last resort: approve it when it waits for that, and what else was tried is known")
    lacks = left(option.approval, [*(record.role for record in granted), said.role])
    if lacks:
        return f"With yours, it still lacks {', '.join(f'{count} as {role}' for role, count in lacks.items())}"
    unless = ", unless another option was not tried" if option.last_resort else ""
    return f"With yours, nobody's yes is missing: {f'it begins at once{unless}' if awaited else 'it begins when its turn comes'}"


def untried(option: Option, seen: Look) -> Iterator[str]:
    """Of a last resort that waits, what it comes before: the incident has said it."""
    if option.last_resort and seen.status.phase is Phase.AwaitingApproval:
        yield f"It is a last resort: {printable(seen.status.message)}"


def left(approval: Approval, granted: list[str]) -> dict[str, int]:
    lacking = {role: need - granted.count(role) for role, need in approval.roles.items()}
    return {role: count for role, count in lacking.items() if count > 0}


def until(said: Said, seen: Look) -> Iterator[str]:
    if seen.status.phase is Phase.AwaitingApproval and seen.status.option == said.option and seen.status.deadline:
        yield f"It waits until {due(seen.status.deadline, seen.now)}; then silence is a no"


def then(said: Said, seen: Look) -> str:
    if seen.plan is None:
        return "the next one is tried"
    tried = {said.option, *(record.name for record in seen.status.options)}
    rest = [option.name for option in seen.plan.options if option.name not in tried]
    return f"{rest[0]} is tried next" if rest else "no other is left: people are called"

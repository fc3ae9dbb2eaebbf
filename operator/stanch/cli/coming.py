"""What comes then: the steps that are still to be run, with their differences; and what a taking back puts in place again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stanch.cli import plan as plans
from stanch.cli.looking import Look
from stanch.cli.owed import opened
from stanch.cli.reverts import due
from stanch.cli.shown import halves, of_step
from stanch.domain.incident import Phase, RevertRecord
from stanch.engine.mitigating import OVER
from stanch.packs.render import printable, visible

# An option is chosen next.
CHOOSING = frozenset({Phase.Capturing, Phase.Diagnosing})


def goes_on(seen: Look) -> Iterator[str]:
    """Once nobody holds it up any more."""
    if seen.status.phase is Phase.AwaitingApproval:
        yield f"It goes on waiting for approval of option {seen.status.option}"
    elif seen.status.phase is Phase.Mitigating:
        yield from rest_of(seen, seen.status.option)
    elif seen.status.phase in CHOOSING:
        yield from untried(seen)
    yield from later_taken_back(seen)


def rest_of(seen: Look, name: str, after: str = "") -> Iterator[str]:
    """The steps of an option that are not over; `after`: nor that one."""
    if seen.plan is None:
        yield hidden(seen)
        return
    over = {record.name for record in seen.status.steps if record.option == name and record.state in OVER}
    steps = [step for step in seen.plan.option(name).steps if step.name not in {*over, after}]
    yield f"Then option {name} goes on with:" if steps else f"Then come the checks of option {name}: it has no further step"
    for step in steps:
        yield from of_step(step)


def untried(seen: Look) -> Iterator[str]:
    if seen.plan is None:
        yield hidden(seen)
        return
    tried = {record.name for record in seen.status.options}
    options = [(number, option) for number, option in enumerate(seen.plan.options, 1) if option.name not in tried]
    yield "Then one of these is run, the first that fits:" if options else "No option is left: people are called"
    for number, option in options:
        yield from plans.of_option(number, option, seen.status)


def hidden(seen: Look) -> str:
    return printable(f"What comes then cannot be shown here: {seen.unreadable}")


def later_taken_back(seen: Look) -> Iterator[str]:
    for record in opened(seen.status):
        when = f"at {due(record.due_at, seen.now)}" if record.due_at else "on recovery" if record.on_recovery else "when asked"
        yield f"The change to {record.ref} by {record.option}/{record.step} is taken back {when}"
        yield from back(seen, record)


def taken_back_now(seen: Look, record: RevertRecord) -> Iterator[str]:
    when = f", due {due(record.due_at, seen.now)}" if record.due_at else ""
    yield f"The change to {record.ref} by {record.option}/{record.step} is taken back now ({record.state}{when})"
    yield from back(seen, record)


def back(seen: Look, record: RevertRecord) -> Iterator[str]:
    """What the change was, and its way back, as planned and as far as it is known here: what was there before is in a Secret."""
    written = next((step.message for step in seen.status.steps if step.token == record.token), "")
    if written:
        yield visible(f"  it was: {written}")
    yield from (visible(f"  {line}") for line in reversed_difference(previewed(seen, record)))


def previewed(seen: Look, record: RevertRecord) -> list[str]:
    """The difference that was planned for it; nothing where that is another plan, or had none."""
    if seen.plan is None or not record.token.startswith(f"{seen.facts.uid}/{seen.plan.attempt}/"):
        return []
    return halves(seen.plan.step(record.option, record.step).preview)[1][2:]


def reversed_difference(lines: Iterable[str]) -> Iterator[str]:
    """What was written goes, what was there comes again: each block of changes in that order."""
    gone: list[str] = []
    come: list[str] = []
    for line in lines:
        if line.startswith("+"):
            gone.append(f"-{line[1:]}")
        elif line.startswith("-"):
            come.append(f"+{line[1:]}")
        else:
            yield from (*gone, *come)
            gone, come = [], []
            if not line.startswith("@@"):
                yield line
    yield from (*gone, *come)

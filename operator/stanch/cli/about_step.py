"""`stanch confirm`, `extend`, `revert` and `reject --step`: what it will do is shown, a person is asked, then it is said."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import yaml

from stanch.api import codec
from stanch.api.decision import LONGEST, SHORTEST
from stanch.cli.decide import Manner, Said, agreed, submit, worded
from stanch.cli.ending import Code, Ending
from stanch.cli.output import Format, say
from stanch.cli.owed import STUCK, opened
from stanch.cli.reverts import due
from stanch.cli.session import Session
from stanch.domain.decision import Verb
from stanch.domain.duration import parse, spell
from stanch.domain.incident import RevertRecord, Status, StepRecord, StepState
from stanch.engine.ports import Object
from stanch.packs.render import printable


@dataclass(frozen=True)
class Asking:
    """`step` as it was typed: `OPTION/STEP`, `STEP`, or empty for all. `yes`: do not ask; else `question` does."""

    step: str
    yes: bool
    question: Callable[[str], bool]


@dataclass(frozen=True)
class Place:
    """A step, and the changes of it that are still to be taken back."""

    option: str
    step: str
    record: StepRecord | None
    reverts: tuple[RevertRecord, ...]

    def __str__(self) -> str:
        return f"{self.option}/{self.step}"


async def speak(session: Session, said: Said, asking: Asking, manner: Manner) -> None:
    """Raises `Ending`: Problems when nothing waits for it, Unusable for what cannot be understood."""
    raw = await session.incident(said.incident)
    status, now = codec.status_of(raw), session.clock.now()
    said = spelled(said, status, asking.step)
    lines = list(EFFECTS[said.verb](said, status, now))
    body = await worded(session, said, raw)
    if manner.output is Format.text or not asking.yes:
        for line in (*lines, *([] if asking.yes else as_yaml(body))):
            say(line)
    agreed(asking.question, sys.stdin.isatty(), asking.yes, f"{said.verb} {subject(said)}")
    await submit(session, body, manner)


def subject(said: Said) -> str:
    return printable(f"{said.option}/{said.step}" if said.step else f"all that is to be taken back for {said.incident}")


def as_yaml(body: Object) -> Iterator[str]:
    yield "The same with kubectl create -f -:"
    yield from (f"  {line}" for line in yaml.safe_dump(body, sort_keys=False, width=200).splitlines())


def spelled(said: Said, status: Status, step: str) -> Said:
    """With the full name of the step, and the shortest spelling of the duration."""
    if step:
        place = find(status, step)
        said = replace(said, option=place.option, step=place.step)
    return replace(said, extend_by=span(said.extend_by)) if said.verb is Verb.Extend else said


def span(text: str) -> str:
    try:
        length = parse(text)
    except ValueError as error:
        raise Ending(f"--by: {error}", Code.Unusable) from error
    if not parse(SHORTEST) <= length <= parse(LONGEST):
        raise Ending(f"--by {text}: expected a duration from {SHORTEST} to {LONGEST}", Code.Unusable)
    return spell(length)


def find(status: Status, name: str) -> Place:
    """The step that `name` means. Raises `Ending` (Unusable) that names the steps there are, when none or several fit."""
    pairs = [(record.option, record.step) for record in status.reverts]
    known = dict.fromkeys([*((record.option, record.name) for record in status.steps), *pairs])
    fitting = [pair for pair in known if name in ("/".join(pair), pair[1])]
    if len(fitting) == 1:
        return place_of(status, *fitting[0])
    there = ", ".join("/".join(pair) for pair in fitting or known) or "none yet"
    what = f"{name!r} is the name of several steps" if fitting else f"no step {name!r} was begun"
    raise Ending(f"{what}; there are: {there}", Code.Unusable)


def place_of(status: Status, option: str, step: str) -> Place:
    record = next((record for record in status.steps if (record.option, record.name) == (option, step)), None)
    owed = [record for record in opened(status) if (record.option, record.step) == (option, step)]
    return Place(option, step, record, tuple(owed))


# What follows from each verb, said before it is asked. Each raises `Ending` where nothing waits for it.


def confirming(said: Said, status: Status, now: datetime) -> Iterator[str]:
    place = place_of(status, said.option, said.step)
    stuck = [record for record in place.reverts if record.state in STUCK]
    state = place.record.state if place.record else None
    if stuck:
        yield f"The change to {stuck[-1].ref} by {place} is said to be dealt with: stanch does not take it back any more"
        yield f"It is {stuck[-1].state}: {printable(stuck[-1].message)}"
    elif state is StepState.Indeterminate:
        yield f"Step {place} is said to have happened. If it did not: stanch reject {said.incident} --step {place}"
    elif state is StepState.Waiting:
        yield f"Step {place} is said to be so: {message(place.record)}"
    else:
        raise Ending(f"step {place} waits for no Confirm: {standing(place)}")


def rejecting(said: Said, status: Status, now: datetime) -> Iterator[str]:
    place = place_of(status, said.option, said.step)
    if place.record is None or place.record.state not in (StepState.Indeterminate, StepState.Waiting):
        raise Ending(f"step {place} waits for no yes or no: {standing(place)}")
    what = "not to have happened" if place.record.state is StepState.Indeterminate else "not to be so"
    yield f"Step {place} is said {what}, and option {place.option} goes no further: {message(place.record)}"


def extending(said: Said, status: Status, now: datetime) -> Iterator[str]:
    place = place_of(status, said.option, said.step)
    record = place.reverts[-1] if place.reverts else None
    if record is None or record.due_at is None or record.due_at <= now:
        raise Ending(f"there is no time ahead to move: {standing(place)}")
    later = due(record.due_at + parse(said.extend_by), now)
    yield f"The change to {record.ref} by {place} is taken back at {later}, instead of {due(record.due_at, now)}"


def reverting(said: Said, status: Status, now: datetime) -> Iterator[str]:
    owed = place_of(status, said.option, said.step).reverts if said.step else opened(status)
    if not owed:
        raise Ending(f"{subject(said)}: nothing is still to be taken back")
    for record in owed:
        when = f", due {due(record.due_at, now)}" if record.due_at else ""
        yield f"The change to {record.ref} by {record.option}/{record.step} is taken back now ({record.state}{when})"


EFFECTS: Mapping[Verb, Callable[[Said, Status, datetime], Iterator[str]]] = {
    Verb.Confirm: confirming,
    Verb.Reject: rejecting,
    Verb.Extend: extending,
    Verb.Revert: reverting,
}


def message(record: StepRecord | None) -> str:
    return printable(record.message) if record and record.message else "it says nothing about itself"


def standing(place: Place) -> str:
    """How a step and its changes stand, in a few words."""
    step = f"it is {place.record.state}" if place.record else "it was begun in an earlier attempt"
    owed = ", ".join(f"taking back {record.ref} is {record.state}" for record in place.reverts)
    changes = owed or "nothing of it is still to be taken back"
    return f"{step}; {changes}"

"""What follows from `stanch confirm`, `extend`, `revert` and `reject --step`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from stanch.api.decision import LONGEST, SHORTEST
from stanch.cli.coming import back, rest_of, taken_back_now
from stanch.cli.decide import Said
from stanch.cli.ending import Code, Ending
from stanch.cli.looking import Look, Way
from stanch.cli.owed import STUCK, opened
from stanch.cli.reverts import due
from stanch.domain.decision import Verb
from stanch.domain.duration import parse, spell
from stanch.domain.incident import RevertRecord, Status, StepRecord, StepState
from stanch.engine.awaiting import question
from stanch.packs.render import printable


@dataclass(frozen=True)
class Place:
    """A step, and the changes of it that are still to be taken back."""

    option: str
    step: str
    record: StepRecord | None
    reverts: tuple[RevertRecord, ...]

    def __str__(self) -> str:
        return f"{self.option}/{self.step}"


def subject(said: Said) -> str:
    return printable(f"{said.option}/{said.step}" if said.step else f"all that is to be taken back for {said.incident}")


def spelled(said: Said, seen: Look) -> Said:
    """With the full name of the step, typed as `OPTION/STEP` or `STEP`, and the shortest spelling of the duration."""
    if said.step:
        place = find(seen.status, said.step)
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


def confirming(said: Said, seen: Look) -> Iterator[str]:
    place = place_of(seen.status, said.option, said.step)
    stuck = [record for record in place.reverts if record.state in STUCK]
    state = place.record.state if place.record else None
    if stuck:
        yield f"The change to {stuck[-1].ref} by {place} is said to be dealt with: stanch does not take it back any more"
        yield f"It is {stuck[-1].state}: {printable(stuck[-1].message)}"
        yield from back(seen, stuck[-1])
    elif state is StepState.Indeterminate:
        yield f"Step {place} is said to have happened. If it did not: stanch reject {said.incident} --step {place}"
        yield from rest_of(seen, place.option, place.step)
    elif state is StepState.Waiting:
        refuse_unasked(said, seen, place)
        yield from asked(seen, place)
        yield f"Step {place} is said to be so: {message(place.record)}"
        yield from rest_of(seen, place.option, place.step)
    else:
        raise Ending(f"step {place} waits for no Confirm: {standing(place)}")


def refuse_unasked(said: Said, seen: Look, place: Place) -> None:
    """Whom a step asks stands in its plan, and nowhere else; one that waits for its own end asks nobody. Anybody may say no."""
    if seen.plan is None:
        return
    role = seen.plan.step(place.option, place.step).role
    if not role:
        raise Ending(f"step {place} waits for its own end, and for nobody's word: {standing(place)}")
    if said.verb is Verb.Confirm and said.role != role:
        raise Ending(f"step {place} asks for --role {role}, not {said.role or 'none'}")


def asked(seen: Look, place: Place) -> Iterator[str]:
    if seen.plan:
        step = seen.plan.step(place.option, place.step)
        yield printable(f"{step.role} is asked: {question(step)}")


def rejecting(said: Said, seen: Look) -> Iterator[str]:
    place = place_of(seen.status, said.option, said.step)
    if place.record is None or place.record.state not in (StepState.Indeterminate, StepState.Waiting):
        raise Ending(f"step {place} waits for no yes or no: {standing(place)}")
    if place.record.state is StepState.Waiting:
        refuse_unasked(said, seen, place)
    what = "not to have happened" if place.record.state is StepState.Indeterminate else "not to be so"
    yield f"Step {place} is said {what}, and option {place.option} goes no further: {message(place.record)}"


def extending(said: Said, seen: Look) -> Iterator[str]:
    place = place_of(seen.status, said.option, said.step)
    record = place.reverts[-1] if place.reverts else None
    if record is None or record.due_at is None or record.due_at <= seen.now:
        raise Ending(f"there is no time ahead to move: {standing(place)}")
    later = due(record.due_at + parse(said.extend_by), seen.now)
    yield f"The change to {record.ref} by {place} is taken back at {later}, instead of {due(record.due_at, seen.now)}"
    yield from back(seen, record)


def reverting(said: Said, seen: Look) -> Iterator[str]:
    owed = place_of(seen.status, said.option, said.step).reverts if said.step else opened(seen.status)
    if not owed:
        raise Ending(f"{subject(said)}: nothing is still to be taken back")
    for record in owed:
        yield from taken_back_now(seen, record)


REJECT = Way(rejecting, spelled, subject, of_plan=True)
WAYS = {
    Verb.Confirm: Way(confirming, spelled, subject, of_plan=True),
    Verb.Extend: Way(extending, spelled, subject, of_plan=True),
    Verb.Revert: Way(reverting, spelled, subject, of_plan=True),
}


def message(record: StepRecord | None) -> str:
    return printable(record.message) if record and record.message else "it says nothing about itself"


def standing(place: Place) -> str:
    """How a step and its changes stand, in a few words."""
    step = f"it is {place.record.state}" if place.record else "it was begun in an earlier attempt"
    owed = ", ".join(f"taking back {record.ref} is {record.state}" for record in place.reverts)
    changes = owed or "nothing of it is still to be taken back"
    return f"{step}; {changes}"

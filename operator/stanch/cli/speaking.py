"""How every deciding command speaks: what it will do is shown, a person is asked, it is looked at again, then it is said.

A verb that `WAYS` does not name is shown with the sentence that `decide.FOLLOWS` has for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from stanch.cli import about_incident, about_messages, about_step, about_triage, judge
from stanch.cli.decide import Manner, Said, agreed, decision, follows, mark, submit
from stanch.cli.ending import Code, Ending
from stanch.cli.looking import Look, Way, believed, look, with_plan
from stanch.cli.output import Format, say, say_line
from stanch.cli.session import Session
from stanch.domain.decision import Verb
from stanch.engine.ports import Object
from stanch.packs.render import printable

WAYS: Mapping[Verb, Way] = {
    **judge.WAYS, **about_step.WAYS, **about_incident.WAYS, **about_triage.WAYS, **about_messages.WAYS,
}  # fmt: skip


@dataclass(frozen=True)
class Asking:
    """`yes`: do not ask; else `question` does, on a `terminal`. `operator_namespace` is where plans can be read."""

    yes: bool
    question: Callable[[str], bool]
    operator_namespace: str = ""
    terminal: bool = field(default_factory=lambda: sys.stdin.isatty())


@dataclass(frozen=True)
class Told:
    """What is said in full, what was seen, and what follows from it: all that a person's yes is about."""

    said: Said
    seen: Look
    follows: tuple[str, ...]


async def speak(session: Session, said: Said, asking: Asking, manner: Manner) -> None:
    """Raises `Ending`: Problems when nothing waits for it, Unusable for what cannot be understood or asked."""
    quiet = manner.output is Format.json
    if quiet and not asking.yes:
        raise Ending("-o json asks nobody: look at what it does without it, then say --yes", Code.Unusable)
    told = await tell(session, said, asking)
    while True:
        if not quiet:
            show(told)
        made = decision(told.said, told.seen.raw, told.seen.user, mark())
        if asking.yes or (now := await asked(session, said, asking, told, made)) is None:
            break
        say("It has changed while you were asked. Now:")
        told = now
    await submit(session, made, manner)


async def asked(session: Session, said: Said, asking: Asking, told: Told, made: Object) -> Told | None:
    """None: the person agrees to what is still so. Else how it stands now. Raises `Ending` when they do not agree."""
    for line in as_yaml(made):
        say(line)
    agreed(asking.question, asking.terminal, asking.yes, f"{told.said.verb} {printable(way_of(told.said).subject(told.said))}")
    now = await tell(session, said, asking, told.seen)
    return None if (now.said, now.follows) == (told.said, told.follows) else now


async def tell(session: Session, said: Said, asking: Asking, before: Look | None = None) -> Told:
    way, seen = way_of(said), await look(session, said.incident, before)
    if way.of_plan:
        seen = await with_plan(session, seen, asking.operator_namespace)
    said = way.bind(said, seen)
    return Told(said, seen, (*believed(seen.status), *way.follows(said, seen)))


def way_of(said: Said) -> Way:
    """A Reject is about an option, or about a step."""
    if said.verb is Verb.Reject and said.step:
        return about_step.REJECT
    return WAYS.get(said.verb, Way(plainly))


def plainly(said: Said, seen: Look) -> Iterator[str]:
    sentence = follows({"verb": said.verb})
    yield f"{sentence[0].upper()}{sentence[1:]}"


def show(told: Told) -> None:
    for line in (headline(told.seen), *(f"  {line}" for line in told.follows)):
        say_line(line)


def headline(seen: Look) -> str:
    facts, status = seen.facts, seen.status
    waits = f", waits for {status.waits_for}" if status.waits_for else ""
    return printable(f"Incident {facts.namespace}/{facts.name}, {facts.severity}, {status.phase}{waits}: {facts.title}")


def as_yaml(body: Object) -> Iterator[str]:
    yield "The same with kubectl create -f -:"
    yield from (f"  {line}" for line in yaml.safe_dump(body, sort_keys=False, width=200).splitlines())

"""`stanch approve` and `stanch reject`: the option is shown as it would run, then a person is asked, then it is said."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from stanch.cli import plan as plans
from stanch.cli.decide import Manner, Said, about_plan, agreed, speak
from stanch.cli.ending import Ending
from stanch.cli.output import say
from stanch.cli.session import Session
from stanch.engine.ports import Object


@dataclass(frozen=True)
class Asking:
    """`yes`: the person has looked already. `question` asks; `operator_namespace` is where the plan can be read."""

    yes: bool
    operator_namespace: str
    question: Callable[[str], bool]


async def judge(session: Session, said: Said, asking: Asking, manner: Manner) -> None:
    """Bound to the plan as it is read here: when it changes meanwhile, what is said has no effect."""
    raw = await session.incident(said.incident)
    said = about_plan(with_option(said, raw), raw)
    if not asking.yes:
        async for line in summary(session, said, asking.operator_namespace):
            say(line)
    agreed(asking.question, sys.stdin.isatty(), asking.yes, f"{said.verb} option {said.option} as {said.role}")
    await speak(session, said, raw, manner)


def with_option(said: Said, raw: Object) -> Said:
    """The option that waits for approval, where none was named."""
    status = raw.get("status") or {}
    awaited = status.get("option", "") if status.get("phase") == "AwaitingApproval" else ""
    if not said.option and not awaited:
        raise Ending(f"incident {said.incident} waits for no approval now: name an option with --option")
    return said if said.option else replace(said, option=awaited)


async def summary(session: Session, said: Said, operator_namespace: str) -> AsyncIterator[str]:
    """The option as it would run. Who may not read the plan sees its digest, and is told that this is all."""
    try:
        found = await plans.planned(session, said.incident, operator_namespace)
    except Ending as unreadable:
        yield f"Plan {said.digest}: what it would do cannot be shown here. {unreadable.message}"
        return
    options = {option.name: (number, option) for number, option in enumerate(found.plan.options, 1)}
    if said.option not in options:
        raise Ending(f"the plan has no option {said.option!r}; it has {', '.join(options)}")
    yield f"Plan {said.digest}"
    for line in plans.of_option(*options[said.option], found.status):
        yield line

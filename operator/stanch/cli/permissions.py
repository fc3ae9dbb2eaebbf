"""`stanch lint --cluster`: lint, and which permissions the playbooks lack in the cluster, asked as the person who types.

Who writes a playbook must be allowed to impersonate its ServiceAccount: so its rights are asked for as that. Who may not, and of
stanch's own rights everybody, asks right by right about somebody else, where the cluster lets them; else they are unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from stanch.api.base import API_VERSION
from stanch.api.lint import Problem, Severity
from stanch.api.needs import OPERATOR, Needs, needs, user_of
from stanch.cli.access import Wanted, subject
from stanch.cli.lint import Finding, Linted, Part, Stored, finish, of_files, problems
from stanch.cli.output import Format
from stanch.cli.session import Session
from stanch.domain.plan import Pin
from stanch.engine.errors import Failure
from stanch.runtime import permissions
from stanch.runtime.permissions import Identity, Lack, Verdict

# Every right is needed by whom this names.
PLACE = "spec.serviceAccountName"


@dataclass(frozen=True)
class Checked:
    """What is checked, and how that is told. `paths` empty: the Playbooks that the cluster has."""

    paths: tuple[str, ...]
    strict: bool
    output: Format


async def check(session: Session, wanted: Wanted, checked: Checked) -> None:
    """Prints the findings. Raises `Ending` as `cli.lint` says, `Failure` where there is no looking at the cluster."""
    linted = of_files(checked.paths) if checked.paths else await of_cluster(session)
    found = [finding for part in linted.parts if asks(part) for finding in await lacking(session, wanted, part)]
    finish(replace(linted, findings=[*linted.findings, *found]), checked.strict, checked.output)


async def of_cluster(session: Session) -> Linted:
    namespace = session.where.namespace
    parts = [Stored(obj) async for obj in session.cluster.list(API_VERSION, "Playbook", namespace)]
    return Linted(parts, [part.finding(problem) for part in parts for problem in problems(part.value)], f"namespace {namespace}")


def asks(part: Part | Stored) -> bool:
    """A playbook that is wrong in itself needs nobody knows what."""
    wrong = any(problem.severity is Severity.error for problem in problems(part.value))
    return part.value.get("kind") == "Playbook" and not wrong


async def lacking(session: Session, wanted: Wanted, part: Part | Stored) -> list[Finding]:
    about = subject(part.value, wanted, session.where.namespace)
    needed = needs(about.name, about.namespace, about.playbook)
    stanch = permissions.operator(needed, session.cluster, user_of(about.operator_namespace, OPERATOR))
    asked = await permissions.ask(needed, session.cluster, stanch, await runs_as(session, needed))
    return [part.finding(problem) for problem in said(asked.lacks)]


async def runs_as(session: Session, needed: Needs) -> Identity:
    namespace, account = needed.namespace, needed.account
    if await may_impersonate(session, needed):
        return permissions.account(needed, session.acting_as(namespace, Pin(account)))
    return permissions.account(needed, session.cluster, user_of(namespace, account))


async def may_impersonate(session: Session, needed: Needs) -> bool:
    """What cannot be asked is tried the other way."""
    try:
        return await session.cluster.allowed("impersonate", "", "serviceaccounts", needed.namespace, needed.account)
    except Failure:
        return False


def said(lacks: list[Lack]) -> Iterator[Problem]:
    for lack in lacks:
        severity = Severity.error if lack.verdict is Verdict.Missing else Severity.warning
        yield Problem(severity, PLACE, lack.message, lack.hint)

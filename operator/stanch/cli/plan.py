"""`stanch plan`: what would be done, in order, and the Decision with which a person approves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import TypeAdapter

from stanch.api import codec
from stanch.cli.decide import Said, decision
from stanch.cli.ending import Ending
from stanch.cli.output import Format, say, say_json, say_line
from stanch.cli.packed import folder_of
from stanch.cli.session import Session
from stanch.cli.shown import of_check, of_step
from stanch.domain.decision import Verb
from stanch.domain.duration import spell
from stanch.domain.incident import Facts, OptionState, Status
from stanch.domain.plan import OnFailure, Option, Plan, Purpose, Source
from stanch.engine.errors import Failure
from stanch.engine.ports import Object
from stanch.packs.local import Unreadable, read, walk
from stanch.packs.render import printable, visible
from stanch.runtime.case import plan_name

LIMIT = 16 * 1024 * 1024
MARK = "1"
READER = "stanch-plan-reader"
_PLAN = TypeAdapter(Plan)


@dataclass(frozen=True)
class Planned:
    """An incident with the plan that its status names, its digest checked. `user` is who looks at it."""

    raw: Object
    facts: Facts
    status: Status
    plan: Plan
    source: str
    user: str


async def show(session: Session, name: str, operator_namespace: str, output: Format) -> None:
    found = await planned(session, name, operator_namespace)
    if output is Format.json:
        plan = _PLAN.dump_python(found.plan, mode="json", by_alias=True)
        say_json({"planDigest": found.status.plan_digest, "plan": plan, "decisions": decisions(found)})
        return
    for line in lines(found):
        say_line(line)
    for line in to_approve(found):
        say(line)


async def planned(session: Session, name: str, operator_namespace: str) -> Planned:
    """Raises `Ending` when there is no plan yet, or none that can be read from here."""
    raw = await session.incident(name)
    facts, status = codec.facts_of(raw), codec.status_of(raw)
    if not status.plan_digest:
        why = status.message or "the operator has not looked at it yet"
        raise Ending(f"incident {name} has no plan: {status.phase}: {why}")
    data, source = await stored(session, status, facts.uid, operator_namespace)
    return Planned(raw, facts, status, codec.plan_of(data), source, await session.user())


async def stored(session: Session, status: Status, uid: str, operator_namespace: str) -> tuple[bytes, str]:
    """The plan's bytes, with the digest that the status names: from the pack where it lies here, else from beside the operator."""
    from stanch.kube.records import plans

    folder = folder_of(status.pack.uri)
    if folder and (data := in_pack(folder, status.plan_digest)):
        return data, str(folder)
    name = plan_name(uid, status.plan_digest)
    try:
        data = await plans(session.cluster, operator_namespace).get(name, status.plan_digest)
    except Failure as failure:
        where = "which is no folder of this machine" if folder is None else "which does not hold it"
        why = f"the pack is {status.pack.uri}, {where}; beside the operator: {failure.message}"
        right = f"the Role {READER}, bound to you in the operator's namespace ({operator_namespace}), lets you read it"
        raise Ending(f"plan {status.plan_digest} cannot be read: {why}; {right}") from failure
    return data, f"{name} in {operator_namespace}"


def in_pack(folder: Path, digest: str) -> bytes | None:
    """The plan among the pack's `plans/`; what has another digest than its name says is not it."""
    mark = f"-{digest.removeprefix('sha256:')[:12]}.json"
    for path in sorted(walk(folder).sizes):
        if path.startswith("plans/") and path.endswith(mark):
            try:
                data = read(folder, path, LIMIT)
            except Unreadable:
                continue
            if codec.digest(data) == digest:
                return data
    return None


def lines(found: Planned) -> Iterator[str]:
    """The plan for a person."""
    plan, status = found.plan, found.status
    yield f"Plan {status.plan_digest} (attempt {plan.attempt}), read from {found.source}"
    yield visible(f"Incident {plan.namespace}/{found.facts.name}, {found.facts.severity}, {found.facts.mode}: {found.facts.title}")
    yield f"Playbook {plan.playbook.name}, generation {plan.playbook.generation}, as ServiceAccount {plan.service_account.name}"
    yield from (visible(f"GLASS BROKEN: {glass}") for glass in status.broken_glass)
    yield from of_purpose(plan.purpose)
    for target in plan.touched:
        yield f"Target {target.name}: {target.ref}, UID {target.ref.uid}"
    sources = ", ".join(source(one) for one in plan.evidence.sources)
    yield f"First, evidence within {spell(plan.evidence.budget)}: {sources}; what is missing: {plan.evidence.on_failure}"
    yield from (visible(f"Then asked, {check.name}: {of_check(check)}") for check in plan.diagnosis)
    for number, option in enumerate(plan.options, 1):
        yield ""
        yield from of_option(number, option, status)
    yield from (visible(f"At last, check {check.name}: {of_check(check)}") for check in plan.recovery.verify)


def of_purpose(purpose: Purpose) -> Iterator[str]:
    """What the playbook says about itself, where it says it: whoever approves should see when it is the wrong one."""
    controls = ", ".join(purpose.controls)
    said = {"For": purpose.summary, "Use when": purpose.when_to_use, "Not when": purpose.when_not_to_use, "Controls": controls}
    yield from (visible(f"{label}: {value}") for label, value in said.items() if value)


def source(one: Source) -> str:
    return f"{one.source}({one.target})" if one.target else one.source


def of_option(number: int, option: Option, status: Status) -> Iterator[str]:
    record = next((record for record in status.options if record.name == option.name), None)
    so_far = f"  [{record.state}{': ' + record.message if record.message else ''}]" if record else ""
    yield visible(f"{number}. option {option.name}  risk {option.risk}, {approval(option)}{so_far}")
    if option.when:
        yield visible(f"   when {option.when}")
    for step in option.steps:
        yield from of_step(step)
    for check in option.verify:
        yield visible(f"   check {check.name}: {of_check(check)}")
    back = "what can be taken back is, and " if option.revert_on_failure else ""
    after = "the next option is tried" if option.on_failure is OnFailure.Next else "people are called"
    yield f"   at most {spell(option.timeout)}; when it does not help, {back}{after}"


def approval(option: Option) -> str:
    if option.approval is None:
        return "needs no approval"
    roles = ", ".join(f"{count} as {role}" for role, count in sorted(option.approval.roles.items()))
    return f"needs approval: {roles}, within {spell(option.approval.timeout)}"


def to_approve(found: Planned) -> Iterator[str]:
    """What an approver types, and the same as YAML for kubectl create."""
    offered = decisions(found)
    if offered and found.user == found.facts.opened_by:
        yield ""
        yield f"{printable(found.user)} opened this incident: somebody else must approve"
    for body in offered:
        spec, metadata = body["spec"], body["metadata"]
        who = f"--option {spec['option']} --role {spec['role']} --plan {spec['planDigest']}"
        yield ""
        yield f"To approve option {spec['option']} as {spec['role']}:"
        yield f"  stanch approve {found.facts.name} -n {metadata['namespace']} {who}"
        yield "or with kubectl create -f - (`by` is your own user name, a name of your choice):"
        yield from (f"  {line}" for line in yaml.safe_dump(body, sort_keys=False, width=200).splitlines())


def decisions(found: Planned) -> list[Object]:
    """One Approve for each role of each option that may still want it."""
    return [
        decision(Said(Verb.Approve, found.facts.name, "", role, option.name, found.status.plan_digest), found.raw, found.user, MARK)
        for option in found.plan.options
        if option.approval and wanted(option.name, found.status)
        for role in sorted(option.approval.roles)
    ]


def wanted(option: str, status: Status) -> bool:
    """Not tried yet, or under way without its approvals."""
    record = next((record for record in status.options if record.name == option), None)
    return record is None or (record.state is OptionState.Running and status.phase == "AwaitingApproval")

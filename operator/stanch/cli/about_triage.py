"""What follows from `stanch ack`, `assign` and `classify`: who has it; what is planned and approved anew, and what goes on."""

from __future__ import annotations

from collections.abc import Iterator

from stanch.cli.about_incident import planned_anew, voided
from stanch.cli.decide import Said
from stanch.cli.ending import Ending
from stanch.cli.looking import Look, Way
from stanch.cli.reverts import due
from stanch.domain.decision import Verb
from stanch.domain.incident import SETTLED, TERMINAL, Phase, Status
from stanch.engine.staffing import ROLES
from stanch.engine.triage import replans
from stanch.packs.render import printable


def acknowledging(said: Said, seen: Look) -> Iterator[str]:
    status = seen.status
    if status.phase in SETTLED:
        raise Ending(f"an incident that is {status.phase} waits for nobody to take it on")
    if was := status.acknowledged:
        raise Ending(f"{was.by} acknowledged it already, at {was.at:%H:%M:%S} UTC")
    yield printable(f"It stands on the incident that {seen.user} has it, and since when")
    if status.acknowledge_by:
        yield f"It is to be taken on by {due(status.acknowledge_by, seen.now)}"


def assigning(said: Said, seen: Look) -> Iterator[str]:
    status = seen.status
    if status.phase in TERMINAL:
        raise Ending(f"an incident that is {status.phase} has no roles to fill")
    holders = {record.role: record.assignee for record in status.roles}
    was = holders.pop(said.role, "")
    if was == said.assignee:
        raise Ending(f"{was} is {said.role} already")
    if len(holders) >= ROLES:
        raise Ending(f"{len(holders)} roles are assigned already, more than that are not kept")
    yield printable(f"{said.assignee} is {said.role}" + (f" instead of {was}" if was else ""))
    yield "It gives nobody a right: who may say what is said by RBAC"


def classifying(said: Said, seen: Look) -> Iterator[str]:
    status, was = seen.status, seen.facts.severity
    if status.phase in SETTLED or status.phase is Phase.Aborting:
        raise Ending(f"an incident that is {status.phase} is not classified any more")
    if status.levels and said.severity not in status.levels:
        raise Ending(f"the policy has no severity {said.severity!a}; it has {', '.join(status.levels)}")
    if proposal := status.proposal:
        yield printable(f"The policy's criteria propose {proposal.severity or 'none'}: {proposal.message}")
    if said.severity == was:
        yield f"Severity {was} is confirmed; nothing is planned anew"
        return
    yield f"Severity {was} -> {said.severity}"
    yield from replanned(status)


def replanned(status: Status) -> Iterator[str]:
    void = status.approvals
    if replans(status):
        yield f"{planned_anew(status)}, and approved anew"
    elif status.phase is Phase.Opened:
        yield "It is planned with it"
    else:
        void = tuple(record for record in void if record.option != status.option)
        yield "What is under way goes on; it is planned with it after a Resume"
    yield from voided(void)


WAYS = {
    Verb.Acknowledge: Way(acknowledging),
    Verb.Assign: Way(assigning, subject=lambda said: printable(f"{said.assignee} as {said.role} of {said.incident}")),
    Verb.Classify: Way(classifying, subject=lambda said: printable(f"{said.incident} as {said.severity}")),
}

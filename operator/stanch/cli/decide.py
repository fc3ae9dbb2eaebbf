"""What people say with authority, as a Decision. One way for all verbs."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stanch.cli.ending import Code, Ending
from stanch.cli.output import Format, say, say_json
from stanch.cli.session import API_VERSION, Session
from stanch.domain.decision import Verb
from stanch.domain.plan import Ref
from stanch.engine.ports import Object
from stanch.engine.summary import TRUSTED
from stanch.packs.render import printable

PATIENCE = 10
POLL = 0.5
# Leaves room for `-approve-` and the random part in the 253 characters of a name.
_NAME = 230

FOLLOWS: Mapping[Verb, str] = {
    Verb.Approve: "the option runs once all its approvals are there",
    Verb.Reject: "the option will not be run; the next one is tried",
    Verb.Note: "it stands in the timeline",
    Verb.Resume: "the incident is planned anew",
    Verb.Abort: "nothing further is changed; an intent under way is observed first, then what was temporary is taken back",
    Verb.Close: "the incident ends",
    Verb.Confirm: "what waited for it goes on",
    Verb.Extend: "the change is taken back that much later",
    Verb.Acknowledge: "it stands on the incident who has it",
    Verb.Classify: "it holds for all that is planned from here on",
    Verb.Hold: "it goes on after a Resume",
    Verb.Assign: "it stands on the incident",
    Verb.Release: "people send it, stanch does not; `stanch messages` prints it",
    Verb.BreakGlass: "the option runs without its approvals; everybody sees it, and a postmortem is required",
    Verb.Revert: "the change is taken back now, where nobody has changed it meanwhile",
}
# Of a Reject that is about a step.
FOLLOWS_STEP = "the option goes no further"

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Said:
    """What the command line says. `option` and `digest` are for Approve and Reject, `option` and `step` for what is about a
    step; `extend_by` is a duration, for Extend; `ticket` is for BreakGlass, `postmortem` for Close, `severity` for Classify,
    `assignee` for Assign, whose `role` is the one that is given, `message` and the digest of its text for Release. `unseen`: what
    cannot be shown is approved all the same."""

    verb: Verb
    incident: str
    reason: str = ""
    role: str = ""
    option: str = ""
    digest: str = ""
    step: str = ""
    extend_by: str = ""
    ticket: str = ""
    postmortem: str = ""
    severity: str = ""
    assignee: str = ""
    message: str = ""
    message_digest: str = ""
    unseen: bool = False


@dataclass(frozen=True)
class Manner:
    """`wait`: until stanch has recorded it, at most PATIENCE seconds; `sleep` passes them."""

    wait: bool = True
    output: Format = Format.text
    sleep: Sleep = asyncio.sleep


def decision(said: Said, incident: Object, by: str, mark: str) -> Object:
    """The Decision as `kubectl create` takes it; `mark` makes its name unique."""
    metadata = incident["metadata"]
    spec = {
        "incidentRef": {"name": metadata["name"], "uid": metadata["uid"]},
        "verb": str(said.verb),
        "role": said.role,
        "by": by,
        "reason": said.reason,
        "option": said.option,
        "step": said.step,
        "planDigest": said.digest,
        "extendBy": said.extend_by,
        "ticket": said.ticket,
        "postmortem": said.postmortem,
        "assignee": said.assignee,
        "severity": said.severity,
        "message": said.message,
        "messageDigest": said.message_digest,
    }
    name = f"{metadata['name'][:_NAME]}-{said.verb.lower()}-{mark}"
    return {
        "apiVersion": API_VERSION,
        "kind": "Decision",
        "metadata": {"name": name, "namespace": metadata["namespace"]},
        "spec": {key: value for key, value in spec.items() if value},
    }


def mark() -> str:
    return secrets.token_hex(3)


async def decide(session: Session, said: Said, manner: Manner) -> None:
    """Says it unasked, under the name of who types."""
    incident = await session.incident(said.incident)
    await submit(session, decision(said, incident, await session.user(), mark()), manner)


async def submit(session: Session, body: Object, manner: Manner) -> None:
    """Creates the Decision and says what became of it. Raises `Ending` (Problems) when it had no effect."""
    created = await session.cluster.create(body)
    if manner.output is Format.text:
        say(printable(f"decision/{created['metadata']['name']} created: {body['spec']['verb']} by {body['spec']['by']}"))
    seen = await recorded(session, created, manner.sleep) if manner.wait else created
    tell(seen, manner)
    if manner.wait and manner.output is Format.text and not effect(seen):
        say(await unheard(session, seen))


async def recorded(session: Session, created: Object, sleep: Sleep) -> Object:
    """The Decision once stanch has said what became of it; as it stands after PATIENCE seconds."""
    metadata = created["metadata"]
    ref = Ref(API_VERSION, "Decision", metadata["namespace"], metadata["name"], metadata["uid"])
    seen = created
    for _ in range(int(PATIENCE / POLL)):
        seen = await session.cluster.get(ref)
        if effect(seen):
            break
        await sleep(POLL)
    return seen


def effect(seen: Object) -> str:
    return str((seen.get("status") or {}).get("effect", ""))


async def unheard(session: Session, seen: Object) -> str:
    """Why nothing came of it, as far as its incident says."""
    conditions = ((await session.incident(seen["spec"]["incidentRef"]["name"])).get("status") or {}).get("conditions") or ()
    distrust = next((c for c in conditions if c["type"] == TRUSTED and c["status"] == "False"), None)
    if distrust:
        return printable(f"not accepted ({distrust['reason']}): {distrust['message']}")
    return f"not recorded within {PATIENCE} s: is the operator up? See: kubectl get dec {seen['metadata']['name']}"


def tell(seen: Object, manner: Manner) -> None:
    message = printable(str((seen.get("status") or {}).get("message", "")))
    if manner.output is Format.json:
        say_json(seen)
    elif effect(seen) == "Counted":
        say(f"counted: {message}; {follows(seen['spec'])}")
    if effect(seen) == "NoEffect":
        raise Ending("" if manner.output is Format.json else f"the decision has no effect: {message}")


def follows(spec: Mapping[str, Any]) -> str:
    verb = Verb(spec["verb"])
    return FOLLOWS_STEP if verb is Verb.Reject and "step" in spec else FOLLOWS[verb]


def about_plan(said: Said, incident: Object) -> Said:
    """`said` bound to the plan as it is now. Raises `Ending` when there is none, or `--plan` names another."""
    status: Mapping[str, Any] = incident.get("status") or {}
    current = status.get("planDigest", "")
    if not current:
        why = str(status.get("message") or "the operator has not looked at it")
        raise Ending(f"incident {said.incident} has no plan yet: {why}")
    if said.digest and said.digest != current:
        raise Ending(f"--plan is {said.digest}, but the plan is {current} now: look at it again with `stanch plan {said.incident}`")
    return replace(said, digest=current)


def agreed(question: Callable[[str], bool], terminal: bool, yes: bool, what: str) -> None:
    """Raises `Ending` unless the person agrees. Nobody can be asked off a terminal: refused there without --yes."""
    if yes:
        return
    if not terminal:
        raise Ending(f"{what} needs a person's yes, and this is no terminal: look at what it does, then say --yes", Code.Unusable)
    if not question(f"{what}?"):
        raise Ending("nothing was said")

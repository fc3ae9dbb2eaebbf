"""Some hundred Decisions that must not count, by class: who makes it, what it says, why it is refused or left without effect.

Some are not said at all, but written where those stand that have counted.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from stanch.domain.decision import Verb
from tests.contract.deciding import OPTION, ROLE, Object
from tests.stage.people import ON_CALL

JUDGES = tuple(f"judge-{number}" for number in range(1, 10))
MALLORY, ROBOT = "mallory", "robot"
OTHER_ROLE, UNASKED = "security", "scribe"
OF_STEP = {"option": OPTION, "step": OPTION}
STALE = "sha256:" + "0" * 64
MESSAGE = "status-page"
NEEDS: dict[Verb, Object] = {
    Verb.Confirm: OF_STEP,
    Verb.Revert: OF_STEP,
    Verb.Extend: {**OF_STEP, "extendBy": "1h"},
    Verb.BreakGlass: {"option": OPTION, "ticket": "OPS-4711"},
    Verb.Classify: {"severity": "P0"},
    Verb.Assign: {"assignee": "carol"},
    Verb.Release: {"message": MESSAGE, "messageDigest": STALE},
}
SEED = 20261122


@dataclass(frozen=True)
class Case:
    """`user` creates it in the namespace `where` (first or second); `says` is a part of the reason why it does not count."""

    kind: str
    user: str
    spec: Object
    says: str
    where: int = 0
    metadata: Object = field(default_factory=dict)
    # Written instead of `spec`: the status of this object.
    status: Object = field(default_factory=dict)
    of: Object = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """The incidents that there are, by what they are for, and the Decisions that have counted, by who said them."""

    incidents: dict[str, Object]
    counted: dict[str, Object]
    robot: str

    def ref(self, name: str) -> Object:
        metadata = self.incidents[name]["metadata"]
        return {"name": metadata["name"], "uid": metadata["uid"]}

    def said(self, verb: Verb, by: str, name: str = "open", **spec: Any) -> Object:
        digest = self.incidents[name]["status"].get("planDigest", STALE)
        bound = {"option": OPTION, "planDigest": digest} if verb in (Verb.Approve, Verb.Reject, Verb.BreakGlass) else {}
        judging = {**bound, **NEEDS.get(verb, {})}
        return {"incidentRef": self.ref(name), "verb": str(verb), "role": ROLE, "by": by, "reason": "a forger's", **judging, **spec}

    def release(self, by: str, name: str = "open", **spec: Any) -> Object:
        """Of the text as it is."""
        return self.said(Verb.Release, by, name, **{"messageDigest": self.text(name), **spec})

    def text(self, name: str) -> str:
        return str(self.incidents[name]["status"]["messages"][0]["digest"])

    def yes(self, by: str, name: str = "open", **spec: Any) -> Object:
        return self.said(Verb.Approve, by, name, **spec)


def cases(stage: Stage) -> list[Case]:
    """The same ones each time, in an order that mixes the classes."""
    found = [case for some in CLASSES for case in some(stage)]
    random.Random(SEED).shuffle(found)
    return found


def in_another_s_name(stage: Stage) -> Iterator[Case]:
    pairs = itertools.product(Verb, ((JUDGES[0], JUDGES[1]), (ON_CALL, JUDGES[2]), (MALLORY, ON_CALL)))
    for verb, (user, by) in pairs:
        yield Case("forged by", user, stage.said(verb, by), f"spec.by is '{by}', but you are '{user}'")


def under_another_s_role(stage: Stage) -> Iterator[Case]:
    for verb, user in itertools.product(Verb, JUDGES[:2]):
        says = f"'{user}' may not {verb.lower()} as '{OTHER_ROLE}'"
        yield Case("other's role", user, stage.said(verb, user, role=OTHER_ROLE), says)


def with_a_role_from_elsewhere(stage: Stage) -> Iterator[Case]:
    """Mallory holds every role in the second namespace, and none in the first."""
    for verb, role in itertools.product(Verb, (ROLE, OTHER_ROLE)):
        says = f"'{MALLORY}' may not {verb.lower()} as '{role}'"
        yield Case("role of another namespace", MALLORY, stage.said(verb, MALLORY, role=role), says)


def by_a_machine(stage: Stage) -> Iterator[Case]:
    for verb, role in itertools.product((verb for verb in Verb if verb is not Verb.Note), (ROLE, OTHER_ROLE)):
        says = f"a ServiceAccount may only say Note, not {verb}"
        yield Case("ServiceAccount", stage.robot, stage.said(verb, stage.robot, role=role), says)


def under_a_name_that_was_used(stage: Stage) -> Iterator[Case]:
    for user, made in stage.counted.items():
        says = "already exists"
        yield Case("replayed name", user, stage.yes(user), says, metadata={"name": made["metadata"]["name"]})


def of_another_plan(stage: Stage) -> Iterator[Case]:
    digest = stage.incidents["open"]["status"]["planDigest"]
    others = (STALE, digest[:-1] + ("0" if digest[-1] != "0" else "1"))
    for user, other in itertools.product(JUDGES[:6], others):
        yield Case("stale digest", user, stage.yes(user, planDigest=other), f"it names plan {other}, the plan is {digest}")


def of_another_incident(stage: Stage) -> Iterator[Case]:
    """Its name, with the UID of another one that waits for the same people."""
    uid = stage.ref("other")["uid"]
    for verb, user in itertools.product((Verb.Approve, Verb.Reject, Verb.Abort), JUDGES[:4]):
        said = stage.said(verb, user, incidentRef={"name": stage.ref("open")["name"], "uid": uid})
        yield Case("cross-incident", user, said, f"it is about an incident with UID {uid}")


def of_an_earlier_incident(stage: Stage) -> Iterator[Case]:
    uid = stage.ref("earlier")["uid"]
    for verb, user in itertools.product((Verb.Approve, Verb.Abort, Verb.Resume, Verb.Close), JUDGES[:3]):
        yield Case("re-created", user, stage.said(verb, user, "earlier"), f"it is about an incident with UID {uid}")


def from_another_namespace(stage: Stage) -> Iterator[Case]:
    """Where Mallory holds the role; the incident of that name there is another one."""
    uid = stage.ref("open")["uid"]
    for verb in Verb:
        yield Case("cross-namespace", MALLORY, stage.said(verb, MALLORY), f"it is about an incident with UID {uid}", where=1)


def by_who_opened_it(stage: Stage) -> Iterator[Case]:
    for name in ("open", "other"):
        for _ in range(3):
            yield Case("opener", ON_CALL, stage.yes(ON_CALL, name), "who opened the incident does not approve it")


def said_again(stage: Stage) -> Iterator[Case]:
    """In the same words, under a name or a UID of its own choice."""
    for user, made in stage.counted.items():
        for metadata in ({}, {"uid": made["metadata"]["uid"]}, {"creationTimestamp": "2030-01-01T00:00:00Z"}):
            yield Case("same person twice", user, stage.yes(user), f"{user} approved it already", metadata=metadata)


def that_comes_late(stage: Stage) -> Iterator[Case]:
    for verb, user in itertools.product((Verb.Approve, Verb.Reject), JUDGES[2:7]):
        yield Case("late", user, stage.said(verb, user, "under way"), f"option {OPTION} is running already")


def after_its_time(stage: Stage) -> Iterator[Case]:
    for verb, user in itertools.product((Verb.Approve, Verb.Reject), JUDGES[:5]):
        yield Case("expired", user, stage.said(verb, user, "expired"), f"option {OPTION} is denied already")


def against_a_no(stage: Stage) -> Iterator[Case]:
    for verb, user in itertools.product((Verb.Approve, Verb.Reject), JUDGES[:5]):
        yield Case("contradictory", user, stage.said(verb, user, "rejected"), f"option {OPTION} is denied already")


def glass_that_is_broken_late(stage: Stage) -> Iterator[Case]:
    """Of what runs already, of what silence or a no has denied, and of another plan."""
    for name, state in (("under way", "running"), ("expired", "denied"), ("rejected", "denied")):
        for user in JUDGES[:2]:
            said = stage.said(Verb.BreakGlass, user, name)
            yield Case("late glass", user, said, f"option {OPTION} is {state} already")
    for user in JUDGES[:2]:
        yield Case("late glass", user, stage.said(Verb.BreakGlass, user, planDigest=STALE), f"it names plan {STALE}")


def of_a_text_that_nobody_read(stage: Stage) -> Iterator[Case]:
    """The message says the incident's name: that of another one is another text. The other incident's was released."""
    for user in JUDGES[:3]:
        for text in (STALE, stage.text("other")):
            says = f"it names text {text}, the text is {stage.text('open')}"
            yield Case("unread text", user, stage.release(user, messageDigest=text), says)
        yield Case("unread text", user, stage.release(user, message="press"), "there is no message 'press'")
        yield Case("unasked release", user, stage.release(user, role=UNASKED), f"is released as {ROLE}, not as {UNASKED}")
        yield Case("second release", user, stage.release(user, "other"), f"{JUDGES[3]} released {MESSAGE} already")


def under_a_role_that_is_not_asked(stage: Stage) -> Iterator[Case]:
    for user in JUDGES[:5]:
        yield Case("unasked role", user, stage.yes(user, role=UNASKED), f"asks for {ROLE}, {OTHER_ROLE}, not for {UNASKED}")


def written_by_hand(stage: Stage) -> Iterator[Case]:
    """By somebody who may patch statuses: a yes, a broken glass, and that a Decision which counts had no effect."""
    incident, at = stage.incidents["open"], "2026-11-21T09:00:00Z"
    common = {"decision": "none", "option": OPTION, "by": JUDGES[8], "at": at}
    yes = {"approvals": [{**common, "role": role} for role in (ROLE, OTHER_ROLE)]}
    glass = {**common, "planDigest": incident["status"]["planDigest"], "ticket": "OPS-4711", "without": "all of them"}
    unheard = {"recordedAt": at, "effect": "NoEffect", "message": "never mind"}
    forged = [(incident, yes), (incident, {"brokenGlass": [glass]}), *((made, unheard) for made in stage.counted.values())]
    for obj, status in forged:
        says = f"'{MALLORY}' may not record in the status of {obj['kind'].lower()}s '{obj['metadata']['name']}'"
        yield Case("status by hand", MALLORY, {}, says, status=status, of=obj)


CLASSES = (
    in_another_s_name, under_another_s_role, with_a_role_from_elsewhere, by_a_machine, under_a_name_that_was_used,
    of_another_plan, of_another_incident, of_an_earlier_incident, from_another_namespace, by_who_opened_it, said_again,
    that_comes_late, after_its_time, against_a_no, glass_that_is_broken_late, under_a_role_that_is_not_asked,
    of_a_text_that_nobody_read, written_by_hand,
)  # fmt: skip


def before_the_policy(stage: Stage, number: int) -> list[Case]:
    """Made while nothing stopped it, by the administrator in the names of those who may."""
    names = itertools.cycle(JUDGES[3:])
    return [Case("pre-policy", "", stage.yes(next(names)), "older than the admission policy") for _ in range(number)]

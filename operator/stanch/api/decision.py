"""Decision: what a person says with authority. Who says it, and under which role, is proven by the API server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from stanch.api.base import IMMUTABLE_MESSAGE, Name, ObjectName, Sentence, Spec, UserName, Word, between, rule, rules
from stanch.domain.decision import Verb

Digest = Annotated[str, Field(max_length=71, pattern=r"^sha256:[0-9a-f]{64}$")]
Ticket = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9#][-A-Za-z0-9#._~:/?=&%+]*$")]
Uid = Annotated[str, Field(min_length=1, max_length=63)]

SHORTEST, LONGEST = "1m", "168h"
# A Reject names a step where nobody knows whether it happened, and says that it did not.
OF_STEP = (Verb.Confirm, Verb.Extend, Verb.Revert, Verb.Reject)


@dataclass(frozen=True)
class Demand:
    """What a Decision must have: in CEL for the API server, and here for what is read and for `stanch lint`."""

    cel: str
    met: Callable[[Decision], bool]
    message: str


DEMANDS = (
    Demand(
        "!(self.verb == 'Approve' || self.verb == 'Reject' && !has(self.step))"
        " || has(self.option) && has(self.planDigest) && has(self.role)",
        lambda said: not said.of_option or None not in (said.role, said.option, said.plan_digest),
        "Approve and Reject need role, option and planDigest: what is approved, and as whom (a Reject of a step: option and step)",
    ),
    Demand(
        "self.verb in ['Approve', 'Acknowledge', 'Release'] || has(self.reason)",
        lambda said: said.verb in (Verb.Approve, Verb.Acknowledge, Verb.Release) or said.reason is not None,
        "reason is required: say why",
    ),
    Demand(
        "!(self.verb in ['Confirm', 'Extend']) || has(self.option) && has(self.step)",
        lambda said: said.verb not in (Verb.Confirm, Verb.Extend) or None not in (said.option, said.step),
        "Confirm and Extend need option and step: which step it is about",
    ),
    Demand(
        "self.verb != 'Revert' || has(self.option) == has(self.step)",
        lambda said: said.verb is not Verb.Revert or (said.option is None) == (said.step is None),
        "Revert needs option and step, or neither of them: then it is about every open revert",
    ),
    Demand(
        "!has(self.step) || self.verb in ['Confirm', 'Extend', 'Revert', 'Reject']",
        lambda said: said.step is None or said.verb in OF_STEP,
        "step is for Confirm, Extend, Revert and Reject only",
    ),
    Demand(
        "!has(self.step) || has(self.option)",
        lambda said: said.step is None or said.option is not None,
        "step needs option: steps are named within their option",
    ),
    Demand(
        "!has(self.step) || !has(self.planDigest)",
        lambda said: said.step is None or said.plan_digest is None,
        "step and planDigest exclude each other: what is said about a step is about what was done, not about a plan",
    ),
    Demand(
        "self.verb != 'BreakGlass' || has(self.option) && has(self.planDigest) && has(self.ticket)",
        lambda said: said.verb is not Verb.BreakGlass or None not in (said.option, said.plan_digest, said.ticket),
        "BreakGlass needs option, planDigest and ticket: what is let run without its approvals, and where that is answered for",
    ),
    Demand(
        "(self.verb == 'Classify') == has(self.severity)",
        lambda said: (said.verb is Verb.Classify) == (said.severity is not None),
        "Classify needs severity, and only Classify may have it",
    ),
    Demand(
        "(self.verb == 'Assign') == has(self.assignee) && (self.verb != 'Assign' || has(self.role))",
        lambda said: (
            (said.verb is Verb.Assign) == (said.assignee is not None) and (said.verb is not Verb.Assign or bool(said.role))
        ),
        "Assign needs role and assignee, and only Assign may have an assignee",
    ),
    Demand(
        "self.verb == 'Release' ? has(self.role) && has(self.message) && has(self.messageDigest)"
        " : !has(self.message) && !has(self.messageDigest)",
        lambda said: (
            None not in (said.role, said.message, said.message_digest)
            if said.verb is Verb.Release
            else (said.message, said.message_digest) == (None, None)
        ),
        "Release needs role, message and messageDigest, and only Release may have a message: which one, and the text that was read",
    ),
    Demand(
        "!has(self.ticket) || self.verb == 'BreakGlass'",
        lambda said: said.ticket is None or said.verb is Verb.BreakGlass,
        "ticket is for BreakGlass only",
    ),
    Demand(
        "!has(self.postmortem) || self.verb == 'Close'",
        lambda said: said.postmortem is None or said.verb is Verb.Close,
        "postmortem is for Close only",
    ),
    Demand(
        "(self.verb == 'Extend') == has(self.extendBy)",
        lambda said: (said.verb is Verb.Extend) == (said.extend_by is not None),
        "Extend needs extendBy, and only Extend may have it",
    ),
)


class IncidentRef(Spec):
    """The Incident that the decision is about."""

    name: ObjectName = Field(description="Name of the Incident, in the Decision's namespace.")
    uid: Uid = Field(description="UID of the Incident; one that is re-created under its name is another incident.")


class Decision(Spec):
    """What a person says with authority about one Incident, as the API server vouches. It is never changed: say another one."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("self == oldSelf", f"a Decision {IMMUTABLE_MESSAGE}"),
            *(rule(demand.cel, demand.message) for demand in DEMANDS),
        )
    )

    incident_ref: IncidentRef = Field(description="The Incident that it is about.")
    verb: Verb = Field(description="What is decided.")
    role: Name | None = Field(
        default=None, description="Role under which it is said, e.g. incident-commander; of an Assign: the role that is given."
    )
    by: UserName = Field(description="Your own user name, as `kubectl auth whoami` prints it.")
    reason: Sentence | None = Field(default=None, description="Why; what a Note says.")
    option: Name | None = Field(default=None, description="Option that is approved, rejected or let run, or whose step it is.")
    step: Name | None = Field(
        default=None,
        description="Step that it is about: Confirm and Reject say what happened to it, Extend and Revert are about what it "
        "changed for a time. Revert without it is about every open revert.",
    )
    plan_digest: Digest | None = Field(
        default=None,
        description="status.planDigest of the Incident: what is said is for exactly this plan on exactly these objects.",
    )
    severity: Word | None = Field(default=None, description="How grave it is: one of the levels of the ResponsePolicy.")
    assignee: UserName | None = Field(default=None, description="User name of who holds the role from now on.")
    message: Name | None = Field(default=None, description="Of a Release, the message: its name in the Incident's status.")
    message_digest: Digest | None = Field(
        default=None, description="Of a Release, the digest of the text that was read, as in the Incident's status.messages."
    )
    ticket: Ticket | None = Field(
        default=None, description="Ticket in which a BreakGlass is answered for: its number, e.g. OPS-4711, or its address."
    )
    postmortem: Ticket | None = Field(
        default=None,
        description="Of a Close, where the postmortem is: a ticket's number or an address. Needed where the glass was broken.",
    )
    extend_by: between(SHORTEST, LONGEST) | None = Field(  # type: ignore[valid-type]
        default=None, description="How much later the change is taken back."
    )

    @property
    def of_option(self) -> bool:
        """Whether it is about an option of the plan, and so must be bound to that plan."""
        return self.verb is Verb.Approve or (self.verb is Verb.Reject and self.step is None)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for demand in DEMANDS:
            if not demand.met(self):
                raise ValueError(demand.message)
        return self

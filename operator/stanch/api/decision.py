"""Decision: what a person says with authority. Who says it, and under which role, is proven by the API server."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from stanch.api.base import IMMUTABLE_MESSAGE, Name, ObjectName, Sentence, Spec, UserName, rule, rules
from stanch.domain.decision import Verb

Digest = Annotated[str, Field(max_length=71, pattern=r"^sha256:[0-9a-f]{64}$")]
Uid = Annotated[str, Field(min_length=1, max_length=63)]

NEEDS = "Approve and Reject need role, option and planDigest: what is approved, and as whom"
WHY = "reason is required: say why"


class IncidentRef(Spec):
    """The Incident that the decision is about."""

    name: ObjectName = Field(description="Name of the Incident, in the Decision's namespace.")
    uid: Uid = Field(description="UID of the Incident; one that is re-created under its name is another incident.")


class Decision(Spec):
    """What a person says with authority about one Incident. It cannot be changed or deleted; say another one instead."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("self == oldSelf", f"a Decision {IMMUTABLE_MESSAGE}"),
            rule(
                "!(self.verb in ['Approve', 'Reject']) || (has(self.option) && has(self.planDigest) && has(self.role))",
                NEEDS,
            ),
            rule("self.verb == 'Approve' || has(self.reason)", WHY),
        )
    )

    incident_ref: IncidentRef = Field(description="The Incident that it is about.")
    verb: Verb = Field(description="What is decided.")
    role: Name | None = Field(default=None, description="Role under which it is said, e.g. incident-commander.")
    by: UserName = Field(description="Your own user name, as `kubectl auth whoami` prints it.")
    reason: Sentence | None = Field(default=None, description="Why; what a Note says.")
    option: Name | None = Field(default=None, description="Option that is approved or rejected.")
    plan_digest: Digest | None = Field(
        default=None,
        description="status.planDigest of the Incident: the approval is for exactly this plan on exactly these objects.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.verb in (Verb.Approve, Verb.Reject) and None in (self.role, self.option, self.plan_digest):
            raise ValueError(NEEDS)
        if self.verb is not Verb.Approve and self.reason is None:
            raise ValueError(WHY)
        return self

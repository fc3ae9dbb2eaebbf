"""Incident: the facts that it opens with. What people say with authority later comes as Decisions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field

from stanch.api.base import (
    IMMUTABLE_MESSAGE,
    NAMED_LIST,
    ObjectName,
    Sentence,
    Spec,
    UserName,
    Word,
    fixed,
    rule,
    rules,
)
from stanch.api.parameters import Values
from stanch.domain.incident import Mode

Url = Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^https?://[^\s]+$")]


class PlaybookRef(Spec):
    """Names a Playbook of the Incident's namespace."""

    name: ObjectName = Field(description="Name of the Playbook.")


class PolicyRef(Spec):
    """Names a ResponsePolicy."""

    name: ObjectName = Field(description="Name of the ResponsePolicy.")


class Link(Spec):
    """A place to look at, such as a CI run, a dashboard or a ticket."""

    name: Annotated[str, Field(min_length=1, max_length=128)] = Field(description="What is found there.")
    url: Url = Field(description="Address, http or https.")


class Assessment(Spec):
    """What is known about how grave it is. What is left out is not known."""

    users_affected: int | None = Field(default=None, ge=0, le=100, description="Share of the users that are affected, in percent.")
    complete_outage: bool | None = Field(default=None, description="Whether nothing works any more.")
    workaround: bool | None = Field(default=None, description="Whether the users have a workaround.")


def in_utc(at: datetime) -> datetime:
    """What is counted from it is told in UTC, whatever zone somebody wrote it in. The API server takes moments that lie beyond the
    first and the last year of UTC: the nearest that can be told, for an Incident that cannot be read would hold others up."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        return (datetime.min if at.year == datetime.min.year else datetime.max).replace(tzinfo=UTC)


class Incident(Spec):
    """What is wrong, since when, and who says so. A change of it counts when the Incident is planned the next time."""

    model_config = ConfigDict(json_schema_extra=rules(fixed("startedAt"), fixed("policyRef")))

    opened_by: UserName = Field(
        description="Name of the user who opened it: your own, as `kubectl auth whoami` prints it.",
        json_schema_extra=rules(rule("self == oldSelf", f"openedBy {IMMUTABLE_MESSAGE}")),
    )
    title: Annotated[str, Field(min_length=1, max_length=256)] = Field(description="What is wrong, in one line.")
    type: Word = Field(description="Type of incident, e.g. availability; playbooks match on it.")
    severity: Word = Field(description="Severity, one of the levels of the ResponsePolicy, e.g. P0.")
    component: ObjectName | None = Field(
        default=None, description="Component that is affected; playbooks match on it and find their target by it."
    )
    mode: Mode = Field(
        default=Mode.Live,
        description="Live acts; DryRun renders the plan with its differences and writes nothing to targets.",
        json_schema_extra=rules(rule("self == oldSelf", f"mode {IMMUTABLE_MESSAGE}")),
    )
    playbook_ref: PlaybookRef | None = Field(default=None, description="Playbook to use; left out: the one that matches.")
    policy_ref: PolicyRef | None = Field(
        default=None,
        description="ResponsePolicy that holds, if you may use it; left out: the one in the namespace's label stanch.dev/policy, "
        "or the default.",
    )
    parameters: Values = Field(
        default={},
        description="Values of the playbook's parameters, as text. Who may read this Incident reads them: no secrets.",
    )
    impact: Sentence | None = Field(default=None, description="Who is affected, and how.")
    assessment: Assessment | None = Field(
        default=None, description="What is known about how grave it is; by it the policy's criteria propose a severity."
    )
    started_at: Annotated[AwareDatetime, AfterValidator(in_utc)] | None = Field(
        default=None,
        description="When it began, or was noticed, as far as is known: from then on the policy's times count; left out, or later: "
        "when the Incident was created.",
    )
    links: list[Link] = Field(
        default=[], max_length=16, description="Places to look at; kept in the pack.", json_schema_extra=NAMED_LIST
    )

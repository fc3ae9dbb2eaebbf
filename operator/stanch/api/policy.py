"""ResponsePolicy: one organisation's ladder of severities, and what holds for every incident under it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stanch.api.base import NAMED_LIST, Name, Sentence, Spec, Word, between

Origin = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^https?://[-A-Za-z0-9.:\[\]]+$")]


class Level(Spec):
    """One severity."""

    name: Word = Field(description="Name of the severity, e.g. P0, SEV-1 or 4.")
    description: Sentence = Field(description="When an incident is of this severity.")


class Http(Spec):
    """Where HTTP checks and steps may go beside the cluster's own Services."""

    allowed_origins: list[Origin] = Field(
        default=[], max_length=32, description="Origins that checks and steps may call, e.g. https://status.example.org."
    )


class Retention(Spec):
    """How long what is over stays in the cluster. Packs are kept where they are stored, whatever this says."""

    incidents: between("1s", "26280h") = Field(
        description="How long an Incident stays after it was Closed, Aborted or Failed, with its Decisions and Secrets."
    )


class ResponsePolicy(Spec):
    """One organisation's ladder of severities, and what holds for every incident under it."""

    default: bool = Field(
        default=False,
        description="Whether it holds where neither Incident nor namespace names one. At most one policy is the default.",
    )
    levels: list[Level] = Field(
        min_length=1,
        max_length=10,
        description="Severities in order of gravity, the gravest first. An Incident's severity must be one of them.",
        json_schema_extra=NAMED_LIST,
    )
    suspended: bool = Field(
        default=False, description="The kill switch: when true, nothing further is written but reverts that are owed."
    )
    observe_only: bool = Field(
        default=False, description="When true, incidents are planned and their evidence is captured, but no target is changed."
    )
    close_role: Name | None = Field(
        default=None,
        description="Role without whose Close decision a mitigated incident is not resolved; left out: it is resolved by itself.",
    )
    http: Http | None = Field(default=None, description="Limits of HTTP checks and steps.")
    retention: Retention | None = Field(default=None, description="How long what is over stays in the cluster; left out: for good.")

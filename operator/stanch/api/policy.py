"""ResponsePolicy: one organisation's ladder of severities, and what holds for every incident under it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from stanch.api.base import NAME_PATTERN, NAMED_LIST, Name, ObjectName, Sentence, Spec, Word, between, rule, rules
from stanch.domain.guards import Day, Guards
from stanch.domain.messages import LONGEST, MOST

Origin = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^https?://[-A-Za-z0-9.:\[\]]+$")]

NAMESPACED_PATTERN = NAME_PATTERN.removesuffix("$") + r"/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
NamespacedName = Annotated[str, Field(min_length=3, max_length=317, pattern=NAMESPACED_PATTERN)]
# Names that a machine gives its own zone, which is another one elsewhere, are none.
ZONE_PATTERN = r"^(UTC|[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){1,2})$"
TIME_PATTERN = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
MOMENT_PATTERN = r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]$"
ONE_TIME = "a freeze window has exactly one of weekly, once"
FORWARD = "start is before end"


def known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"no time zone {name} is known, expected an IANA name such as Europe/Berlin") from error
    return name


def real_moment(text: str) -> str:
    datetime.fromisoformat(text)
    return text


# What holds where a policy says nothing.
SILENT = Guards()

Zone = Annotated[str, Field(min_length=1, max_length=63, pattern=ZONE_PATTERN), AfterValidator(known_zone)]
TimeOfDay = Annotated[str, Field(min_length=5, max_length=5, pattern=TIME_PATTERN)]
Moment = Annotated[str, Field(min_length=16, max_length=16, pattern=MOMENT_PATTERN), AfterValidator(real_moment)]


class Criterion(Spec):
    """Holds where all that it says holds. What an Incident does not tell holds nowhere."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    users_affected: int | None = Field(default=None, ge=1, le=100, description="At least this share of the users, in percent.")
    complete_outage: bool | None = Field(default=None, description="Whether it is a complete outage.")
    workaround: bool | None = Field(default=None, description="Whether there is a workaround.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("a criterion says at least one of usersAffected, completeOutage, workaround")
        return self


class Level(Spec):
    """One severity."""

    name: Word = Field(description="Name of the severity, e.g. P0, SEV-1 or 4.")
    description: Sentence = Field(description="When an incident is of this severity.")
    criteria: list[Criterion] = Field(
        default=[],
        max_length=8,
        description="Any one of them proposes this severity, unless one of a graver severity holds. A Classify confirms it.",
    )
    respond_within: between("1s", "168h") | None = Field(  # type: ignore[valid-type]
        default=None,
        description="How long after it was noticed (startedAt, or when it was opened) it must be acknowledged; left out: it may be "
        "at any time.",
    )
    restore_within: between("1s", "26280h") | None = Field(  # type: ignore[valid-type]
        default=None,
        description="How long after it was noticed it must be mitigated (RTO), however late it was acknowledged; left out: it may "
        "be at any time.",
    )


class Http(Spec):
    """Where HTTP checks and steps may go beside the cluster's own Services."""

    allowed_origins: list[Origin] = Field(
        default=[], max_length=32, description="Origins that checks and steps may call, e.g. https://status.example.org."
    )


class Message(Spec):
    """What one audience outside is told."""

    name: Name = Field(description="Name of the message, e.g. status-page.")
    audience: Word = Field(description="Whom it is for, e.g. all customers.")
    text: Annotated[str, Field(min_length=1, max_length=LONGEST)] = Field(
        description="The text, with ${…}: CEL over incident (name, type, severity, component, labels), drafted when the incident "
        "is planned and whenever it is planned anew."
    )
    released_by: Name = Field(description="Role without whose Release nobody is told it, e.g. comms.")


class Retention(Spec):
    """How long what is over stays in the cluster. Packs are kept where they are stored, whatever this says."""

    incidents: between("1s", "26280h") = Field(
        description="How long an Incident stays after it was Closed, Aborted or Failed, with Decisions, plans and before-images."
    )


class Weekly(Spec):
    """A freeze window that comes again every week."""

    days: list[Day] = Field(min_length=1, max_length=7, description="Days of the week on which it begins.")
    start_time: TimeOfDay = Field(description="Time of day at which it begins, e.g. 18:00.")
    duration: between("1m", "168h") = Field(
        description="How long it lasts by the clock on the wall: 62h from Friday 18:00 end on Monday at 08:00, whatever clocks do."
    )


class Once(Spec):
    """A freeze window that comes once."""

    model_config = ConfigDict(json_schema_extra=rules(rule("self.start < self.end", FORWARD)))

    start: Moment = Field(description="When it begins, by the clock on the wall, e.g. 2026-12-20T18:00.")
    end: Moment = Field(description="When it ends, by the clock on the wall.")

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.start >= self.end:
            raise ValueError(FORWARD)
        return self


class Override(Spec):
    """Which incidents a freeze window does not hold up."""

    severities: list[Word] = Field(default=[], max_length=10, description="Severities of incidents that it does not hold up.")
    playbooks: list[NamespacedName] = Field(
        default=[], max_length=32, description="Playbooks that it does not hold up, as namespace/name."
    )


class FreezeWindow(Spec):
    """A time in which nothing is changed. What is owed is taken back all the same."""

    model_config = ConfigDict(json_schema_extra=rules(rule("has(self.weekly) != has(self.once)", ONE_TIME)))

    name: Name = Field(description="Name of the window.")
    time_zone: Zone = Field(description="Time zone of its times by its IANA name, e.g. Europe/Berlin or UTC.")
    weekly: Weekly | None = Field(default=None, description="It comes again every week.")
    once: Once | None = Field(default=None, description="It comes once.")
    override: Override | None = Field(default=None, description="Which incidents it does not hold up; left out: none.")

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if (self.weekly is None) == (self.once is None):
            raise ValueError(ONE_TIME)
        return self


class Storm(Spec):
    """When incidents come so fast that people should look first."""

    incidents: int = Field(
        default=SILENT.storm_incidents, ge=1, le=10_000, description="Most incidents opened within that time that are no storm."
    )
    within: between("1s", "24h") = Field(default=SILENT.storm_within, description="The time that is looked back.")


class Limits(Spec):
    """How much may go on under the policy. Left out, every limit is on. All but concurrentIncidents are for what stanch does by
    itself: an option that people approved, or broke the glass for, and an incident that they resumed pass."""

    concurrent_incidents: int = Field(
        default=SILENT.concurrent_incidents,
        ge=1,
        le=10_000,
        description="Most incidents that are mitigated at a time; the others wait before their first change.",
    )
    cooldown: between("0s", "24h") = Field(
        default=SILENT.cooldown,
        description="How long after the change of one incident another one leaves the same object alone; 0s: it need not.",
    )
    consecutive_failures: int = Field(
        default=SILENT.consecutive_failures,
        ge=1,
        le=1_000,
        description="After so many incidents in a row that a playbook changed something for and did not help, it changes nothing "
        "more by itself, until one helps or the playbook is edited.",
    )
    changes_per_hour: int = Field(
        default=SILENT.changes_per_hour,
        ge=1,
        le=100_000,
        description="Most changes within an hour; what is taken back counts, and is never held up.",
    )
    storm: Storm = Field(default=Storm(), description="When incidents come so fast that nothing is changed without a person.")


class Outside(Spec):
    """Objects outside an incident's namespace that a playbook may suspend."""

    kind: Literal["Application", "Kustomization", "HelmRelease"] = Field(description="Kind of the objects.")
    namespace: Name = Field(description="Their namespace.")
    names: list[ObjectName] = Field(
        default=[], max_length=64, description="Their names; empty: all of that kind in that namespace."
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
    approval_role: Name = Field(
        default="incident-commander",
        description="Role that approves what a machine asks for: an Incident that a ServiceAccount opened, under a playbook that "
        "is not automatic, where the option names no approval of its own.",
    )
    http: Http | None = Field(default=None, description="Limits of HTTP checks and steps.")
    freeze_windows: list[FreezeWindow] = Field(
        default=[],
        max_length=32,
        description="When nothing is changed, as it was when an incident was planned.",
        json_schema_extra=NAMED_LIST,
    )
    limits: Limits | None = Field(
        default=None, description="How much may go on at a time, as it was when an incident was planned; left out: the defaults."
    )
    outside: list[Outside] = Field(
        default=[],
        max_length=32,
        description="What outside an incident's namespace playbooks may suspend (onOwnerConflict); empty: nothing.",
    )
    retention: Retention | None = Field(default=None, description="How long what is over stays in the cluster; left out: for good.")
    messages: list[Message] = Field(
        default=[],
        max_length=MOST,
        description="What people outside are told of an incident, once somebody has released it. stanch drafts, it sends nothing.",
        json_schema_extra=NAMED_LIST,
    )

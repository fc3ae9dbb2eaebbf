"""Playbook: how to mitigate one kind of incident. The types of its steps, checks and evidence come from the registries."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import ConfigDict, Field, model_validator

from stanch.api.base import (
    NAMED_LIST,
    LabelKey,
    Labels,
    LabelValue,
    Name,
    ObjectName,
    Sentence,
    Spec,
    Word,
    between,
    rule,
    rules,
)
from stanch.api.choice import Choice, bare, choice, on_some_targets, on_target
from stanch.domain.plan import OnFailure, OnMissing, Risk
from stanch.engine.parts import Action, CheckKind, SourceKind

ONE_WAY = "a target has exactly one of objectName, nameFrom, selector"
ONE_OBJECT = "maxCount above 1 needs a selector"

# `${incident.component}` and `${incident.labels.KEY}`, with plain text around them. They are filled in as data.
NAME_TEMPLATE = r"^([-a-z0-9.]|\$\{incident\.(component|labels\.[-A-Za-z0-9_./]{1,100})\})+$"


class Match(Spec):
    """Which incidents the playbook is for: every given line must fit. One Incident that fits two playbooks gets neither."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    types: list[Word] = Field(default=[], max_length=16, description="Types of incident; empty: any.")
    severities: list[Word] = Field(default=[], max_length=16, description="Severities; empty: any.")
    components: list[ObjectName] = Field(default=[], max_length=32, description="Components; empty: any.")
    labels: Labels = Field(default={}, max_length=16, description="Labels that the Incident must have.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("match says at least one of types, severities, components, labels")
        return self


class Selector(Spec):
    """Chooses objects by their labels."""

    match_labels: dict[LabelKey, LabelValue] = Field(
        min_length=1, max_length=8, description="Labels that the object must have, all of them."
    )


class Target(Spec):
    """One named thing that the playbook may look at and change. Nothing else is touched."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "[has(self.objectName), has(self.nameFrom), has(self.selector)].filter(x, x).size() == 1",
                ONE_WAY,
            ),
            rule("has(self.selector) || self.maxCount == 1", ONE_OBJECT),
        )
    )

    name: Name = Field(description="Name of the target in this playbook.")
    api_version: Literal["apps/v1"] = Field(default="apps/v1", description="API version of the object.")
    kind: Literal["Deployment", "StatefulSet", "DaemonSet"] = Field(description="Kind of the object.")
    object_name: ObjectName | None = Field(default=None, description="Name of the object in the cluster.")
    name_from: Annotated[str, Field(min_length=1, max_length=253, pattern=NAME_TEMPLATE)] | None = Field(
        default=None,
        description="Name of the object, with ${incident.component} or ${incident.labels.KEY} filled in from the Incident.",
    )
    selector: Selector | None = Field(default=None, description="Labels of the object.")
    max_count: int = Field(default=1, ge=1, le=20, description="Most objects that the selector may find; more are refused.")

    @model_validator(mode="after")
    def _one_way_to_find_it(self) -> Self:
        if [self.object_name, self.name_from, self.selector].count(None) != 2:
            raise ValueError(ONE_WAY)
        if self.selector is None and self.max_count > 1:
            raise ValueError(ONE_OBJECT)
        return self


class Approval(Spec):
    """Who must say yes before the option is run. The person who opened the Incident does not count."""

    roles: dict[Name, Annotated[int, Field(ge=1, le=9)]] = Field(
        min_length=1, max_length=8, description="Role, and how many different people must approve under it."
    )
    timeout: between("1s", "24h") = Field(default=timedelta(minutes=15), description="After this time silence is a no.")


class Step(Choice):
    """One action on one target, and what is expected of it."""

    WHAT: ClassVar[str] = "a step"

    name: Name = Field(description="Name of the step, unique in its option.")
    expect: Sentence = Field(description="What is expected of the step; the timeline holds it against the result.")


class Check(Choice):
    """One verification. It is confirmed when it becomes true in time and then stays true."""

    WHAT: ClassVar[str] = "a check"

    name: Name | None = Field(default=None, description="Name of the check, unique in its option; left out: its kind.")
    within: between("1s", "24h") = Field(default=timedelta(minutes=2), description="How long it may take to become true.")
    hold_for: between("0s", "24h") = Field(default=timedelta(), description="How long it must then stay true.")


class Source(Choice):
    """One source of evidence."""

    WHAT: ClassVar[str] = "a source of evidence"


S = TypeVar("S", bound=Step)
K = TypeVar("K", bound=Check)
E = TypeVar("E", bound=Source)


class Evidence(Spec, Generic[E]):
    """What is stored before the first change, because a change could destroy it."""

    budget: between("1s", "10m") = Field(
        default=timedelta(seconds=30), description="Longest time that the capture may delay the first change."
    )
    on_failure: OnMissing = Field(
        default=OnMissing.Block,
        description="When something is missing at the end of the budget: Block the change, or Proceed and record it.",
    )
    collect: list[E] = Field(min_length=1, max_length=16, description="Sources of evidence, read at the same time.")


class Option(Spec, Generic[S, K]):
    """One way to mitigate. Options are tried in their order; the first whose condition holds is run."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.verify.filter(c, has(c.name)).all(c, self.verify.exists_one(d, has(d.name) && d.name == c.name))",
                "the names of an option's checks are unique",
            )
        )
    )

    name: Name = Field(description="Name of the option.")
    when: Sentence | None = Field(
        default=None,
        description="Condition in CEL over incident and facts, e.g. facts.lastDeploy.age < duration('30m'); left out: always.",
    )
    risk: Risk = Field(default=Risk.Low, description="Risk of the option, shown to those who approve it.")
    approval: Approval | None = Field(default=None, description="Who must approve it; left out: nobody.")
    steps: list[S] = Field(min_length=1, max_length=8, description="Steps, run one after the other.", json_schema_extra=NAMED_LIST)
    verify: list[K] = Field(min_length=1, max_length=8, description="Checks that tell whether the option helped.")
    timeout: between("1s", "24h") = Field(
        default=timedelta(minutes=30), description="Longest time from the first step to the end of the checks."
    )
    on_failure: OnFailure = Field(
        default=OnFailure.Next, description="When it did not help: try the Next option, or Stop and call people."
    )

    def check_names(self) -> tuple[str, ...]:
        """The name of each check: its own, else its kind, with its place in the list where that is taken."""
        named = {check.name for check in self.verify}
        kinds = [check.chosen.kind.lower() for check in self.verify]
        return tuple(
            check.name or (kind if kinds.count(kind) == 1 and kind not in named else f"{kind}-{place}")
            for place, (check, kind) in enumerate(zip(self.verify, kinds, strict=True), 1)
        )


class Playbook(Spec, Generic[S, K, E]):
    """How to mitigate one kind of incident: what may be touched, what is captured, what is tried in which order."""

    summary: Annotated[str, Field(min_length=1, max_length=256)] = Field(description="The symptom, in one line.")
    when_to_use: Sentence | None = Field(default=None, description="When this playbook is the right one.")
    when_not_to_use: Sentence | None = Field(default=None, description="When it is the wrong one, and which is right.")
    controls: list[Word] = Field(
        default=[], max_length=32, description="Identifiers of controls that it implements (NIST 800-53, OWASP ASVS)."
    )
    match: Match | None = Field(
        default=None, description="Incidents that it is for; left out: only those that name it in playbookRef."
    )
    targets: list[Target] = Field(
        min_length=1, max_length=10, description="All that it may look at and change.", json_schema_extra=NAMED_LIST
    )
    service_account_name: ObjectName = Field(
        description="ServiceAccount of this namespace that reads and steps run under. "
        "Who writes the playbook must be allowed to impersonate it."
    )
    suspend: bool = Field(default=False, description="When true, no Incident is planned with it.")
    evidence: Evidence[E] = Field(description="What is stored before the first change.")
    options: list[Option[S, K]] = Field(
        min_length=1, max_length=8, description="Ways to mitigate, in the order to try them.", json_schema_extra=NAMED_LIST
    )


def build(actions: Iterable[Action], checks: Iterable[CheckKind], sources: Iterable[SourceKind]) -> type[Playbook[Any, Any, Any]]:
    """The Playbook that can say these actions, checks and sources. Its rules on targets name each of them."""
    step = choice(Step, [(action, on_target(action)) for action in actions])
    check = choice(Check, [(kind, on_target(kind) if kind.needs_target else bare(kind)) for kind in checks])
    source = choice(Source, [(kind, on_some_targets(kind)) for kind in sources])

    class Built(Playbook[step, check, source]):  # type: ignore[valid-type]
        __doc__ = Playbook.__doc__
        model_config = ConfigDict(
            json_schema_extra=rules(
                rule(f"self.options.all(o, o.steps.all(p, {known('p', step)}))", "each step's target is one of targets"),
                rule(f"self.options.all(o, o.verify.all(p, {known('p', check)}))", "each check's target is one of targets"),
                rule(f"self.evidence.collect.all(p, {known('p', source)})", "each source's target is one of targets"),
            )
        )

    return Built


def known(name: str, of: type[Choice]) -> str:
    """CEL: the target of the choice in variable `name`, where it has one, is among the playbook's."""
    terms = []
    for kind, required in of.kinds_with_target().items():
        part = f"{name}.{kind}"
        absent = f"!has({part})" if required else f"!has({part}) || !has({part}.target)"
        terms.append(f"({absent} || self.targets.exists(t, t.name == {part}.target))")
    return " && ".join(terms) or "true"

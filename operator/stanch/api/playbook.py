"""Playbook: how to mitigate one kind of incident. The types of its steps, checks and evidence come from the registries."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stanch.api.base import (
    NAMED_LIST,
    Labels,
    Name,
    ObjectName,
    Sentence,
    Spec,
    Word,
    between,
    rule,
    rules,
)
from stanch.api.choice import Choice, bare, choice, on_one_target, on_some_targets, on_target
from stanch.api.guards import Guards
from stanch.api.parameters import MOST, Parameter
from stanch.api.steps import WHEN, Check, Question, Step, check_names, irreversible
from stanch.api.targets import Target
from stanch.domain.plan import OnFailure, OnMissing, Risk
from stanch.engine.parts import Action, CheckKind, SourceKind

UNIQUE = "the names of an option's checks are unique"
DEPLOY = "lastDeploy is a fact that stanch finds by itself"
OWNERS = "onOwnerConflict: SuspendOwner needs a target that names its owner"
SUSPENDS = (
    "!self.options.exists(o, o.steps.exists(p, has(p.onOwnerConflict) && p.onOwnerConflict == 'SuspendOwner'))"
    " || self.targets.exists(t, has(t.owner))"
)
LAST = "options that are a last resort stand after all others"
LAST_STAND_LAST = (
    "[0, 1, 2, 3, 4, 5, 6].all(i, i + 1 >= self.size() || !(has(self[i].lastResort) && self[i].lastResort)"
    " || (has(self[i + 1].lastResort) && self[i + 1].lastResort))"
)


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


class Approval(Spec):
    """Who must say yes before the option is run. The person who opened the Incident does not count."""

    roles: dict[Name, Annotated[int, Field(ge=1, le=9)]] = Field(
        min_length=1, max_length=8, description="Role, and how many different people must approve under it."
    )
    timeout: between("1s", "24h") = Field(default=timedelta(minutes=15), description="After this time silence is a no.")


class Source(Choice):
    """One source of evidence."""

    WHAT: ClassVar[str] = "a source of evidence"


S = TypeVar("S", bound=Step[Any])
K = TypeVar("K", bound=Check)
Q = TypeVar("Q", bound=Question)
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
                UNIQUE,
            )
        )
    )

    name: Name = Field(description="Name of the option.")
    when: Sentence | None = Field(default=None, description=f"Condition of the option; left out: always. {WHEN}.")
    last_resort: bool = Field(
        default=False,
        description="Whether it is only for when each other option was tried or does not fit; it then stands last.",
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

    revert_on_failure: bool = Field(
        default=False, description="Whether its steps are taken back, as far as they can be, when it did not help."
    )

    def check_names(self) -> tuple[str, ...]:
        return check_names(self.verify)


class Recovery(Spec, Generic[K]):
    """How mitigation ends: what is temporary is taken back, between two readings of these checks."""

    verify: list[K] = Field(
        min_length=1,
        max_length=8,
        description="Checks that must be true and hold, before temporary changes are taken back and after.",
    )
    watch_for: between("0s", "168h") = Field(
        default=timedelta(), description="How long these checks are watched after that; a relapse within it reopens the incident."
    )


class Playbook(Spec, Generic[S, K, Q, E]):
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
    parameters: list[Parameter] = Field(
        default=[],
        max_length=MOST,
        description="What an Incident may or must say beside its own fields.",
        json_schema_extra=NAMED_LIST,
    )
    targets: list[Target] = Field(
        min_length=1,
        max_length=10,
        description="All that its steps may change; evidence and checks read them too.",
        json_schema_extra=NAMED_LIST,
    )
    service_account_name: ObjectName = Field(
        description="ServiceAccount of this namespace that reads and steps run under. "
        "Who writes the playbook must be allowed to impersonate it."
    )
    suspend: bool = Field(default=False, description="When true, no Incident is planned with it.")
    automatic: bool = Field(
        default=False,
        description="Whether an Incident that a machine (a ServiceAccount) opened may change something that nobody approved; when "
        "false, each of its options asks for an approval.",
    )
    guards: Guards | None = Field(default=None, description="What holds steps up; left out: every guard is on.")
    evidence: Evidence[E] = Field(description="What is stored before the first change.")
    diagnosis: list[Q] = Field(
        default=[],
        max_length=16,
        description="Questions, asked before an option is chosen; their answers are facts.",
        json_schema_extra=NAMED_LIST | rules(rule("self.all(q, q.name != 'lastDeploy')", DEPLOY)),
    )
    false_alarm_when: Sentence | None = Field(
        default=None, description=f"Condition under which there is nothing to mitigate; nothing is changed then. {WHEN}."
    )
    options: list[Option[S, K]] = Field(
        min_length=1,
        max_length=8,
        description="Ways to mitigate, in the order to try them.",
        json_schema_extra=NAMED_LIST | rules(rule(LAST_STAND_LAST, LAST)),
    )
    recovery: Recovery[K] | None = Field(
        default=None,
        description="How mitigation ends; left out: with the option's own checks, what was temporary is taken back, and nothing "
        "is read after.",
    )


AnyPlaybook = Playbook[Any, Any, Any, Any]


def model_of(check: CheckKind) -> type[BaseModel]:
    if check.needs_target:
        return on_target(check)
    return on_one_target(check) if check.may_target else bare(check)


def build(actions: Iterable[Action], checks: Iterable[CheckKind], sources: Iterable[SourceKind]) -> type[AnyPlaybook]:
    """The Playbook that can say these actions, checks and sources. Its rules on targets name each of them."""
    actions = list(actions)
    alternatives = [(kind, model_of(kind)) for kind in checks]
    check, question = choice(Check, alternatives), choice(Question, alternatives)
    verbs = [(action, on_target(action) if action.kinds else bare(action)) for action in actions]
    step = choice(Step[check], verbs, irreversible(actions))  # type: ignore[valid-type]
    source = choice(Source, [(kind, on_some_targets(kind)) for kind in sources])
    steps = "self.options.all(o, o.steps.all(p, {}))"
    checked = known("p", check)

    class Built(Playbook[step, check, question, source]):  # type: ignore[valid-type]
        __doc__ = Playbook.__doc__
        model_config = ConfigDict(
            json_schema_extra=rules(
                rule(steps.format(f"{known('p', step)} && {consumers('p', actions)}"), "each step's target is one of targets"),
                rule(f"self.options.all(o, o.verify.all(p, {checked}))", "each check's target is one of targets"),
                rule(steps.format(f"!has(p.smoke) || p.smoke.all(p, {checked})"), "each smoke check's target is one of targets"),
                rule(f"!has(self.diagnosis) || self.diagnosis.all(p, {checked})", "each question's target is one of targets"),
                rule(f"!has(self.recovery) || self.recovery.verify.all(p, {checked})", "each check's target is one of targets"),
                rule(SUSPENDS, OWNERS),
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


def consumers(name: str, actions: Iterable[Action]) -> str:
    """CEL: so are the targets that the step in variable `name` restarts afterwards."""
    lists = [(f"{name}.{action.name}", action.consumers) for action in actions if action.consumers]
    each = "(!has({0}) || !has({0}.{1}) || {0}.{1}.all(r, self.targets.exists(t, t.name == r)))"
    return " && ".join(each.format(part, field) for part, field in lists) or "true"

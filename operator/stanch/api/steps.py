"""Steps, checks and questions of a playbook: what each says beside the one action or kind of check that it has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import ConfigDict, Field, model_validator

from stanch.api.base import Name, Sentence, Spec, between, rule, rules
from stanch.api.choice import Choice
from stanch.api.parameters import VariableName
from stanch.domain.plan import OnOwnerConflict
from stanch.engine.parts import Action

NEVER_REVERTED = "revert says when: after, or onRecovery"
WHEN = "CEL over incident, params and facts, e.g. facts.lastDeploy.age < duration('30m')"


class Check(Choice):
    """One verification. It is confirmed when it becomes true in time and then stays true."""

    WHAT: ClassVar[str] = "a check"

    name: Name | None = Field(default=None, description="Name of the check, unique in its list; left out: its kind.")
    within: between("1s", "24h") = Field(default=timedelta(minutes=2), description="How long it may take to become true.")
    hold_for: between("0s", "24h") = Field(default=timedelta(), description="How long it must then stay true.")


class Question(Choice):
    """One question of the diagnosis. It only reads, and its answer becomes the fact of its name: what the check measures, or
    whether it is confirmed where it measures nothing."""

    WHAT: ClassVar[str] = "a question"

    name: VariableName = Field(description="Name of the fact, in camelCase: facts.NAME in conditions and templates.")
    within: between("1s", "1h") = Field(
        default=timedelta(minutes=1), description="How long it is asked until it has an answer; after that the fact is not known."
    )


K = TypeVar("K", bound=Check)


class Revert(Spec):
    """When the step's change is taken back, as far as nobody changed the same since."""

    model_config = ConfigDict(json_schema_extra=rules(rule("has(self.after) || self.onRecovery", NEVER_REVERTED)))

    after: between("1s", "720h") | None = Field(
        default=None, description="This long after the change, whatever happens until then; left out: not by time."
    )
    on_recovery: bool = Field(default=True, description="Whether it is taken back when the incident has recovered.")

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if self.after is None and not self.on_recovery:
            raise ValueError(NEVER_REVERTED)
        return self


class Step(Choice, Generic[K]):
    """One action, what is expected of it, and when it is taken back."""

    WHAT: ClassVar[str] = "a step"

    name: Name = Field(description="Name of the step, unique in its option.")
    expect: Sentence = Field(description="What is expected of the step; the timeline holds it against the result.")
    when: Sentence | None = Field(default=None, description=f"Condition of the step; false: it is left out. {WHEN}.")
    timeout: between("1s", "24h") = Field(
        default=timedelta(minutes=10), description="Longest time from its start to the end of its smoke checks."
    )
    smoke: list[K] = Field(
        default=[],
        max_length=4,
        description="Checks right after the step; one that fails stops the option before its next step.",
    )
    on_owner_conflict: OnOwnerConflict = Field(
        default=OnOwnerConflict.Fail,
        description="When Argo CD or Flux would take the change back: Fail, or SuspendOwner, which suspends the owner that the "
        "target names, and gives it back after everything else. Autoscalers and controlling objects are never suspended.",
    )
    revert: Revert | None = Field(
        default=None, description="When it is taken back; left out: not by itself. Not for actions that cannot be taken back."
    )


def irreversible(actions: Iterable[Action]) -> list[dict[str, str]]:
    """CEL: no `revert` on actions that have no inverse."""
    return [
        rule(f"!(has(self.revert) && has(self.{action.name}))", no_way_back(action)) for action in actions if action.inverse is None
    ]


def no_way_back(action: Action) -> str:
    return f"revert cannot be promised for {action.name}: {action.irreversible}"


def check_names(checks: Sequence[Any]) -> tuple[str, ...]:
    """The name of each check: its own, else its kind, with its place in the list where that is taken."""
    named = {check.name for check in checks}
    kinds = [check.chosen.kind.lower() for check in checks]
    return tuple(
        check.name or (kind if kinds.count(kind) == 1 and kind not in named else f"{kind}-{place}")
        for place, (check, kind) in enumerate(zip(checks, kinds, strict=True), 1)
    )

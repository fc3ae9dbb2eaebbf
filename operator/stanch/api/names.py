"""What a playbook declares: the names that its conditions and templates may speak of, and of which type each is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stanch.actions.registry import ACTIONS
from stanch.api.playbook import AnyPlaybook
from stanch.checks.registry import CHECKS
from stanch.domain.plan import FactType


def parameters(playbook: AnyPlaybook) -> dict[str, FactType]:
    return {f"params.{parameter.name}": parameter.type for parameter in playbook.parameters}


def for_templates(playbook: AnyPlaybook) -> dict[str, FactType]:
    """Parameters, and what diagnosis finds. What a step puts out comes too late: the plan is fixed by then."""
    return parameters(playbook) | {f"facts.{question.name}": type_of(question) for question in playbook.diagnosis}


def for_conditions(playbook: AnyPlaybook) -> dict[str, FactType]:
    """The same, and what steps put out."""
    return for_templates(playbook) | {f"facts.{name}": type for name, type in outputs(playbook)}


def type_of(question: Any) -> FactType:
    return CHECKS[question.chosen.kind].gives(question.parameters)


def outputs(playbook: AnyPlaybook) -> Iterator[tuple[str, FactType]]:
    for option in playbook.options:
        for step in option.steps:
            if found := output_of(step):
                yield found


def output_of(step: Any) -> tuple[str, FactType] | None:
    """The fact that the step's output becomes, and its type: `output: {fact, type}` of an action that has it."""
    output = getattr(step.parameters, "output", None)
    return (output.fact, output.type) if output and step.chosen.kind in ACTIONS else None


def targets_of(step: Any) -> tuple[str, ...]:
    """The targets that a step changes: its own, and the consumers that it restarts."""
    action = ACTIONS.get(step.chosen.kind)
    consumers = getattr(step.parameters, action.consumers) if action and action.consumers else ()
    return tuple(filter(None, (step.chosen.target, *consumers)))

"""Conditions in CEL over what is known of the incident. One that has no value is not a yes."""

from __future__ import annotations

from datetime import datetime

from stanch.engine.expressions import Failed, declared_by, evaluate_condition
from stanch.engine.turn import Turn


def holds(turn: Turn, text: str) -> bool:
    return verdict(turn, text, turn.plan.occasion.severity) is True


def verdict(turn: Turn, text: str, severity: str) -> bool | Failed:
    return evaluate_condition(text, variables(turn, severity), declared_by(turn.plan))


def severity(turn: Turn) -> str:
    """What an option that is not begun is judged by: what a person has said since, while another one was under way."""
    said = turn.status.classified
    return said.severity if said else turn.plan.occasion.severity


def variables(turn: Turn, severity: str) -> dict[str, object]:
    """What a condition may speak of, as it was when planned. `facts.<name>.age` is a duration, counted now from the recorded
    time."""
    facts: dict[str, object] = {}
    for name, value in turn.status.facts.items():
        head, dot, tail = name.partition(".")
        if not dot:
            facts[name] = value
            continue
        group = facts.setdefault(head, {})
        group[tail] = value
        if tail == "at":
            group["age"] = turn.now - datetime.fromisoformat(value)
    said = turn.plan.occasion
    incident = {"name": turn.facts.name, "type": said.type, "severity": severity, "component": said.component,
                "labels": dict(said.labels)}  # fmt: skip
    params = {parameter.name: parameter.value for parameter in turn.plan.parameters}
    return {"incident": incident, "params": params, "facts": facts}

"""Kubernetes conditions in the kstatus manner, and the closed set of their reasons."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from stanch.domain.record import Record, doc


@dataclass(frozen=True)
class Condition(Record):
    type: str = doc("Type, e.g. Ready.", max_length=63)
    status: str = doc("True, False or Unknown.", max_length=7)
    reason: str = doc("One CamelCase word.", max_length=63)
    message: str = doc("One sentence; of a Playbook, each permission that it lacks.", default="", max_length=4096)
    observed_generation: int = doc("Generation of the spec that this is about.", default=0, ge=0)
    last_transition_time: datetime | None = doc("When status last changed.", default=None)


def merge(old: tuple[Condition, ...], new: tuple[Condition, ...], now: datetime) -> tuple[Condition, ...]:
    """`new`, each keeping the transition time of its namesake in `old` while its status is unchanged."""
    before = {condition.type: condition for condition in old}

    def since(condition: Condition) -> datetime:
        was = before.get(condition.type)
        return was.last_transition_time or now if was and was.status == condition.status else now

    return tuple(replace(condition, last_transition_time=since(condition)) for condition in new)

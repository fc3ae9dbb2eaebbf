"""All actions, by name. A new one is one module and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from stanch.actions.rollout_restart import ROLLOUT_RESTART
from stanch.actions.rollout_undo import ROLLOUT_UNDO
from stanch.engine.parts import Action


def by_name(*actions: Action) -> Mapping[str, Action]:
    """Raises ValueError for a name that is taken: the process must not start with one action hiding another."""
    found: dict[str, Action] = {}
    for action in actions:
        if found.setdefault(action.name, action) is not action:
            raise ValueError(f"two actions are named {action.name}")
    return MappingProxyType(found)


ACTIONS = by_name(ROLLOUT_RESTART, ROLLOUT_UNDO)

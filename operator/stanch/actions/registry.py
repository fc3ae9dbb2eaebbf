"""All actions, by name. A new one is one module and one line here. `VERBS` are those that a playbook can say."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from stanch.actions.ask_person import ASK_PERSON
from stanch.actions.exec import EXEC
from stanch.actions.http import HTTP
from stanch.actions.revoke_access import REVOKE_ACCESS
from stanch.actions.rollout_pause import ROLLOUT_PAUSE
from stanch.actions.rollout_restart import ROLLOUT_RESTART
from stanch.actions.rollout_resume import ROLLOUT_RESUME
from stanch.actions.rollout_undo import ROLLOUT_UNDO
from stanch.actions.run_job import RUN_JOB
from stanch.actions.scale import SCALE
from stanch.actions.set_config import SET_CONFIG
from stanch.actions.set_env import SET_ENV
from stanch.actions.suspend_owner import SUSPEND_OWNER
from stanch.actions.wait import WAIT
from stanch.engine.parts import Action


def by_name(*actions: Action) -> Mapping[str, Action]:
    """Raises ValueError for a name that is taken: the process must not start with one action hiding another."""
    found: dict[str, Action] = {}
    for action in actions:
        if found.setdefault(action.name, action) is not action:
            raise ValueError(f"two actions are named {action.name}")
    return MappingProxyType(found)


VERBS = by_name(
    ROLLOUT_RESTART,
    ROLLOUT_UNDO,
    ROLLOUT_PAUSE,
    ROLLOUT_RESUME,
    SCALE,
    SET_CONFIG,
    SET_ENV,
    REVOKE_ACCESS,
    EXEC,
    HTTP,
    RUN_JOB,
    WAIT,
    ASK_PERSON,
)
ACTIONS = by_name(*VERBS.values(), SUSPEND_OWNER)

"""`scale` taken back: what may not be scaled away as a step may not be scaled away as a revert either."""

from __future__ import annotations

from typing import Any

import pytest

from stanch.actions.registry import ACTIONS
from stanch.engine.errors import Refused
from stanch.engine.parts import Before, Change
from stanch.engine.ports import Object
from tests.unit import rollouts
from tests.unit.rollouts import autoscalers, before, template

SCALE = ACTIONS["scale"]
GOES, STAYS = {"whenScaled": "Delete"}, {"whenScaled": "Retain", "whenDeleted": "Delete"}
CLAIMS = [{"metadata": {"name": "data"}}]


def stateful(replicas: int, policy: Any, claims: Any = CLAIMS) -> Object:
    more = {"persistentVolumeClaimRetentionPolicy": policy} if policy else {}
    return rollouts.workload("StatefulSet", template("db:v1"), replicas=replicas, volumeClaimTemplates=claims, **more)


def scaled(was: int, goal: int, policy: Any, claims: Any = CLAIMS) -> tuple[Before, Change]:
    state = before(stateful(was, policy, claims), autoscalers())
    return state, SCALE.plan(state, SCALE.params(replicas=goal), "inc/1/more/scale")


def taken_back(state: Before, change: Change, seen: Object) -> Change | None:
    return SCALE.inverse(state, change, seen, "inc/1/more/scale/revert")


def test_taking_back_more_replicas_deletes_no_volumes() -> None:
    state, change = scaled(3, 5, GOES)
    with pytest.raises(Refused, match="DeletesVolumes"):
        taken_back(state, change, stateful(5, GOES))


def test_volumes_that_others_made_to_go_since_are_seen_when_it_is_taken_back() -> None:
    state, change = scaled(3, 5, STAYS)
    with pytest.raises(Refused, match="DeletesVolumes"):
        taken_back(state, change, stateful(5, GOES))


@pytest.mark.parametrize(
    ("was", "goal", "policy", "claims"), [(3, 5, STAYS, CLAIMS), (3, 5, None, CLAIMS), (3, 5, GOES, []), (5, 7, STAYS, [])]
)
def test_more_replicas_are_taken_back_where_volumes_stay(was: int, goal: int, policy: Any, claims: Any) -> None:
    state, change = scaled(was, goal, policy, claims)
    back = taken_back(state, change, stateful(goal, policy, claims))
    assert back is not None and back.patch["spec"] == {"replicas": was}


def test_fewer_replicas_are_taken_back_where_volumes_go() -> None:
    """It was done while they stayed: more of them delete nothing."""
    state, change = scaled(5, 3, STAYS)
    back = taken_back(state, change, stateful(3, GOES))
    assert back is not None and back.patch["spec"] == {"replicas": 5}


def test_what_is_back_already_needs_no_refusal() -> None:
    state, change = scaled(3, 5, GOES)
    assert taken_back(state, change, stateful(3, GOES)) is None

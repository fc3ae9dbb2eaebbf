"""`rolloutRestart`: one mark from the token, refused where it would not act (E-05)."""

from __future__ import annotations

import pytest

from stanch.actions.rollout_restart import ROLLOUT_RESTART, RestartParams
from stanch.domain.plan import Pin
from stanch.engine.errors import Conflict, Refused
from stanch.engine.parts import Before
from stanch.engine.workload import release_of, template_of
from tests.unit import rollouts
from tests.unit.acting import on
from tests.unit.memory import MemoryCluster
from tests.unit.memory.objects import merged
from tests.unit.rollouts import before, template

KINDS = sorted(ROLLOUT_RESTART.kinds)


def plan(state: Before, token: str = "inc-1.restart"):
    return ROLLOUT_RESTART.plan(state, RestartParams(), token)


@pytest.mark.requirement("E-05")
@pytest.mark.parametrize("kind", KINDS)
def test_a_second_try_of_the_same_step_changes_nothing_more(kind: str) -> None:
    target = rollouts.workload(kind, template("web:v1", kept="yes"))
    change = plan(before(target))
    once = merged(target, change.patch)
    assert template_of(once) != template_of(target)
    assert release_of(once) == release_of(target), "a restart is no new release"
    again = plan(before(once))
    assert merged(once, again.patch) == once
    assert again == change


def test_another_step_restarts_again() -> None:
    once = merged(target := rollouts.deployment(template("web:v1")), plan(before(target)).patch)
    twice = merged(once, plan(before(once), "inc-2.restart").patch)
    assert template_of(twice) != template_of(once)


@pytest.mark.requirement("E-05")
@pytest.mark.parametrize("kind", KINDS)
async def test_read_plan_and_apply_need_no_more_than_the_declared_rules(kind: str) -> None:
    target = rollouts.workload(kind, template("web:v1"))
    server = rollouts.server_with(target)
    ref = server.ref(target)
    server.grant("shop", "fixer", *ROLLOUT_RESTART.rules(RestartParams(), "shop", ref))
    account = server.add({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "fixer", "namespace": "shop"}})
    cluster = MemoryCluster(server, "shop", Pin(account.name, account.uid))
    state = await ROLLOUT_RESTART.read(on(cluster), ref, RestartParams())
    change, version = plan(state), state.target["metadata"]["resourceVersion"]
    await ROLLOUT_RESTART.apply(on(cluster), change, version)
    written = server.read(ref)
    assert ROLLOUT_RESTART.observe(written, "inc-1.restart")
    assert not ROLLOUT_RESTART.observe(written, "inc-2.restart")
    with pytest.raises(Conflict):
        await ROLLOUT_RESTART.apply(on(cluster), change, version)


async def test_an_object_that_was_created_anew_is_not_written() -> None:
    target = rollouts.deployment(template("web:v1"))
    change = plan(before({**target, "metadata": {**target["metadata"], "uid": "the-one-before"}}))
    server = rollouts.server_with(target)
    with pytest.raises(Refused):
        await ROLLOUT_RESTART.apply(on(MemoryCluster(server)), change, "100")


@pytest.mark.parametrize(
    ("kind", "spec", "reason"),
    [
        ("Deployment", {"paused": True}, "Paused"),
        ("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, "OnDelete"),
        ("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, "OnDelete"),
        ("StatefulSet", {"updateStrategy": {"rollingUpdate": {"partition": 4}}}, "Partitioned"),
    ],
)
def test_refused_where_no_pod_would_be_replaced(kind: str, spec: dict, reason: str) -> None:
    with pytest.raises(Refused) as refusal:
        plan(before(rollouts.workload(kind, template("web:v1"), **spec)))
    assert refusal.value.reason == reason


def test_refused_while_being_deleted() -> None:
    target = rollouts.deployment(template("web:v1"))
    target["metadata"]["deletionTimestamp"] = "2026-11-21T00:00:00Z"
    with pytest.raises(Refused, match="Terminating"):
        plan(before(target))


def test_a_restart_has_no_inverse_and_says_so() -> None:
    assert ROLLOUT_RESTART.inverse is None
    assert ROLLOUT_RESTART.irreversible

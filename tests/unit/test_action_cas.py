"""The actions that change single fields by compare-and-swap: what they need, what they take, and what they leave to others."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from stanch.actions.registry import ACTIONS
from stanch.domain.access import Rule
from stanch.domain.plan import Pin
from stanch.engine.errors import Conflict, NotFound, Refused, Retryable
from stanch.engine.parts import Before, Change, EffectClass, RevertConflict
from stanch.engine.ports import Object
from tests.unit import rollouts
from tests.unit.acting import on
from tests.unit.memory import MemoryCluster, MemoryServer
from tests.unit.memory.objects import merged
from tests.unit.rollouts import autoscaler, autoscalers, before, config_map, deployment, template

TOKEN = "inc-1.step"
DEPLOYMENT = deployment(template("web:v1"), replicas=2)
PAUSED = deployment(template("web:v1"), paused=True)
EXAMPLES: dict[str, tuple[dict[str, Any], Object]] = {
    "scale": ({"replicas": 5}, DEPLOYMENT),
    "setEnv": ({"set": {"MODE": "safe"}}, DEPLOYMENT),
    "setConfig": ({"data": {"read-only": "true"}}, config_map({"read-only": "false"})),
    "rolloutPause": ({}, DEPLOYMENT),
    "rolloutResume": ({}, PAUSED),
}


def planned(name: str, state: Before, **params: Any) -> Change:
    action = ACTIONS[name]
    return action.plan(state, action.params(**params), TOKEN)


def taken_back(name: str, state: Before, change: Change, seen: Object) -> Change | None:
    return ACTIONS[name].inverse(state, change, seen, f"{TOKEN}.revert")


def restricted(server: MemoryServer, *rules: Rule) -> MemoryCluster:
    """The cluster as a ServiceAccount sees it that may do this and no more."""
    server.grant("shop", "fixer", *rules)
    account = server.add({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "fixer", "namespace": "shop"}})
    return MemoryCluster(server, "shop", Pin(account.name, account.uid))


@pytest.mark.parametrize("name", EXAMPLES)
async def test_read_plan_apply_and_take_back_need_no_more_than_the_declared_rules(name: str) -> None:
    params, target = EXAMPLES[name]
    action, server = ACTIONS[name], rollouts.server_with(target)
    ref, parsed = server.ref(target), action.params(**params)
    cluster = restricted(server, *action.rules(parsed, "shop", ref))
    state = await action.read(on(cluster), ref, parsed)
    change = action.plan(state, parsed, TOKEN)
    version = state.target["metadata"]["resourceVersion"]
    await action.apply(on(cluster), change, version)
    written = server.read(ref)
    assert action.observe(written, TOKEN)
    with pytest.raises(Conflict):
        await action.apply(on(cluster), change, version)
    inverse = action.inverse(state, change, written, f"{TOKEN}.revert")
    await action.apply(on(cluster), inverse, written["metadata"]["resourceVersion"])
    back = server.read(ref)
    assert back.get("spec") == target.get("spec") and back.get("data") == target.get("data")
    assert all(rule.names == (ref.name,) or rule.why for rule in action.rules(parsed, "shop", ref)), "wide ones say why"


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_writes_by_compare_and_swap_and_can_be_taken_back(name: str) -> None:
    action = ACTIONS[name]
    assert action.effect_class is EffectClass.cas
    assert action.inverse is not None and action.irreversible == ""


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("spoil", ["controlled", "flux", "argo", "deleted"])
def test_what_somebody_else_keeps_or_deletes_is_refused(name: str, spoil: str) -> None:
    params, target = EXAMPLES[name]
    metadata = {
        "controlled": {"ownerReferences": [{"kind": "Shop", "name": "main", "uid": "u", "controller": True}]},
        "flux": {"labels": {"helm.toolkit.fluxcd.io/name": "shop"}},
        "argo": {"labels": {"argocd.argoproj.io/instance": "shop"}},
        "deleted": {"deletionTimestamp": "2026-11-21T00:00:00Z"},
    }[spoil]
    state = before({**target, "metadata": {**target["metadata"], **metadata}}, autoscalers())
    with pytest.raises(Refused) as refusal:
        planned(name, state, **params)
    assert refusal.value.reason == ("Terminating" if spoil == "deleted" else "OwnedByReconciler")


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("scale", {}),
        ("scale", {"replicas": 1, "by": 1}),
        ("scale", {"replicas": -1}),
        ("scale", {"replicas": 10_001}),
        ("scale", {"percent": 1001}),
        ("scale", {"by": 1, "min": 3, "max": 2}),
        ("scale", {"replicas": "5"}),
        ("scale", {"replicas": 5, "force": True}),
        ("setEnv", {}),
        ("setEnv", {"set": {"A": "1"}, "remove": ["A"]}),
        ("setEnv", {"set": {"A=B": "1"}}),
        ("setEnv", {"set": {"A": 1}}),
        ("setEnv", {"set": {"A": "x" * 1025}}),
        ("setEnv", {"set": {f"A{count}": "" for count in range(17)}}),
        ("setConfig", {}),
        ("setConfig", {"data": {"a": "1"}, "remove": ["a"]}),
        ("setConfig", {"data": {"../a": "1"}}),
        ("setConfig", {"data": {"a": "x" * 8193}}),
        ("setConfig", {"data": {"a": "1"}, "restart": ["App"]}),
        ("setConfig", {"restart": ["app"]}),
        ("rolloutPause", {"for": "1h"}),
        ("rolloutResume", {"at": "now"}),
    ],
)
def test_parameters_that_say_too_little_or_too_much_are_refused(name: str, params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ACTIONS[name].params.model_validate(params, strict=True)


@pytest.mark.parametrize("name", EXAMPLES)
def test_their_counterparts_are_taken(name: str) -> None:
    ACTIONS[name].params.model_validate(EXAMPLES[name][0], strict=True)


# scale: who else scales


async def scale_beside(*found: Object, rules: tuple[Rule, ...] | None = None) -> Before:
    action, server = ACTIONS["scale"], rollouts.server_with(DEPLOYMENT, *found)
    ref, params = server.ref(DEPLOYMENT), action.params(replicas=5)
    cluster = restricted(server, *(action.rules(params, "shop", ref) if rules is None else rules))
    return await action.read(on(cluster), ref, params)


async def test_autoscalers_of_others_are_none_of_ours() -> None:
    others = (
        autoscaler(1, 9, name="another-kind", kind="StatefulSet"),
        autoscaler(1, 9, name="another-group", apiVersion="argoproj.io/v1alpha1"),
    )
    elsewhere = autoscaler(1, 9)
    elsewhere["metadata"]["namespace"] = "warehouse"
    state = await scale_beside(*others, elsewhere)
    assert state.related == (autoscalers(),)
    assert planned("scale", state, replicas=5).patch["spec"] == {"replicas": 5}


async def test_an_autoscaler_of_the_target_is_named() -> None:
    state = await scale_beside(autoscaler(2, 10, name="web-load"))
    with pytest.raises(Refused, match="HorizontalPodAutoscaler web-load, which keeps it between 2 and 10") as refusal:
        planned("scale", state, replicas=5)
    assert refusal.value.reason == "OwnedByReconciler"


async def test_not_being_allowed_to_see_autoscalers_counts_as_owned() -> None:
    state = await scale_beside(rules=(Rule(("get", "patch"), "apps", "deployments", ("web",)),))
    with pytest.raises(Refused, match=r"list horizontalpodautoscalers\.autoscaling in namespace shop") as refusal:
        planned("scale", state, replicas=5)
    assert refusal.value.reason == "OwnedByReconciler"


async def test_a_server_that_does_not_answer_about_autoscalers_is_asked_again() -> None:
    server = rollouts.server_with(DEPLOYMENT)

    def silent(verb: str, ref: Any) -> None:
        if ref.kind == "HorizontalPodAutoscaler":
            raise Retryable("Timeout", "no answer")

    server.before_read.append(silent)
    with pytest.raises(Retryable):
        await ACTIONS["scale"].read(on(MemoryCluster(server)), server.ref(DEPLOYMENT), ACTIONS["scale"].params(replicas=5))


KEDA = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "web-load"}
OTHER = {"apiVersion": "acme.example/v1", "kind": "Shop", "name": "main"}


@pytest.mark.parametrize(
    ("now", "goal", "found", "refused"),
    [
        (2, 0, autoscaler(1, 9), ""),
        (2, 0, autoscaler(3, 3), ""),
        (2, 0, autoscaler(0, 9), "keeps it between 0 and 9"),
        (2, 0, autoscaler(1, 9, owner=OTHER), "of Shop main"),
        (2, 0, autoscaler(1, 9, owner=KEDA), "ScaledObject web-load"),
        (0, 2, autoscaler(1, 9), "once woken"),
        (2, 3, autoscaler(3, 3), "keeps it at 3"),
    ],
)
def test_only_at_zero_an_autoscaler_rests(now: int, goal: int, found: Object, refused: str) -> None:
    state = before(deployment(template("web:v1"), replicas=now), autoscalers(found))
    if not refused:
        assert "rests while replicas is 0" in planned("scale", state, replicas=goal).why
        return
    with pytest.raises(Refused, match=refused):
        planned("scale", state, replicas=goal)


@pytest.mark.parametrize(
    ("now", "params", "goal"),
    [
        (4, {"by": 2}, 6),
        (4, {"by": -9}, 0),
        (4, {"by": -2, "min": 3}, 3),
        (3, {"percent": 50}, 2),
        (3, {"percent": 0}, 0),
        (3, {"percent": 200, "max": 5}, 5),
        (3, {"replicas": 9, "max": 5}, 5),
        (9_999, {"by": 5}, 10_000),
    ],
)
def test_how_many(now: int, params: dict[str, Any], goal: int) -> None:
    change = planned("scale", before(deployment(template("web:v1"), replicas=now), autoscalers()), **params)
    assert change.patch["spec"]["replicas"] == goal
    assert change.summary == f"replicas {now} -> {goal}"


@pytest.mark.parametrize(
    ("now", "params", "reason"),
    [
        (8, {"by": 2, "max": 5}, "OutOfBounds"),
        (2, {"percent": 50, "min": 3}, "OutOfBounds"),
        (5, {"by": 2, "max": 5}, "NothingToChange"),
        (0, {"percent": 300}, "NothingToChange"),
    ],
)
def test_a_bound_never_turns_more_into_fewer(now: int, params: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as refusal:
        planned("scale", before(deployment(template("web:v1"), replicas=now), autoscalers()), **params)
    assert refusal.value.reason == reason


def test_volumes_that_stay_let_a_set_shrink() -> None:
    claims = {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}
    kept = rollouts.workload(
        "StatefulSet", template("db:v1"), **claims, persistentVolumeClaimRetentionPolicy={"whenScaled": "Retain"}
    )
    assert planned("scale", before(kept, autoscalers()), replicas=1).patch["spec"]["replicas"] == 1
    gone = rollouts.workload(
        "StatefulSet", template("db:v1"), **claims, persistentVolumeClaimRetentionPolicy={"whenScaled": "Delete"}
    )
    assert planned("scale", before(gone, autoscalers()), replicas=9).patch["spec"]["replicas"] == 9, "growing deletes nothing"


# Conflicts, as people read them


def test_a_conflict_names_the_field_what_stanch_wrote_and_what_is_there() -> None:
    state = before(config_map({"read-only": "false"}))
    change = planned("setConfig", state, data={"read-only": "true", "notice": "x" * 100})
    seen = merged(state.target, {**change.patch, "data": {"read-only": "maybe", "notice": "theirs"}})
    with pytest.raises(RevertConflict) as conflict:
        taken_back("setConfig", state, change, seen)
    said = str(conflict.value)
    assert said.startswith('configmap/flags was changed by somebody since: notice is "theirs", stanch wrote "xxx')
    assert 'read-only is "maybe", stanch wrote "true"' in said
    assert "x" * 61 not in said


def test_a_conflict_does_not_tell_what_may_be_a_secret() -> None:
    state = before(DEPLOYMENT)
    change = planned("setEnv", state, set={"DB_URL": "none"})
    theirs = {"name": "app", "image": "web:v1", "env": [{"name": "DB_URL", "value": "postgres://shop:hunter2@db/shop"}]}
    seen = merged(merged(state.target, change.patch), {"spec": {"template": {"spec": {"containers": [theirs]}}}})
    with pytest.raises(RevertConflict, match='app/DB_URL is \\(not shown\\), stanch wrote "none"') as conflict:
        taken_back("setEnv", state, change, seen)
    assert "hunter2" not in str(conflict.value)


def test_one_field_in_conflict_keeps_all_others_as_they_are() -> None:
    state = before(config_map({"a": "1", "b": "1"}))
    change = planned("setConfig", state, data={"a": "2", "b": "2"})
    seen = merged(state.target, {"data": {"a": "3", "b": "2"}})
    with pytest.raises(RevertConflict):
        taken_back("setConfig", state, change, seen)


def test_only_what_is_not_back_already_is_taken_back() -> None:
    state = before(config_map({"a": "1", "b": "1"}))
    change = planned("setConfig", state, data={"a": "2", "b": "2"})
    seen = merged(state.target, {"data": {"a": "1", "b": "2"}})
    assert taken_back("setConfig", state, change, seen).patch["data"] == {"b": "1"}


def test_a_variable_of_a_container_that_is_gone_cannot_come_back() -> None:
    pods = template("web:v1")
    pods["spec"]["containers"][0]["env"] = [{"name": "DEBUG", "value": "1"}]
    state = before(deployment(pods))
    change = planned("setEnv", state, remove=["DEBUG"])
    seen = merged(state.target, {"spec": {"template": {"spec": {"containers": [{"name": "other", "image": "web:v2"}]}}}})
    with pytest.raises(RevertConflict, match="has no container app any more"):
        taken_back("setEnv", state, change, seen)
    added = planned("setEnv", state, set={"MODE": "safe"})
    assert taken_back("setEnv", state, added, seen) is None, "what was added went with its container"


def test_a_variable_replaced_by_a_reference_is_a_conflict() -> None:
    state = before(DEPLOYMENT)
    change = planned("setEnv", state, set={"MODE": "safe"})
    reference = {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "flags", "key": "mode"}}}
    mine = {"name": "app", "image": "web:v1", "env": [reference]}
    seen = merged(state.target, {"spec": {"template": {"spec": {"containers": [mine]}}}})
    with pytest.raises(RevertConflict, match="app/MODE is a reference"):
        taken_back("setEnv", state, change, seen)


def test_a_config_map_that_would_outgrow_the_server_is_refused() -> None:
    with pytest.raises(Refused, match="TooLarge"):
        planned("setConfig", before(config_map({"big": "x" * (1024 * 1024 - 100)})), data={"more": "y" * 200})


def test_pausing_and_resuming_are_each_others_inverse() -> None:
    running, held = before(DEPLOYMENT), before(PAUSED)
    pause, resume = planned("rolloutPause", running), planned("rolloutResume", held)
    assert taken_back("rolloutPause", running, pause, merged(DEPLOYMENT, pause.patch)).patch["spec"] == resume.patch["spec"]
    assert taken_back("rolloutResume", held, resume, merged(PAUSED, resume.patch)).patch["spec"] == pause.patch["spec"]


async def test_a_target_that_is_gone_is_said() -> None:
    for name, (params, target) in EXAMPLES.items():
        server = MemoryServer()
        with pytest.raises(NotFound):
            await ACTIONS[name].read(on(MemoryCluster(server)), server.ref(target), ACTIONS[name].params(**params))

"""What a playbook says -> the plan's steps and checks: on exactly these objects, with these values, facts left for later."""

from __future__ import annotations

from typing import Any

import pytest

from stanch.domain.plan import Check, FactType, Plan
from stanch.engine.errors import Refused
from tests.unit.bad_input import VICTIM, Object, Pair, good
from tests.unit.planning import planned

ASK = {"name": "mode", "object": {"target": "flags", "value": "object.data.mode"}}
HAS = {"object": {"target": "flags", "expect": "has(object.data)"}}


def workload(name: str) -> Object:
    template = {"metadata": {"labels": {"name": name}}, "spec": {"containers": [{"name": "app", "image": "app:v1"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"name": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {"app": "web"}}, "spec": spec}


def says(**spec: Any) -> Pair:
    pair = good()
    pair.spec.update(spec)
    return pair


def with_step(**said: Any) -> Pair:
    pair = good()
    pair.step.update(said)
    return pair


def names(checks: tuple[Check, ...]) -> list[str]:
    return [check.name for check in checks]


async def refused(pair: Pair, *more: Object) -> str:
    with pytest.raises(Refused) as error:
        await planned(pair, *more)
    return str(error.value)


async def test_a_step_says_all_that_the_engine_needs() -> None:
    pair = with_step(
        when="params.few > 2", timeout="5m", smoke=[HAS | {"within": "5s"}], revert={"after": "1h", "onRecovery": False}
    )
    (step,) = (await planned(pair)).options[0].steps
    assert (step.name, step.action, step.target, step.when) == ("set", "setConfig", "flags", "params.few > 2")
    assert (step.reversible, step.writes, step.at_most_once) == (True, True, False)
    assert step.revert is not None and step.revert.after is not None
    assert (step.revert.after.total_seconds(), step.revert.on_recovery) == (3600, False)
    assert names(step.smoke) == ["set-object"] and step.smoke[0].within.total_seconds() == 5


async def test_waiting_and_asking_write_nothing_and_need_no_target() -> None:
    pair = good()
    pair.option["steps"] = [
        {"name": "settle", "expect": "a", "wait": {"for": "90s"}},
        {"name": "ask", "expect": "b", "askPerson": {"role": "dba", "question": "is it safe?"}},
    ]
    settle, ask = (await planned(pair)).options[0].steps
    assert settle.pause is not None and settle.pause.total_seconds() == 90 and not settle.writes
    assert (ask.role, ask.writes, ask.target) == ("dba", False, "")


async def test_each_object_has_a_step_and_a_check_of_its_own() -> None:
    pair = says(targets=[{"name": "flags", "kind": "ConfigMap", "selector": {"matchLabels": {"app": "shop"}}, "maxCount": 2}])
    option = (await planned(pair)).options[0]
    assert [(step.name, step.target) for step in option.steps] == [
        ("set.bystander", "flags.bystander"), ("set.victim", "flags.victim"),
    ]  # fmt: skip
    assert names(option.verify) == ["object.bystander", "object.victim"]


async def test_who_reads_a_switch_is_restarted_after_it_and_only_then_smoked() -> None:
    pair = with_step(smoke=[HAS], revert={"after": "1h"})
    pair.spec["targets"].append({"name": "web", "kind": "Deployment", "selector": {"matchLabels": {"app": "web"}}, "maxCount": 2})
    pair.step["setConfig"]["restart"] = ["web"]
    steps = (await planned(pair, workload("a"), workload("b"))).options[0].steps
    assert [(step.name, step.follows, step.revert is not None, len(step.smoke)) for step in steps] == [
        ("set", "", True, 0), ("set-restart-1", "set", False, 0), ("set-restart-2", "set", False, 1),
    ]  # fmt: skip
    assert [step.action for step in steps] == ["setConfig", "rolloutRestart", "rolloutRestart"]


def unbound(plan: Plan) -> list[tuple[str, ...]]:
    return [part.unbound for option in plan.options for part in (*option.steps, *option.verify)]


async def test_what_speaks_of_facts_waits_at_its_place_and_the_rest_is_filled_in() -> None:
    pair = says(diagnosis=[ASK])
    pair.step["setConfig"]["data"] = {"mode": "${params.mode}", "was": "it was ${facts.mode}"}
    plan = await planned(pair)
    assert plan.options[0].steps[0].params["data"] == {"mode": "normal", "was": "it was ${facts.mode}"}
    assert unbound(plan) == [("/data/was",), ()]
    assert [(check.name, check.fact) for check in plan.diagnosis] == [("mode", FactType.String)]


async def test_a_question_about_several_objects_has_no_one_answer() -> None:
    pair = says(diagnosis=[ASK])
    pair.spec["targets"] = [{"name": "flags", "kind": "ConfigMap", "selector": {"matchLabels": {"app": "shop"}}, "maxCount": 2}]
    assert "FactAmbiguous: diagnosis mode: flags is 2 objects, expected one" in await refused(pair)


async def test_who_must_confirm_does_not_depend_on_what_is_found() -> None:
    pair = says(diagnosis=[ASK])
    pair.option["steps"] = [{"name": "ask", "expect": "b", "askPerson": {"role": "${facts.mode}", "question": "is it safe?"}}]
    assert "a role; who must confirm is known beforehand" in await refused(pair)


async def test_a_value_that_its_action_does_not_take_is_refused_without_being_shown() -> None:
    pair = good()
    pair.gives(note="s3cret " * 100)
    pair.option["verify"] = [
        {"object": {"apiVersion": "v1", "kind": "ConfigMap", "objectName": "${params.note}", "expect": "true"}}
    ]
    why = await refused(pair)
    assert why.startswith("TemplateInvalid: option switch, check object.objectName: ") and "s3cret" not in why


async def test_recovery_and_false_alarm_become_part_of_the_plan() -> None:
    pair = says(diagnosis=[ASK], falseAlarmWhen="facts.mode == 'normal'", recovery={"verify": [HAS], "watchFor": "10m"})
    plan = await planned(pair)
    assert plan.false_alarm == "facts.mode == 'normal'"
    assert (names(plan.recovery.verify), plan.recovery.watch_for.total_seconds()) == (["recovery-object"], 600)
    assert plan.target("flags").name == VICTIM

"""Targets and what a plan makes of them: one step and one check an object, under names that a status takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stanch.api.playbook import Target as TargetSpec
from stanch.domain.incident import Phase
from stanch.domain.plan import Target
from stanch.engine.errors import Refused
from stanch.engine.ports import Object
from stanch.runtime.rendering import scope_of
from stanch.runtime.targets import NAME, of_object, resolve_targets
from tests.unit.memory import MemoryClusters, MemoryServer
from tests.unit.play import facts
from tests.unit.world import NAMESPACE, Life, Site, quick

LONG = "a-deployment-with-a-name-" + "x" * 200
BY_LABEL = {"matchLabels": {"app": "aureus"}}


def workload(name: str, namespace: str = NAMESPACE, app: str = "aureus") -> Object:
    labels = {"app": app}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app:v1"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"name": name[:63]}}, "template": template}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec,
            "status": {"observedGeneration": 100}}  # fmt: skip


async def resolved(*there: Object, component: str = "frontend", **spec: Any) -> tuple[Target, ...]:
    server = MemoryServer()
    for item in there:
        server.add(item)
    target = TargetSpec.model_validate({"name": "app", "kind": "Deployment", **spec})
    about = replace(facts(), component=component)
    found = await resolve_targets(MemoryClusters(server).own, about, [target], scope_of(about, {}, ()))
    return found["app"]


async def test_by_name_and_by_a_fact_of_the_incident() -> None:
    for spec in ({"objectName": "web"}, {"nameFrom": "${incident.component}"}):
        (target,) = await resolved(workload("web"), workload("db"), component="web", **spec)
        assert (target.name, target.ref.name) == ("app", "web") and target.ref.uid, "pinned by UID"


async def test_by_labels_each_object_by_its_name_and_none_of_another_namespace() -> None:
    there = (workload("b"), workload("a"), workload("c", app="other"), workload("d", namespace="elsewhere"))
    found = await resolved(*there, selector=BY_LABEL, maxCount=5)
    assert [target.name for target in found] == ["app.a", "app.b"]
    assert [target.name for target in await resolved(*there[1:], selector=BY_LABEL)] == ["app"]


@pytest.mark.parametrize(("spec", "reason"), [
    ({"objectName": "web"}, "TargetNotFound"),
    ({"selector": {"matchLabels": {"app": "nothing"}}}, "TargetNotFound"),
    ({"selector": BY_LABEL, "maxCount": 1}, "TooManyTargets"),
    ({"nameFrom": "${incident.labels.service}"}, "NameUnknown"),
])  # fmt: skip
async def test_refused_and_never_guessed(spec: Object, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        await resolved(workload("a"), workload("b"), **spec)
    assert refused.value.reason == reason and refused.value.message


def test_names_are_bounded_and_two_objects_do_not_get_one() -> None:
    names = {of_object("t" * NAME, f"{LONG}{number}", several=True) for number in range(50)}
    assert len(names) == 50 and all(len(name) <= NAME for name in names)
    assert of_object("app", LONG, several=True) == of_object("app", LONG, several=True)
    assert of_object("app", LONG, several=False) == "app"


def on_every_object(playbook: Object) -> None:
    quick(playbook)
    playbook["spec"]["targets"] = [{"name": "app", "kind": "Deployment", "selector": BY_LABEL, "maxCount": 20}]
    for option in playbook["spec"]["options"]:
        option["verify"][0]["within"] = "5s"


async def test_objects_with_the_longest_names_are_each_restarted_and_told_apart() -> None:
    site = Site(on_every_object)
    for number in range(2):
        site.server.add(workload(f"{LONG}{number}"))
    await Life(site).live()
    assert site.status.phase is Phase.Escalated, "nobody rolls the other two out here"
    restarted = [step for step in site.status.steps if step.option == "restart"]
    assert len({step.name for step in restarted}) == len({step.token for step in restarted}) == 3
    assert all(step.state == "Done" and len(step.token) <= 253 for step in restarted)


def checked_twice(playbook: Object) -> None:
    on_every_object(playbook)
    for option in playbook["spec"]["options"]:
        option["verify"].append({"name": "ready", "readyShare": {"target": "app", "atLeast": 50}})


async def test_plan_with_more_steps_or_checks_than_a_status_takes_is_refused_with_a_reason() -> None:
    """Found out later, it could not even be written down that it went wrong."""
    site = Site(checked_twice)
    for number in range(17):
        site.server.add(workload(f"web-{number}"))
    assert await Life(site).tick() == 30.0
    assert site.status.phase is Phase.Waiting and site.status.waits_for == "alice"
    assert site.status.reason == "PlanTooLarge" and "37 checks" in site.status.message

"""What playbooks say of who owns their targets: what that needs, where, and what is said of one that names nobody."""

from __future__ import annotations

from typing import Any

import pytest

from stanch.api.access import Grant, grants
from stanch.api.kinds import PlaybookSpec
from stanch.api.lint import lint
from stanch.api.needs import user_of
from stanch.cli.rbac import Subject, objects, render
from stanch.engine.ports import Object
from tests.unit.api_examples import playbook
from tests.unit.memory import MemoryServer
from tests.unit.permitted import permit, rules
from tests.unit.test_permissions import lacks

SHOP = {"kind": "Application", "namespace": "argocd", "name": "shop"}
SCALE = {"scale": {"target": "app", "replicas": 1}}


def owned(owner: Any = SHOP, conflict: str = "SuspendOwner", **action: Any) -> Object:
    made = playbook()
    spec = made["spec"]
    spec["targets"] = [{"name": "app", "kind": "Deployment", "objectName": "web"} | ({"owner": owner} if owner else {})]
    steps = [{"name": "fewer", "expect": "it helps", "onOwnerConflict": conflict, **(action or SCALE)}]
    spec["options"] = [{"name": "only", "steps": steps, "verify": [{"rollout": {"target": "app"}}]}]
    return made


def needed(made: Object) -> list[Grant]:
    found = grants(PlaybookSpec.model_validate(made["spec"]), "aureus")
    return [grant for grant in found if grant.resource in ("applications", "kustomizations", "helmreleases")]


def subject(made: Object) -> Subject:
    return Subject("frontend-down", "aureus", PlaybookSpec.model_validate(made["spec"]), "stanch-system")


def test_the_owner_that_is_named_and_no_other_in_its_namespace() -> None:
    assert needed(owned()) == [Grant("argoproj.io", "applications", ("get", "patch"), ("shop",), (), "argocd")]


def test_without_a_name_it_is_wider_and_says_so() -> None:
    (grant,) = needed(owned({"kind": "HelmRelease"}))
    assert (grant.names, grant.namespace) == ((), "flux-system")
    assert grant.why == ("which HelmRelease owns target app is read from the target",)


def test_in_its_own_namespace_it_is_one_role_with_the_rest() -> None:
    (grant,) = needed(owned({"kind": "Kustomization", "namespace": "aureus", "name": "shop"}))
    assert grant.namespace == ""


def test_where_no_step_suspends_nothing_is_needed() -> None:
    assert needed(owned(conflict="Fail")) == []


def test_rbac_prints_a_role_for_where_the_owner_is() -> None:
    *_, role, binding = objects(subject(owned()))
    assert role["metadata"] == binding["metadata"] == {"name": "stanch-playbook-aureus-frontend-down", "namespace": "argocd"}
    assert role["rules"] == [
        {"apiGroups": ["argoproj.io"], "resources": ["applications"], "resourceNames": ["shop"], "verbs": ["get", "patch"]}
    ]
    (who,) = binding["subjects"]
    assert (who["kind"], who["namespace"]) == ("ServiceAccount", "aureus")
    own = objects(subject(owned()))[1]
    assert all("argoproj.io" not in rule["apiGroups"] for rule in own["rules"]), "not in the playbook's namespace"
    assert "in namespace argocd" in render(subject(owned()))


@pytest.mark.parametrize(
    "made",
    [owned(None), owned(runJob={"image": "tools:v1"}), owned(None, rolloutRestart={"target": "app"})],
    ids=["no owner", "no target", "none of this one"],
)
def test_a_step_that_could_suspend_nobody_is_an_error(made: Object) -> None:
    found = [str(problem) for problem in lint(PlaybookSpec.model_validate(made["spec"]))]
    assert any("onOwnerConflict: there is no owner that could be suspended" in problem for problem in found), found


def test_of_one_that_names_its_owner_nothing_is_said() -> None:
    found = [str(problem) for problem in lint(PlaybookSpec.model_validate(owned()["spec"]))]
    assert not any("onOwnerConflict" in problem for problem in found)


async def test_what_is_missing_where_the_owner_is_is_named_beforehand() -> None:
    """A right in the playbook's own namespace is none in the owner's."""
    server, made = MemoryServer(), owned()
    made["metadata"] = {"name": "frontend-down", "namespace": "aureus"}
    wanted = permit(server, made)
    server.restrict(user_of("aureus", wanted.account))
    server.grant("aureus", wanted.account, *rules(wanted.granted))
    (lack,) = await lacks(server, wanted)
    assert lack.message.endswith('may not get, patch applications.argoproj.io "shop" in namespace argocd')
    server.grant("aureus", wanted.account, *rules(wanted.granted), inside="argocd")
    assert await lacks(server, wanted) == []


def test_a_step_that_bears_the_name_of_the_one_that_suspends_is_an_error() -> None:
    """It would count as done before it was begun."""
    made = owned()
    steps = made["spec"]["options"][0]["steps"]
    steps.append(steps[0] | {"name": "fewer-owner", "onOwnerConflict": "Fail"})
    found = [str(problem) for problem in lint(PlaybookSpec.model_validate(made["spec"]))]
    assert any("fewer-owner is the name of the step that suspends its owner" in problem for problem in found), found

"""What a playbook's ServiceAccount is granted for its steps: as much as they need, and no wider than it says why."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from stanch.api.access import Grant, grants
from stanch.api.kinds import PlaybookSpec
from tests.unit.api_examples import playbook

SETTINGS = {"name": "settings", "kind": "ConfigMap", "objectName": "settings"}
WEB = {"name": "web", "kind": "Deployment", "objectName": "web"}
BINDING = {"name": "deployers", "kind": "RoleBinding", "objectName": "deployers"}
JOBS = {"name": "worker", "kind": "StatefulSet", "objectName": "worker"}


def granted(**action: Any) -> dict[tuple[str, str], list[Grant]]:
    """For one step."""
    spec = playbook()["spec"]
    option = {
        "name": "only",
        "steps": [{"name": "step", "expect": "it helps", **action}],
        "verify": [{"rollout": {"target": "web"}}],
    }
    targets = [SETTINGS, WEB, JOBS, BINDING]
    spec |= {"targets": targets, "options": [option], "evidence": {"collect": [{"describe": {"target": "web"}}]}}
    found: dict[tuple[str, str], list[Grant]] = {}
    for grant in grants(PlaybookSpec.model_validate(spec), "shop"):
        found.setdefault((grant.group, grant.resource), []).append(grant)
    return found


def patched(found: dict[tuple[str, str], list[Grant]], resource: str) -> set[str]:
    group = "" if resource == "configmaps" else "apps"
    return {name for grant in found.get((group, resource), []) if "patch" in grant.verbs for name in grant.names}


@pytest.mark.parametrize(
    ("restart", "deployments", "sets"), [([], set(), set()), (["web"], {"web"}, set()), (["web", "worker"], {"web"}, {"worker"})]
)
def test_who_reads_a_config_map_may_be_restarted_and_nobody_else(restart: list[str], deployments: set, sets: set) -> None:
    found = granted(setConfig={"target": "settings", "data": {"read-only": "true"}, "restart": restart})
    assert patched(found, "configmaps") == {"settings"}
    assert (patched(found, "deployments"), patched(found, "statefulsets")) == (deployments, sets)


@pytest.mark.parametrize(
    ("method", "verb"), [("GET", "get"), ("POST", "create"), ("PUT", "update"), ("PATCH", "patch"), ("DELETE", "delete")]
)
def test_a_call_is_narrowed_to_its_service_port_and_method(method: str, verb: str) -> None:
    found = granted(http={"service": "limits", "port": 8080, "path": "/limits/u1", "method": method})
    assert found["", "services/proxy"] == [Grant("", "services/proxy", (verb,), ("http:limits:8080",), ())]


def test_a_call_outside_needs_its_secret_alone() -> None:
    header = {"name": "Authorization", "secretRef": {"name": "api", "key": "token"}}
    found = granted(http={"url": "https://shop.example.com", "path": "/", "method": "POST", "secretHeaders": [header]})
    assert ("", "services/proxy") not in found
    assert found["", "secrets"] == [Grant("", "secrets", ("get",), ("api",), ())]


def test_a_command_needs_one_secret_and_the_pods() -> None:
    found = granted(exec={"target": "web", "argv": ["tee"], "stdin": {"secretRef": {"name": "db", "key": "password"}}})
    assert found["", "secrets"] == [Grant("", "secrets", ("get",), ("db",), ())]
    (run,) = found["", "pods/exec"]
    assert set(run.verbs) == {"create", "get"} and run.names == () and run.why


def test_an_incident_does_not_choose_the_secret() -> None:
    with pytest.raises(ValidationError, match="secretRef"):
        granted(exec={"target": "web", "argv": ["tee"], "stdin": {"secretRef": {"name": "${incident.component}", "key": "a"}}})


def test_a_service_that_the_incident_chooses_is_wide_and_says_so() -> None:
    (proxy,) = granted(http={"service": "${incident.labels.shop}", "port": 80, "path": "/", "method": "GET"})["", "services/proxy"]
    assert proxy.names == () and "known only when the Incident is there" in proxy.why[0]


def test_a_job_brings_no_access_to_the_secrets_of_its_environment() -> None:
    env = [{"name": "PASSWORD", "secretRef": {"name": "db", "key": "password"}}]
    found = granted(runJob={"image": "tools:v1", "env": env})
    assert ("", "secrets") not in found
    assert {verb for grant in found["batch", "jobs"] for verb in grant.verbs} == {"create", "get"}


@pytest.mark.parametrize("action", [{"wait": {"for": "1m"}}, {"askPerson": {"role": "scribe", "question": "So?"}}])
def test_what_does_nothing_needs_nothing(action: Any) -> None:
    bare = granted(setConfig={"target": "settings", "data": {"a": "b"}})
    found = granted(**action)
    assert not patched(found, "configmaps") and found.keys() <= bare.keys()


@pytest.mark.requirement("A-12")
@pytest.mark.parametrize(("kind", "read"), [("Role", ("bind", "get")), ("ClusterRole", ("bind",))])
def test_access_is_given_back_by_bind_on_its_one_role(kind: str, read: tuple[str, ...]) -> None:
    found = granted(revokeAccess={"target": "deployers", "role": {"kind": kind, "name": "deployer"}})
    group = "rbac.authorization.k8s.io"
    assert found[group, f"{kind.lower()}s"] == [Grant(group, f"{kind.lower()}s", read, ("deployer",), ())]
    wide, single = found[group, "rolebindings"]
    assert (wide.verbs, wide.names) == (("create",), ()) and "of roles that it may bind only" in wide.why[0]
    assert (single.verbs, single.names) == (("delete", "get", "patch"), ("deployers",))

"""Who opens an Incident, and who changes it, is proven by the API server. Beside each refusal stands what is let through."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.installed import Object, allowed, create, grant, install, refused, rule, until
from tests.unit import api_examples as examples

ALICE, GROUP = "--as=alice", "stanch.dev"
CREATE = rule(GROUP, "incidents", "create", "get", "patch", "delete")
RUN_ONE = rule(GROUP, "playbooks", "run", names=("frontend-down",))
RUN_ALL = rule(GROUP, "playbooks", "run")
RUN_ELSE = rule(GROUP, "playbooks", "run", names=("other",))
NAMED = {"playbookRef": {"name": "frontend-down"}}
POINTS_ELSEWHERE = ('{"spec":{"component":"payments"}}', '{"spec":{"playbookRef":null}}', '{"metadata":{"labels":{"a":"b"}}}')
USE = rule(GROUP, "responsepolicies", "use", names=("drills",))
UNDER = {"policyRef": {"name": "drills"}}


@pytest.fixture(scope="module", autouse=True)
def stanch(cluster: Any) -> None:
    install(cluster)


def incident(**spec: object) -> Object:
    obj = examples.incident()
    obj["spec"] |= spec
    return obj


def patch(cluster: Any, namespace: str, body: str, *arguments: str) -> None:
    cluster.kubectl("-n", namespace, "patch", "incident/frontend-502", "--type=merge", "-p", body, *arguments)


def test_who_may_run_the_playbook_opens_with_it(cluster: Any, namespace: str) -> None:
    grant(cluster, namespace, "alice", CREATE, RUN_ONE)
    assert create(cluster, namespace, incident(**NAMED), ALICE)["spec"]["openedBy"] == "alice"


def test_who_may_not_does_not(cluster: Any, namespace: str) -> None:
    grant(cluster, namespace, "alice", CREATE, RUN_ONE)
    with refused(r"'alice' may not run playbook 'other' in namespace .*resourceNames \[other\], verbs \[run\]"):
        create(cluster, namespace, incident(playbookRef={"name": "other"}), ALICE)


def test_without_a_name_every_playbook_must_be_allowed(cluster: Any, namespace: str) -> None:
    grant(cluster, namespace, "alice", CREATE, RUN_ONE)
    with refused("'alice' may not run every playbook .* or name one in spec.playbookRef"):
        create(cluster, namespace, incident(), ALICE)
    grant(cluster, namespace, "alice", CREATE, RUN_ALL)
    assert create(cluster, namespace, incident(), ALICE)["kind"] == "Incident"


def test_nobody_opens_in_another_name(cluster: Any, namespace: str) -> None:
    grant(cluster, namespace, "alice", CREATE, RUN_ALL)
    with refused("spec.openedBy is 'bob', but you are 'alice': set spec.openedBy to your own name"):
        create(cluster, namespace, incident(openedBy="bob"), ALICE)


def test_who_opened_it_stays(cluster: Any, namespace: str) -> None:
    grant(cluster, namespace, "alice", CREATE, RUN_ALL)
    create(cluster, namespace, incident(), ALICE)
    with refused("openedBy is fixed when the object is created"):
        patch(cluster, namespace, '{"spec":{"openedBy":"bob"}}', ALICE)


@pytest.mark.parametrize("change", POINTS_ELSEWHERE)
def test_who_points_it_elsewhere_must_be_allowed_to(cluster: Any, namespace: str, change: str) -> None:
    grant(cluster, namespace, "alice", CREATE, RUN_ALL)
    create(cluster, namespace, incident(**NAMED), ALICE)
    grant(cluster, namespace, "alice", CREATE, RUN_ELSE)
    until(lambda: not allowed(cluster, namespace, "alice", RUN_ONE))
    with refused("'alice' may not run"):
        patch(cluster, namespace, change, ALICE)
    grant(cluster, namespace, "alice", CREATE, RUN_ALL)
    patch(cluster, namespace, change, ALICE)


@pytest.mark.parametrize("change", POINTS_ELSEWHERE)
def test_nobody_but_who_opened_it_points_it_elsewhere(cluster: Any, namespace: str, change: str) -> None:
    """Else somebody else has it do what they want, and approves that as the second person."""
    grant(cluster, namespace, "alice", CREATE, RUN_ALL)
    grant(cluster, namespace, "bob", CREATE, RUN_ALL)
    create(cluster, namespace, incident(**NAMED), ALICE)
    for who in (["--as=bob"], []):
        with refused("'alice' opened it, and you are '.*': spec and labels of an Incident are changed by nobody else"):
            patch(cluster, namespace, change, *who)
    patch(cluster, namespace, change, ALICE)


def test_finalizers_and_annotations_are_the_operators_business(cluster: Any, namespace: str) -> None:
    grant(cluster, namespace, "alice", CREATE, RUN_ALL)
    grant(cluster, namespace, "bob", CREATE)
    create(cluster, namespace, incident(), ALICE)
    for change in ('{"metadata":{"annotations":{"a":"b"}}}', '{"metadata":{"finalizers":["stanch.dev/a"]}}'):
        patch(cluster, namespace, change, "--as=bob")
    patch(cluster, namespace, '{"metadata":{"finalizers":null}}', "--as=bob")


# Under which policy


def test_who_may_use_the_policy_opens_under_it(cluster: Any, namespace: str) -> None:
    grant(cluster, namespace, "alice", CREATE, RUN_ALL, USE)
    assert create(cluster, namespace, incident(**UNDER), ALICE)["spec"]["policyRef"] == {"name": "drills"}
    patch(cluster, namespace, '{"spec":{"impact":"half of the users"}}', ALICE)


def test_who_may_not_use_it_leaves_it_to_the_namespace(cluster: Any, namespace: str) -> None:
    """Else they pick the one with the widest limits, and who approves."""
    grant(cluster, namespace, "alice", CREATE, RUN_ALL)
    with refused(r"'alice' may not use responsepolicy 'drills' in namespace .*leave spec.policyRef out.*verbs \[use\]"):
        create(cluster, namespace, incident(**UNDER), ALICE)
    assert "policyRef" not in create(cluster, namespace, incident(), ALICE)["spec"]


def test_another_policy_must_be_allowed_too(cluster: Any, namespace: str) -> None:
    grant(cluster, namespace, "alice", CREATE, RUN_ALL, USE)
    with refused("'alice' may not use responsepolicy 'wide'"):
        create(cluster, namespace, incident(policyRef={"name": "wide"}), ALICE)


def test_who_may_use_it_elsewhere_may_not_here(cluster: Any, namespace: str, other: str) -> None:
    grant(cluster, other, "alice", CREATE, RUN_ALL, USE)
    grant(cluster, namespace, "alice", CREATE, RUN_ALL)
    assert create(cluster, other, incident(**UNDER), ALICE)["kind"] == "Incident"
    with refused(f"'alice' may not use responsepolicy 'drills' in namespace {namespace}"):
        create(cluster, namespace, incident(**UNDER), ALICE)


def test_the_right_is_asked_for_again_with_each_change(cluster: Any, namespace: str) -> None:
    grant(cluster, namespace, "alice", CREATE, RUN_ALL, USE)
    create(cluster, namespace, incident(**UNDER), ALICE)
    grant(cluster, namespace, "alice", CREATE, RUN_ALL)
    until(lambda: not allowed(cluster, namespace, "alice", USE))
    with refused("'alice' may not use responsepolicy 'drills'"):
        patch(cluster, namespace, '{"spec":{"component":"payments"}}', ALICE)

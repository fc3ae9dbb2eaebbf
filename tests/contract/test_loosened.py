"""What was said stays said, and who opened an Incident stays who did, also where the types, which say so too, were loosened."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cluster.fixtures import ClusterUnderTest
from tests.cluster.model import ClusterError
from tests.contract.alone import restore
from tests.contract.installed import Object, create, grant, rule, until
from tests.stage.kubectl import ROOT, Kubectl, documents
from tests.unit import api_examples as examples

GROUP, RULES = "stanch.dev", "x-kubernetes-validations"
MAY = [rule(GROUP, kind, "create", "get", "patch") for kind in ("decisions", "incidents")]
RUN, APPROVE = rule(GROUP, "playbooks", "run"), rule(GROUP, "roles", "approve", names=("incident-commander",))


@pytest.fixture
def alice(alone: ClusterUnderTest, lone: Kubectl) -> Kubectl:
    """Opens incidents and approves, in a namespace of her own."""
    restore(lone)
    namespace = f"t-{secrets.token_hex(4)}"
    lone("create", "namespace", namespace)
    grant(alone, namespace, "alice", *MAY, RUN, APPROVE)
    return lone.inside(namespace).acting_as("alice")


@contextmanager
def loosened(lone: Kubectl, kind: str) -> Iterator[None]:
    """A type that says nothing of what was there before."""
    shipped = ROOT / "crds" / f"{kind}.yaml"
    lone.apply(documents(shipped, forgetting))
    try:
        yield
    finally:
        lone.apply(documents(shipped))


def forgetting(schema: Any) -> None:
    """Without each rule that compares with what was there."""
    if isinstance(schema, dict) and isinstance(schema.get(RULES), list):
        schema[RULES] = [one for one in schema[RULES] if "oldSelf" not in one["rule"]]
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        forgetting(part)


def why_not(who: Kubectl, what: str, change: str) -> str:
    """What the API server says to this change; empty: it makes it."""
    try:
        who("patch", what, "--type=merge", "-p", change)
    except ClusterError as refused:
        return str(refused)
    return ""


def made(alone: ClusterUnderTest, alice: Kubectl, obj: Object) -> str:
    obj = create(alone, alice.namespace, obj, "--as=alice")
    return f"{obj['kind'].lower()}/{obj['metadata']['name']}"


def stays(lone: Kubectl, alice: Kubectl, what: str, change: str, types: str, policy: str) -> None:
    """By the type first (as it was mended a moment ago, perhaps); without it by the policy. What changes nothing is let through."""
    until(lambda: types in why_not(alice, what, change))
    with loosened(lone, f"{what.partition('/')[0]}s"):
        until(lambda: policy in why_not(alice, what, change))
        assert why_not(alice, what, '{"metadata":{"annotations":{"a":"b"}}}') == ""


@pytest.mark.requirement("A-17")
@pytest.mark.parametrize("change", ['{"spec":{"role":"security"}}', '{"spec":{"by":"bob"}}', '{"spec":{"reason":"another"}}'])
def test_what_was_said(alone: ClusterUnderTest, lone: Kubectl, alice: Kubectl, change: str) -> None:
    said = examples.decision()
    said["spec"]["by"] = "alice"
    what = made(alone, alice, said)
    stays(lone, alice, what, change, "a Decision is fixed when the object is created", "a Decision is fixed once it is said")


@pytest.mark.requirement("A-15")
def test_who_opened_it(alone: ClusterUnderTest, lone: Kubectl, alice: Kubectl) -> None:
    """Else they name somebody else there, and approve alone."""
    what = made(alone, alice, examples.incident())
    policy = "spec.openedBy is 'bob', but you are 'alice'"
    stays(lone, alice, what, '{"spec":{"openedBy":"bob"}}', "openedBy is fixed when the object is created", policy)

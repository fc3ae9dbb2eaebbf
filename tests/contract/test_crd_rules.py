"""Each CEL rule of the CRDs on a real API server: the good object is taken, the one that breaks it refused in its words."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.contract.installed import Object, create, install, refused
from tests.unit.rule_breakers import CASES, GOOD, broken

DRY = "--dry-run=server"


@pytest.fixture(scope="module", autouse=True)
def stanch(cluster: Any) -> None:
    install(cluster)


@pytest.fixture(scope="module")
def me(cluster: Any) -> str:
    return cluster.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").strip()


def by(me: str, obj: Object) -> Object:
    return {**obj, "spec": obj["spec"] | ({"openedBy": me} if obj["kind"] == "Incident" else {})}


@pytest.mark.parametrize(("kind", "message"), CASES)
def test_a_rule_refuses_what_it_must(cluster: Any, namespace: str, me: str, kind: str, message: str) -> None:
    create(cluster, namespace, by(me, GOOD[kind]()), DRY)
    with refused(re.escape(message)):
        create(cluster, namespace, by(me, broken(kind, message)), DRY)

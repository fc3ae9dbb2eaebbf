"""What the contract tests share: the custom kind `Thing`, and a connection to the cluster under test."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from stanch.kube.client import ApiServer, connect
from stanch.kube.identity import ApiClusters
from tests.cluster.fixtures import ClusterUnderTest
from tests.contract.alone import standing
from tests.contract.installed import install
from tests.contract.world import KubeWorld, Speakers, until
from tests.stage.account import Account, installed_operator
from tests.stage.install import install_operator, withdraw_rights
from tests.stage.kubectl import Kubectl, established

_THING = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.contract.stanch.dev}
spec:
  group: contract.stanch.dev
  scope: Namespaced
  names: {plural: things, singular: thing, kind: Thing}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, x-kubernetes-preserve-unknown-fields: true}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""


@pytest.fixture(scope="session")
def thing_kind(cluster: Any) -> None:
    """It stays, as stanch's own kinds do: another process may still test with it."""
    with cluster.installing():
        cluster.kubectl("apply", "-f", "-", input=_THING)
    established(cluster.kubectl, "crd/things.contract.stanch.dev")


@pytest.fixture
def other(cluster: Any, namespace: str) -> Iterator[str]:
    """A second namespace."""
    name = f"{namespace}-b"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def shipped_rights(cluster: Any, namespace: str) -> Iterator[Kubectl]:
    """The ServiceAccount `stanch` of the namespace has the rights that are shipped."""
    kubectl = Kubectl(cluster.kubectl)
    install_operator(kubectl, namespace)
    yield kubectl.inside(namespace)
    withdraw_rights(kubectl, namespace)


@pytest.fixture(scope="session")
def alone(cluster: Any) -> Iterator[ClusterUnderTest]:
    """Stanch's types on an API server of which nobody else needs the admission policies."""
    with standing(cluster) as api:
        install(api)
        yield api


@pytest.fixture(scope="session")
def lone(alone: ClusterUnderTest) -> Kubectl:
    return Kubectl(alone.kubectl)


@pytest.fixture(scope="session")
def account(cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """The operator's, with the rights that are shipped; one for each process of the tests."""
    kubectl = Kubectl(cluster.kubectl)
    with installed_operator(kubectl, f"t-{secrets.token_hex(4)}-op", tmp_path_factory.mktemp("account")) as account:
        yield account


@pytest.fixture
async def api(account: Account, thing_kind: None) -> AsyncIterator[ApiServer]:
    """Under the operator's ServiceAccount. The authorizer learns of it a moment after it was made."""
    async with connect(str(account.kubeconfig)) as connected:
        own = ApiClusters(connected).own
        await until(lambda: own.allowed("create", "", "events", account.namespace))
        yield connected


@pytest.fixture
async def world(api: ApiServer, account: Account, cluster: Any, namespace: str, tmp_path: Path) -> AsyncIterator[KubeWorld]:
    assert cluster.host_address, "the cluster under test has no way to a server on this machine (host_address is None)"
    async with connect(str(cluster.kubeconfig)) as admin, AsyncExitStack() as stack:
        yield KubeWorld(Speakers(api, admin, account.namespace), namespace, cluster.host_address, tmp_path, stack)

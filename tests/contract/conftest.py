"""What the contract tests share: the custom kind `Thing`, and a connection to the cluster under test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from stanch.kube.client import ApiServer, connect
from tests.cluster.fixtures import ClusterUnderTest
from tests.contract.alone import standing
from tests.contract.installed import install
from tests.contract.world import KubeWorld
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


@pytest.fixture(scope="session")
def alone(cluster: Any) -> Iterator[ClusterUnderTest]:
    """Stanch's types on an API server of which nobody else needs the admission policies."""
    with standing(cluster) as api:
        install(api)
        yield api


@pytest.fixture(scope="session")
def lone(alone: ClusterUnderTest) -> Kubectl:
    return Kubectl(alone.kubectl)


@pytest.fixture
async def api(cluster: Any, thing_kind: None) -> AsyncIterator[ApiServer]:
    async with connect(str(cluster.kubeconfig)) as connected:
        yield connected


@pytest.fixture
async def world(api: ApiServer, cluster: Any, namespace: str, tmp_path: Path) -> AsyncIterator[KubeWorld]:
    assert cluster.host_address, "the cluster under test has no way to a server on this machine (host_address is None)"
    async with AsyncExitStack() as stack:
        yield KubeWorld(api, namespace, cluster.host_address, tmp_path, stack)

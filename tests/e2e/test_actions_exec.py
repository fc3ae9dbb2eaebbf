"""Commands in a container that runs keep the contract that the cluster in memory keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from stanch.domain.plan import Ref
from stanch.kube.client import connect
from tests.contract.suite_exec import ExecContract
from tests.contract.world import KubeWorld, Speakers
from tests.stage.account import Account
from tests.stage.kubectl import Kubectl

SHELL = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "shell"},
    "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "app", "image": "localhost/stanch/tools:v1", "imagePullPolicy": "IfNotPresent"}],
    },
}


class PodWorld(KubeWorld):
    kubectl: Kubectl

    async def shell(self) -> Ref:
        pod = self.kubectl.create(SHELL)
        self.kubectl("wait", "pod/shell", "--for=condition=Ready", "--timeout=60s")
        return Ref("v1", "Pod", self.namespace, "shell", pod["metadata"]["uid"])


@pytest.fixture
async def world(account: Account, cluster: Any, namespace: str, tmp_path: Path) -> AsyncIterator[PodWorld]:
    async with (
        connect(str(account.kubeconfig)) as api,
        connect(str(cluster.kubeconfig)) as admin,
        AsyncExitStack() as stack,
    ):
        world = PodWorld(Speakers(api, admin, account.namespace), namespace, cluster.host_address or "", tmp_path, stack)
        world.kubectl = Kubectl(cluster.kubectl).inside(namespace)
        yield world


class TestExecInARealContainer(ExecContract):
    pass

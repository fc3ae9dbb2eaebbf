"""What end-to-end tests share: stanch installed as shipped, one operator for the session, a scene for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.stage.install import install_operator, install_types
from tests.stage.kubectl import Kubectl
from tests.stage.operator import OperatorProcess
from tests.stage.scene import Scene


@pytest.fixture(scope="session")
def installed(cluster: Any) -> Kubectl:
    assert cluster.can_run_pods, f"end-to-end tests need real pods; cluster {cluster.name} cannot run them"
    kubectl = Kubectl(cluster.kubectl)
    install_types(kubectl)
    install_operator(kubectl)
    return kubectl


@pytest.fixture(scope="session")
def operator(installed: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """The operator for all tests that do not break it, watching all namespaces."""
    process = OperatorProcess(installed, tmp_path_factory.mktemp("operator"), namespaces=())
    process.start()
    yield process
    assert process.stop() == 0, process.log.read_text()[-4000:]


@pytest.fixture
def scene(installed: Kubectl, operator: OperatorProcess, namespace: str) -> Scene:
    """A namespace in which nothing stands yet, under the session's operator."""
    return Scene(installed.inside(namespace), operator.namespace)

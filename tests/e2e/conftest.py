"""What end-to-end tests share: stanch's types as shipped, an operator and a scene for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.providers import existing
from tests.cluster.providers.context import NamedContext
from tests.cluster.providers.kind import Kind
from tests.image import docker
from tests.image.build import NAME, build, version
from tests.others.kinds import RECONCILERS, serve
from tests.stage.account import Account, installed_operator
from tests.stage.install import install_operator, install_types, uninstall_operator
from tests.stage.kubectl import Kubectl, documents
from tests.stage.limits import LimitsScene
from tests.stage.operator import OperatorProcess
from tests.stage.scene import AUREUS, Scene, calm


@pytest.fixture(scope="session")
def installed(cluster: Any) -> Kubectl:
    assert cluster.can_run_pods, f"end-to-end tests need real pods; cluster {cluster.name} cannot run them"
    kubectl = Kubectl(cluster.kubectl)
    with cluster.installing():
        install_types(kubectl)
        # Scenes apply it, too, at the same time.
        kubectl.apply(documents(AUREUS / "policy.yaml", calm))
    return kubectl


@pytest.fixture(scope="session")
def reconcilers(cluster: Any, installed: Kubectl) -> None:
    """The kinds of Argo CD and Flux."""
    serve(cluster, *RECONCILERS)


@pytest.fixture(scope="session")
def archive(cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image as it is built, with its bill of materials beside it."""
    folder = tmp_path_factory.mktemp("image")
    return docker.build(folder) if cluster.cluster.provider == Kind.name else build(folder).archive


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest, cluster: Any) -> str:
    """Known to the node; a context that somebody named has it already."""
    if cluster.cluster.provider != NamedContext.name:
        existing(cluster.name).load_image(request.getfixturevalue("archive"))
    return f"{NAME}:{version()}"


@pytest.fixture
def account(installed: Kubectl, namespace: str, tmp_path: Path) -> Iterator[Account]:
    """The operator's, with the rights that are shipped, for a test that is the operator itself."""
    with installed_operator(installed, f"{namespace}-op", tmp_path) as account:
        yield account


@pytest.fixture
def operator(installed: Kubectl, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator for this test alone, not started yet: two that watch one namespace would both act on its incidents."""
    install_operator(installed, f"{namespace}-op")
    process = OperatorProcess(installed, tmp_path / "operator", (namespace,), namespace=f"{namespace}-op")
    yield process
    code = process.stop()
    uninstall_operator(installed, f"{namespace}-op")
    assert code == 0, process.log.read_text()[-4000:]


@pytest.fixture
def stage(installed: Kubectl, operator: OperatorProcess, namespace: str) -> Scene:
    """A namespace in which nothing stands yet; the operator is still to be started."""
    return Scene(installed.inside(namespace), operator.namespace)


@pytest.fixture
def scene(stage: Scene, operator: OperatorProcess) -> Scene:
    """A namespace in which nothing stands yet, under an operator that runs."""
    operator.start()
    return stage


@pytest.fixture
def limits(scene: Scene) -> LimitsScene:
    return LimitsScene(scene.kubectl, scene.operator_namespace)

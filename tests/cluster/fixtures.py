"""Pytest plugin: `cluster`, the cluster that this session tests on, and `namespace`, one for a test."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from . import paths
from .model import Cluster, Provider
from .providers import choose
from .providers.assets import Assets
from .run import locked, run, say


@dataclass(frozen=True)
class ClusterUnderTest:
    """A cluster that is up, with kubectl at hand."""

    cluster: Cluster

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.cluster.name

    @property
    def kubeconfig(self) -> Path:
        """The file to reach it with; it knows no other cluster."""
        return self.cluster.kubeconfig

    @property
    def context(self) -> str:
        """The name of the one context in that file."""
        return str(yaml.safe_load(self.kubeconfig.read_text())["current-context"])

    @property
    def can_run_pods(self) -> bool:
        """Whether pods start here."""
        return self.cluster.can_run_pods

    @property
    def audit_log(self) -> Path | None:
        """The API server's audit log, JSON lines; None where it cannot be had."""
        return self.cluster.audit_log

    @property
    def host_address(self) -> str | None:
        """Where pods and the API server reach a server of this process; None where unknown."""
        return self.cluster.host_address

    def installing(self) -> AbstractContextManager[None]:
        """Held by one process at a time: kubectl's apply of an object that another one has just created fails."""
        return locked(paths.state_dir(self.name) / "install.lock", f"installing on cluster {self.name}")

    def kubectl(self, *arguments: str, input: str | None = None, timeout: float = 120) -> str:
        """Run kubectl on this cluster and return its output; `timeout` in seconds.

        Raises ClusterError with what kubectl said.
        """
        where = [f"--kubeconfig={self.kubeconfig}", f"--cache-dir={paths.state_dir(self.name) / 'kubectl-cache'}"]
        return run([str(self.cluster.kubectl), *where, *arguments], stdin=input or "", timeout=timeout)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[ClusterUnderTest]:
    """The cluster named by STANCH_TEST_CLUSTER (default `stanch-test`), brought up if it is not.

    It is taken down at the end, unless it was up before or STANCH_KEEP_CLUSTER=1.
    """
    name = os.environ.get("STANCH_TEST_CLUSTER") or "stanch-test"
    with _shown(request):
        provider = _provider(name, request.session.items)
        keep = os.environ.get("STANCH_KEEP_CLUSTER") == "1" or provider.status().state == "up"
        up = provider.up()
    yield ClusterUnderTest(up)
    if not keep:
        provider.down()


@pytest.fixture
def namespace(cluster: ClusterUnderTest) -> Iterator[str]:
    """A new namespace's name; its deletion is asked for afterwards, not waited for."""
    name = f"t-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", name)
    if cluster.can_run_pods:  # a pod before its ServiceAccount would be refused
        cluster.kubectl("-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=30s")
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def _provider(name: str, items: list[pytest.Item]) -> Provider:
    assets = Assets.named(name)
    if assets and not any(_wants_pods(item) for item in items):
        say(f"cluster {assets.cluster}: KUBEBUILDER_ASSETS is set, and contract tests need no pods")
        return assets
    return choose(name)


def _wants_pods(item: pytest.Item) -> bool:
    """Contract tests speak to the API only; every other tier may run pods."""
    return "cluster" in getattr(item, "fixturenames", ()) and "contract" not in item.path.parts


@contextlib.contextmanager
def _shown(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let progress through to the terminal: a first build takes minutes."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        say("")
        yield

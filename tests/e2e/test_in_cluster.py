"""Stanch as a user installs it: its image, `kubectl apply -k` or `helm install`, a pod with a ServiceAccount of its own. It
mitigates from there; and as a user removes it: what is owed is taken back first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from stanch.packs.verify import verify
from tests.cluster.model import ClusterError
from tests.cluster.providers import existing
from tests.cluster.providers.context import NamedContext
from tests.cluster.providers.kind import Kind
from tests.e2e.test_frontend_down import options, quick, sealed
from tests.e2e.test_reverts import BEFORE, RAISED, raised, revert_of
from tests.image import debian, docker
from tests.image.build import NAME, build, version
from tests.stage.command import CommandError, Stanch
from tests.stage.kubectl import Kubectl
from tests.stage.overlay import Overlay
from tests.stage.release import Release
from tests.stage.scene import Scene

PACKS = "/var/lib/stanch"


@pytest.fixture(scope="session")
def image(cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Built, and known to the node; a context that somebody named has it already."""
    folder = tmp_path_factory.mktemp("image")
    provider = cluster.cluster.provider
    if provider != NamedContext.name:
        existing(cluster.name).load_image(docker.build(folder) if provider == Kind.name else build(folder).archive)
    return f"{NAME}:{version()}"


@dataclass(frozen=True)
class Installed:
    """`kubectl` speaks of the operator's own namespace."""

    kubectl: Kubectl
    way: Overlay | Release

    def apply(self) -> None:
        self.way.apply(self.kubectl)
        self.kubectl("rollout", "status", "deployment/stanch", "--timeout=180s", timeout=200)

    def leave(self) -> str:
        return self.way.leave(self.kubectl)

    def delete(self) -> None:
        self.way.delete(self.kubectl)

    def pod(self) -> dict[str, Any]:
        [pod] = self.kubectl.get("pods", "-l", "app.kubernetes.io/name=stanch")["items"]
        return pod

    def runs(self, *command: str) -> str:
        """In the operator's pod."""
        return self.kubectl("exec", "deployment/stanch", "--", *command)

    def python(self, code: str) -> str:
        return self.runs(debian.PYTHON, "-c", code)

    def refusals(self) -> list[str]:
        """What it logged of rights that it lacks."""
        return [line for line in self.kubectl("logs", "deployment/stanch").splitlines() if "orbidden" in line]

    def copied(self, uri: str, goal: Path) -> Path:
        """A pack, as a person takes it out."""
        name = self.pod()["metadata"]["name"]
        self.kubectl("cp", f"{self.way.namespace}/{name}:{urlsplit(uri).path}", str(goal))
        return goal


@pytest.fixture(params=[Overlay, Release], ids=["kustomization", "chart"])
def stanch(request: Any, installed: Kubectl, image: str, namespace: str, tmp_path: Path) -> Iterator[Installed]:
    way = request.param(tmp_path / "way", namespace)
    way.write()
    found = Installed(installed.inside(way.namespace), way)
    volume = None if storage(installed) else folder_as_volume(installed, way.namespace, tmp_path / "volume")
    try:
        found.apply()
        yield found
    finally:
        found.delete()
        if volume:
            installed("delete", "persistentvolume", volume)


def storage(kubectl: Kubectl) -> bool:
    """Whether claims get volumes by themselves."""
    classes = kubectl.get("storageclasses")["items"]
    return any((one["metadata"].get("annotations") or {}).get("storageclass.kubernetes.io/is-default-class") for one in classes)


def folder_as_volume(kubectl: Kubectl, namespace: str, folder: Path) -> str:
    """A folder of this machine, where the node is this machine; of the operator's user, as fsGroup would make it elsewhere."""
    folder.mkdir()
    os.chown(folder, debian.USER, debian.USER)
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": "stanch-packs"}
    kubectl.apply([{
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": namespace},
        "spec": {
            "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": str(folder), "type": "Directory"},
            "claimRef": claim,
        },
    }])  # fmt: skip
    return namespace


@pytest.mark.requirement("E-05", "E-08")
def test_mitigates_from_its_own_pod_and_leaves_a_sealed_pack_on_its_volume(
    stanch: Installed, installed: Kubectl, namespace: str, tmp_path: Path
) -> None:
    scene = Scene(installed.inside(namespace), stanch.way.namespace)
    scene.set(playbook=quick)
    scene.break_release()
    incident = sealed(scene, scene.open())
    assert options(incident) == {"restart": "Denied", "undo": "Confirmed"}
    assert scene.environment() == {"FRONTEND_VERSION": "v1"}
    confined(stanch)
    pack = incident["status"]["pack"]
    assert pack["uri"].startswith(f"file://{PACKS}/"), pack["uri"]
    found = verify(stanch.copied(pack["uri"], tmp_path / "pack"), pack["head"]["hash"], pack["manifest"])
    assert found.ok, found.problems
    stanch.runs("stanch", "verify", urlsplit(pack["uri"]).path)
    leaves_nothing(stanch, scene, incident["metadata"]["name"])


def confined(stanch: Installed) -> None:
    """Not root, nothing to write but its volumes, no right beside its namespace and none missing; it leads as its pod."""
    pod = stanch.pod()
    assert pod["spec"]["serviceAccountName"] == "stanch"
    assert stanch.python("import os; print(os.getuid(), os.getgid())").split() == [str(debian.USER)] * 2
    with pytest.raises(ClusterError, match="Read-only file system"):
        stanch.python("open('/probe', 'a')")
    stanch.python("import tempfile; tempfile.TemporaryFile()")
    assert "CapEff:\t0000000000000000" in stanch.python("print(open('/proc/self/status').read())")
    account = f"--as=system:serviceaccount:{stanch.way.namespace}:stanch"
    with pytest.raises(ClusterError, match="exit 1"):
        stanch.kubectl.run("auth", "can-i", "list", "incidents.stanch.dev", "--namespace=default", account)
    assert stanch.refusals() == []
    lease = stanch.kubectl.get("lease", "stanch-leader")
    assert lease["spec"]["holderIdentity"] == pod["metadata"]["name"]
    metrics = f"/api/v1/namespaces/{stanch.way.namespace}/services/stanch-metrics:http/proxy/metrics"
    assert "stanch_leader 1.0" in stanch.kubectl.run("get", "--raw", metrics)


def leaves_nothing(stanch: Installed, scene: Scene, incident: str) -> None:
    """With its incidents closed or deleted before, as the README asks."""
    scene.on_call("delete", "incident", incident, "--timeout=60s")
    stanch.delete()
    kinds = "clusterroles,clusterrolebindings,priorityclasses,namespaces"
    left = stanch.kubectl.run("get", kinds, "-o", "name").split()
    assert [name for name in left if stanch.way.prefix in name] == []


def test_what_is_owed_is_taken_back_before_it_is_removed(stanch: Installed, installed: Kubectl, namespace: str) -> None:
    scene = Scene(installed.inside(namespace), stanch.way.namespace)
    name = raised(scene, after="1h")
    stanch.leave()
    assert scene.environment() == BEFORE
    assert name not in scene.kubectl("get", "incidents", "-o", "name")
    assert "deployment" not in stanch.kubectl("get", "deployments", "-o", "name", "--ignore-not-found")


def test_where_no_operator_is_left_it_says_what_stays_and_one_that_is_installed_again_takes_it_back(
    stanch: Installed, installed: Kubectl, namespace: str, tmp_path: Path
) -> None:
    scene = Scene(installed.inside(namespace), stanch.way.namespace)
    name = raised(scene, after="1h")
    stanch.kubectl("scale", "deployment/stanch", "--replicas=0")
    stanch.kubectl("wait", "--for=delete", "pod", "-l", "app.kubernetes.io/name=stanch", "--timeout=60s")
    with pytest.raises((ClusterError, CommandError)):
        stanch.leave()
    assert scene.environment() == RAISED and not scene.incident(name)["metadata"].get("deletionTimestamp")
    listed = Stanch(scene.kubectl, tmp_path)("reverts")
    assert name in listed and "deployment/frontend" in listed
    if isinstance(stanch.way, Release):
        assert "no operator leads" in stanch.kubectl("logs", f"job/{stanch.way.prefix}stanch-uninstall")
        stanch.way.helm(stanch.kubectl, "uninstall", "stanch", "--no-hooks")
    assert revert_of(scene.incident(name))["state"] == "Owed" and scene.incident(name)["metadata"]["finalizers"]
    stanch.apply()
    stanch.leave()
    assert scene.environment() == BEFORE

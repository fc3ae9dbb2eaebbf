"""Two replicas in their pods, with what is shipped for them, and their packs in an S3 server of the cluster's own: the one that
leads goes away in the middle of an incident, and the other brings it to its end. `test_two_replicas_s3.py` holds writes up, which
no pod can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.model import ClusterError
from tests.cluster.providers import existing
from tests.cluster.providers.context import NamedContext
from tests.e2e.test_frontend_down import options, quick, sealed
from tests.s3.image import archive
from tests.s3.running import BUCKET, CREDENTIALS, REGION, certify
from tests.stage.kubectl import ROOT, Kubectl, documents
from tests.stage.overlay import Overlay
from tests.stage.scene import Scene

COMPONENTS = ("high-availability", "object-store", "own-object-store")
SERVER = ROOT / "tests" / "s3" / "server.yaml"
PORT = 9000


@dataclass(frozen=True)
class S3:
    """In the namespace that `kubectl` speaks of; its certificates in `folder`."""

    kubectl: Kubectl
    folder: Path

    @property
    def host(self) -> str:
        return f"s3.{self.kubectl.namespace}.svc"

    def serve(self) -> None:
        self.folder.mkdir()
        certify(self.folder, f"DNS:{self.host}")
        tls = {name: (self.folder / name).read_text() for name in ("server.crt", "server.key")}
        self.kubectl.apply([secret("s3", {**tls, **CREDENTIALS}), *documents(SERVER)])
        self.kubectl("rollout", "status", "deployment/s3", "--timeout=120s", timeout=150)

    def known_to(self, folder: Path) -> Overlay:
        """An operator that puts its packs there, told as the components ask for it."""
        ca = {"ca.crt": (self.folder / "ca.crt").read_text()}
        named = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "stanch-packs-ca"}, "data": ca}
        variables = {
            "STANCH_PACKS": f"s3://{BUCKET}/stanch",
            "STANCH_PACKS_REGION": REGION,
            "STANCH_PACKS_ENDPOINT": f"https://{self.host}:{PORT}",
        }
        return Overlay(folder, self.kubectl.namespace, COMPONENTS, (secret("stanch-packs", CREDENTIALS), named), variables)


def secret(name: str, data: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


@dataclass(frozen=True)
class Pair:
    """`kubectl` speaks of the operator's own namespace."""

    kubectl: Kubectl

    def pods(self) -> set[str]:
        return set(self.kubectl("get", "pods", "-l", "app.kubernetes.io/name=stanch", "-o", "name").split())

    def leader(self) -> str:
        """The pod; empty: nobody has taken over yet."""
        holder = self.kubectl.get("lease", "stanch-leader")["spec"].get("holderIdentity")
        return f"pod/{holder}" if holder else ""

    def lose(self, pod: str) -> None:
        """As a node does that is gone: it is not asked, and says goodbye to nobody."""
        self.kubectl("delete", pod, "--grace-period=0", "--force", "--wait=false")

    def verify(self, pack: dict[str, Any]) -> str:
        """By one of the pods, which knows where its packs are."""
        known = ("--head", pack["head"]["hash"], "--manifest", pack["manifest"])
        return self.kubectl("exec", "deployment/stanch", "--", "stanch", "verify", pack["uri"], *known)


@pytest.fixture
def s3(installed: Kubectl, cluster: Any, namespace: str, tmp_path: Path) -> S3:
    if cluster.cluster.provider != NamedContext.name:
        existing(cluster.name).load_image(archive())
    server = S3(installed.inside(namespace), tmp_path / "s3")
    server.serve()
    return server


@pytest.fixture
def pair(installed: Kubectl, image: str, s3: S3, tmp_path: Path) -> Iterator[Pair]:
    way = s3.known_to(tmp_path / "way")
    way.write()
    kubectl = installed.inside(way.namespace)
    try:
        way.apply(kubectl)
        kubectl("rollout", "status", "deployment/stanch", "--timeout=240s", timeout=260)
        yield Pair(kubectl)
    except ClusterError as error:
        error.add_note(kubectl("describe", "pods") + kubectl("logs", "deployment/stanch", "--tail=50"))
        raise
    finally:
        way.delete(kubectl)


@pytest.mark.requirement("E-04", "E-08")
def test_the_pod_that_leads_is_lost_and_the_other_one_brings_its_incident_to_an_end(
    pair: Pair, installed: Kubectl, namespace: str
) -> None:
    scene = Scene(installed.inside(namespace), pair.kubectl.namespace)
    scene.set(playbook=quick)
    scene.break_release()
    lost, there = pair.leader(), pair.pods()
    assert len(there) == 2 and lost in there
    name = scene.open()
    scene.until(name, "Verifying")
    pair.lose(lost)
    incident = sealed(scene, name)
    assert pair.leader() in there - {lost}, "who was ready went on, not who was started in its place"
    assert options(incident) == {"restart": "Denied", "undo": "Confirmed"}
    assert scene.environment() == {"FRONTEND_VERSION": "v1"}
    pack = incident["status"]["pack"]
    assert pack["uri"].startswith(f"s3://{BUCKET}/stanch/"), pack["uri"]
    assert f"{pack['uri']}: whole" in pair.verify(pack)

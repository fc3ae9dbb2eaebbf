"""Stanch in its pod: its image, `kubectl apply -k` or `helm install`, a ServiceAccount of its own. It mitigates from there; and
it is removed: what is owed is taken back first. For one namespace, so that tests run side by side, and under names of each test's
own; unedited and for all namespaces it is installed in `tests/contract/test_cluster_wide.py`."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from stanch.packs.verify import verify
from tests.cluster.model import ClusterError
from tests.e2e.test_frontend_down import options, quick, sealed
from tests.e2e.test_reverts import BEFORE, RAISED, raised, revert_of
from tests.image import contents, debian
from tests.stage.command import CommandError, Stanch
from tests.stage.install import SHIPPED, moved
from tests.stage.kubectl import ROOT, Kubectl, documents
from tests.stage.overlay import Overlay
from tests.stage.people import person
from tests.stage.release import Release
from tests.stage.scene import Scene

PACKS = "/var/lib/stanch"
ROLES = ROOT / "manifests" / "roles"
APPROVER = "dora"


def test_the_bill_of_materials_names_all_that_is_in_the_image_and_nothing_else(archive: Path) -> None:
    (bill,) = archive.parent.glob("*.cdx.json")
    found = json.loads(bill.read_text())
    told = [(contents.named(one["name"]), one["version"]) for one in found["components"]]
    assert len(told) == len(set(told)) and set(told) == contents.packages(archive)
    assert {"stanch", "kopf", "pydantic", "libc6", "ca-certificates"} <= {name for name, _ in told}
    with tarfile.open(archive) as tar:
        index = json.loads(tar.extractfile("index.json").read())  # type: ignore[union-attr]
    (hashed,) = found["metadata"]["component"]["hashes"]
    assert [f"sha256:{hashed['content']}"] == [one["digest"] for one in index["manifests"]], "it is the bill of this image"


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


def only_undo(document: dict[str, Any]) -> None:
    """The shipped playbook's second option alone, for which a commander is asked."""
    quick(document)
    undo = document["spec"]["options"][1]
    undo["approval"] = {"roles": {"incident-commander": 1}, "timeout": "10m"}
    document["spec"]["options"] = [undo]


def commander() -> list[dict[str, Any]]:
    """The approver with what is shipped for commanders, and nothing else."""
    [shipped] = [role for role in documents(ROLES / "people.yaml") if role["metadata"]["name"] == "stanch-commander"]
    return person(APPROVER, shipped["rules"])


def reader(namespace: str) -> list[dict[str, Any]]:
    """The shipped Role of who reads plans, bound to the approver as it says."""
    [role] = documents(ROLES / "plans.yaml", lambda document: moved(document, SHIPPED, namespace))
    api, name = "rbac.authorization.k8s.io", role["metadata"]["name"]
    reference = {"apiGroup": api, "kind": "Role", "name": name}
    subject = {"apiGroup": api, "kind": "User", "name": APPROVER}
    binding = {"apiVersion": f"{api}/v1", "kind": "RoleBinding", "metadata": {"name": name, "namespace": namespace}}
    return [role, {**binding, "roleRef": reference, "subjects": [subject]}]


def may_read_plans(beside: Kubectl) -> bool:
    try:
        return beside("auth", "can-i", "get", "configmaps").strip() == "yes"
    except ClusterError:
        return False


@pytest.mark.requirement("A-15")
@pytest.mark.parametrize("stanch", [Overlay], indirect=True, ids=["kustomization"])
def test_who_holds_the_shipped_roles_and_nothing_else_sees_what_they_approve(
    stanch: Installed, installed: Kubectl, namespace: str, tmp_path: Path
) -> None:
    """The pack lies on a volume of the pod: the plan is read beside the operator, where no Secret is."""
    scene = Scene(installed.inside(namespace), stanch.way.namespace)
    scene.set(playbook=only_undo)
    scene.kubectl.apply(commander())
    scene.break_release()
    name = scene.open()
    scene.until(name, "AwaitingApproval")
    approver, beside = Stanch(scene.kubectl.acting_as(APPROVER), tmp_path), stanch.kubectl.acting_as(APPROVER)
    approve = ("approve", name, "--role", "incident-commander", "--operator-namespace", stanch.way.namespace)
    with pytest.raises(CommandError, match=r"(?s)exit 1.*cannot be shown here.*configmaps.*the Role stanch-plan-reader"):
        approver.answering("y", *approve)
    assert scene.incident(name)["status"].get("approvals", []) == []
    stanch.kubectl.apply(reader(stanch.way.namespace))
    scene.until_true("the approver may read plans", lambda: may_read_plans(beside))
    for kind in ("configmaps", "secrets"):
        with pytest.raises(ClusterError, match=f'cannot list resource "{kind}"'):
            beside("get", kind)
    assert "RELEASE_BROKEN" in approver("plan", name, "--operator-namespace", stanch.way.namespace)
    shown = approver.answering("y", *approve)
    for part in ("rolloutUndo", "RELEASE_BROKEN", "It touches 1: deployment/frontend", "counted: approved"):
        assert part in shown
    assert options(sealed(scene, name)) == {"undo": "Confirmed"} and scene.environment() == {"FRONTEND_VERSION": "v1"}


def leaves_nothing(stanch: Installed, scene: Scene, incident: str) -> None:
    """With its incidents closed or deleted before, as the README asks."""
    scene.kubectl("delete", "incident", incident, "--timeout=60s")
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
    stanch.way.remove(stanch.kubectl)
    assert stanch.kubectl("get", "deployment/stanch", "serviceaccount/stanch", "--ignore-not-found", "-o", "name") == ""
    assert revert_of(scene.incident(name))["state"] == "Owed" and scene.incident(name)["metadata"]["finalizers"]
    stanch.apply()
    stanch.leave()
    assert scene.environment() == BEFORE

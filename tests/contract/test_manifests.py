"""What is shipped to install stanch: what it grants, and that the API server takes it, under restricted pod security."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.model import ClusterError
from tests.contract.installed import install
from tests.stage.install import SHIPPED, moved
from tests.stage.kubectl import ROOT, parsed
from tests.stage.overlay import MANIFESTS, Overlay
from tests.unit.shipped import blocks

GOLDENS = Path(__file__).parent / "goldens" / "rbac"
RIGHTS = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
OVERLAYS = sorted(path.parent.name for path in MANIFESTS.glob("overlays/*/kustomization.yaml"))
Object = dict[str, Any]


def rendered(cluster: Any, folder: Path) -> list[Object]:
    return parsed(cluster.kubectl("kustomize", str(folder)))


def rights(documents: list[Object]) -> list[Object]:
    """What somebody may do, without what says nothing about it. A label may add a role to those of every namespace's admins."""
    told = [
        {
            "kind": document["kind"],
            **{key: document["metadata"][key] for key in ("name", "namespace") if key in document["metadata"]},
            **{key: document[key] for key in ("roleRef", "subjects", "rules", "aggregationRule") if key in document},
            **({"labels": added} if (added := aggregated(document)) else {}),
        }
        for document in documents
        if document["kind"] in RIGHTS
    ]
    return sorted(told, key=whose)


def aggregated(document: Object) -> dict[str, str]:
    labels = document["metadata"].get("labels", {})
    return {key: value for key, value in labels.items() if key.startswith("rbac.authorization.k8s.io/")}


def whose(right: Object) -> tuple[str, str, str]:
    return right["kind"], right["name"], right.get("namespace", "")


def reviewed(name: str) -> list[Object]:
    """What the operator may do under the overlay, and what there is to be given to people."""
    parts = [right for part in (name, "people") for right in yaml.safe_load((GOLDENS / f"{part}.yaml").read_text())]
    return sorted(parts, key=whose)


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_grants_what_was_reviewed_and_nothing_else(cluster: Any, name: str) -> None:
    """Whoever makes the operator mightier says so in the golden file."""
    assert rights(rendered(cluster, MANIFESTS / "overlays" / name)) == reviewed(name)


def test_what_comes_before_uninstalling_may_end_incidents_and_freeze_and_no_more(cluster: Any) -> None:
    golden = yaml.safe_load((GOLDENS / "uninstall.yaml").read_text())
    assert rights(rendered(cluster, MANIFESTS / "uninstall")) == golden


@pytest.mark.parametrize("file", ["README.md", "manifests/uninstall/README.md"])
def test_a_kustomization_that_is_shown_names_the_image_of_every_pod_and_whose_incidents(
    cluster: Any, tmp_path: Path, file: str
) -> None:
    """As people write it, beside a checkout."""
    (tmp_path / "stanch").symlink_to(ROOT)
    (said,) = (block for block in blocks(file) if "images" in block)
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(said))
    pods = [found["spec"]["template"]["spec"] for found in rendered(cluster, tmp_path) if found["kind"] in ("Deployment", "Job")]
    (container,) = (container for pod in pods for container in pod["containers"])
    assert container["image"] == "registry.example.org/stanch:0.1.0"
    if "patches" in said:
        assert {"name": "STANCH_NAMESPACES", "value": "aureus"} in container["env"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_brings_every_type_and_every_admission_policy(cluster: Any, name: str) -> None:
    brought = {identity(document) for document in rendered(cluster, MANIFESTS / "overlays" / name)}
    for folder in (ROOT / "crds", MANIFESTS / "admission"):
        files = [file for file in folder.glob("*.yaml") if file.name != "kustomization.yaml"]
        assert {identity(document) for file in files for document in parsed(file.read_text())} <= brought


def identity(document: Object) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


@pytest.fixture
def overlay(cluster: Any, namespace: str, tmp_path: Path) -> Iterator[Overlay]:
    """The types are there, and the operator's namespace as shipped, with what a pod needs there to be admitted."""
    install(cluster)
    moved = Overlay(tmp_path / "overlay", namespace)
    moved.write()
    documents = rendered(cluster, moved.folder)
    needed = [document for document in documents if document["kind"] in ("Namespace", "ServiceAccount", "PriorityClass")]
    cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(needed))
    yield moved
    cluster.kubectl("delete", "--wait=false", "-f", "-", input=yaml.safe_dump_all(needed))


def dry_run(cluster: Any, documents: list[Object]) -> None:
    """The API server judges them and keeps nothing; a warning of its is an error. Raises ClusterError with what it said."""
    cluster.kubectl(
        "--warnings-as-errors", "apply", "--dry-run=server", "--validate=strict", "-f", "-", input=yaml.safe_dump_all(documents)
    )


def pod_of(documents: list[Object]) -> Object:
    """As the Deployment's controller would make it."""
    deployment = next(document for document in documents if document["kind"] == "Deployment")
    template = deployment["spec"]["template"]
    metadata = {"name": "probe", "namespace": deployment["metadata"]["namespace"], **template["metadata"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def test_all_of_it_is_admitted_without_a_warning(cluster: Any, overlay: Overlay) -> None:
    documents = rendered(cluster, overlay.folder)
    dry_run(cluster, [*documents, pod_of(documents)])


def test_the_job_that_comes_before_uninstalling_is_admitted(cluster: Any, overlay: Overlay) -> None:
    documents = rendered(cluster, MANIFESTS / "uninstall")
    for document in documents:
        moved(document, SHIPPED, overlay.namespace)
    (job,) = (document for document in documents if document["kind"] == "Job")
    pod = {**job["spec"]["template"]["spec"], "serviceAccountName": "stanch"}
    probe = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": overlay.namespace}, "spec": pod}
    dry_run(cluster, [*documents, probe])


@pytest.mark.parametrize(
    ("part", "lost"),
    [
        ("container", "allowPrivilegeEscalation"),
        ("container", "capabilities"),
        ("pod", "runAsNonRoot"),
        ("pod", "seccompProfile"),
    ],
)
def test_the_operator_s_namespace_takes_no_pod_that_may_more(cluster: Any, overlay: Overlay, part: str, lost: str) -> None:
    pod = pod_of(rendered(cluster, overlay.folder))
    of = pod["spec"] if part == "pod" else pod["spec"]["containers"][0]
    del of["securityContext"][lost]
    with pytest.raises(ClusterError, match=f'violates PodSecurity "restricted.*{lost}'):
        dry_run(cluster, [pod])


BOUNDED = {"cpu", "memory", "ephemeral-storage"}
# By overlay: replicas, and how one pod follows another. A volume of one pod's own lets the next start once the first is gone.
ROLLOUTS: dict[str, tuple[int, Object]] = {
    "cluster-wide": (1, {"type": "Recreate"}),
    "single-namespace": (1, {"type": "Recreate"}),
    "high-availability": (2, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
}


def only(documents: list[Object], kind: str) -> Object:
    (found,) = [document for document in documents if document["kind"] == kind]
    return found


def shipped_pods(cluster: Any) -> dict[str, Object]:
    """Each pod that any overlay, or the removal, brings: its specification."""
    found = {name: only(rendered(cluster, MANIFESTS / "overlays" / name), "Deployment") for name in OVERLAYS}
    found["uninstall"] = only(rendered(cluster, MANIFESTS / "uninstall"), "Job")
    return {name: owner["spec"]["template"]["spec"] for name, owner in found.items()}


def test_root_is_read_only_and_every_resource_is_bounded(cluster: Any) -> None:
    """What pod security does not ask for."""
    for name, pod in shipped_pods(cluster).items():
        assert not pod["enableServiceLinks"] and "initContainers" not in pod, name
        (container,) = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"], name
        assert {kind: set(bounds) for kind, bounds in container["resources"].items()} == {"requests": BOUNDED, "limits": BOUNDED}
        scratch = [volume["emptyDir"] for volume in pod["volumes"] if "emptyDir" in volume]
        assert scratch and all("sizeLimit" in one for one in scratch), name


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_kubelet_asks_whether_it_is_up_well_and_ready(cluster: Any, name: str) -> None:
    (container,) = shipped_pods(cluster)[name]["containers"]
    asked = {probe: container[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")}
    well = {"path": "/healthz", "port": "http"}
    assert asked == {"startup": well, "liveness": well, "readiness": {"path": "/readyz", "port": "http"}}
    assert "http" in {port["name"] for port in container["ports"]}
    patience = {probe: container[f"{probe}Probe"] for probe in ("startup", "liveness")}
    assert patience["startup"]["periodSeconds"] * patience["startup"]["failureThreshold"] >= 60, "Python reads its modules first"
    assert patience["liveness"]["periodSeconds"] * patience["liveness"]["failureThreshold"] >= 30, "one slow answer is no end"


@pytest.mark.parametrize("name", OVERLAYS)
def test_one_pod_follows_another_as_its_store_allows_and_evictions_come_one_by_one(cluster: Any, name: str) -> None:
    documents = rendered(cluster, MANIFESTS / "overlays" / name)
    deployment, budget = only(documents, "Deployment"), only(documents, "PodDisruptionBudget")
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == ROLLOUTS[name]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    selector = {"matchLabels": {"app.kubernetes.io/name": "stanch"}}
    assert budget["spec"] == {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow", "selector": selector}
    assert budget["metadata"]["namespace"] == deployment["metadata"]["namespace"]
    assert selector["matchLabels"].items() <= labels.items(), "it is about these pods"
    assert deployment["spec"]["template"]["spec"]["priorityClassName"] == only(documents, "PriorityClass")["metadata"]["name"]

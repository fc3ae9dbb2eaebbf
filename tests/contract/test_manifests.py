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

GOLDENS = Path(__file__).parent / "goldens" / "rbac"
RIGHTS = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
OVERLAYS = sorted(path.parent.name for path in MANIFESTS.glob("overlays/*/kustomization.yaml"))
Object = dict[str, Any]


def rendered(cluster: Any, folder: Path) -> list[Object]:
    return parsed(cluster.kubectl("kustomize", str(folder)))


def rights(documents: list[Object]) -> list[Object]:
    """What somebody may do, without what says nothing about it."""
    told = [
        {
            "kind": document["kind"],
            **{key: document["metadata"][key] for key in ("name", "namespace") if key in document["metadata"]},
            **{key: document[key] for key in ("roleRef", "subjects", "rules") if key in document},
        }
        for document in documents
        if document["kind"] in RIGHTS
    ]
    return sorted(told, key=whose)


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


def test_root_is_read_only_and_every_resource_is_bounded(cluster: Any) -> None:
    """What pod security does not ask for."""
    pod = pod_of(rendered(cluster, MANIFESTS / "operator"))["spec"]
    container = pod["containers"][0]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    for bounds in container["resources"].values():
        assert set(bounds) == {"cpu", "memory", "ephemeral-storage"}
    assert [volume["emptyDir"]["sizeLimit"] for volume in pod["volumes"] if "emptyDir" in volume]
    assert not pod["enableServiceLinks"]

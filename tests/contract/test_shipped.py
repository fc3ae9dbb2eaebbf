"""All that is shipped, and all that the README shows, is what the API server serves: strictly, and without a warning. The pods of
what is shipped are let in where pod security is restricted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.model import ClusterError
from tests.contract.bad_stage import whoami
from tests.contract.installed import install
from tests.contract.test_manifests import OVERLAYS, dry_run, pod_of, rendered
from tests.others.kinds import MONITORING, RECONCILERS, serve
from tests.stage.kubectl import parsed
from tests.stage.overlay import MANIFESTS, on_top
from tests.stage.reconcilers import owner
from tests.unit.shipped import PLAYBOOKS, Object, examples


@pytest.fixture(scope="module", autouse=True)
def stanch(cluster: Any) -> None:
    install(cluster)


Judged = Callable[[list[Object]], None]


@pytest.fixture
def strict(cluster: Any, namespace: str) -> str:
    """A namespace that is labelled as the operator's own, with its account."""
    (shipped,) = parsed((MANIFESTS / "operator" / "namespace.yaml").read_text())
    cluster.kubectl("label", "namespace", namespace, *(f"{key}={value}" for key, value in shipped["metadata"]["labels"].items()))
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "stanch", "namespace": namespace}}
    cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump(account))
    return namespace


@pytest.fixture
def judged(cluster: Any, strict: str) -> Judged:
    """By the API server, in a namespace that is there, said by who asks. Nothing is kept."""
    me = whoami(cluster)

    def judge(documents: list[Object]) -> None:
        for document in documents:
            if "namespace" in document["metadata"]:
                document["metadata"]["namespace"] = strict
            for said in {"openedBy", "by"} & document.get("spec", {}).keys():
                document["spec"][said] = me
        dry_run(cluster, documents)

    return judge


def with_its_pod(documents: list[Object]) -> list[Object]:
    """Of a Deployment that breaks the profile the API server only warns."""
    pod = pod_of(documents)
    # Without its priority: that is cluster-scoped, of one name, and would have to be there.
    spec = {key: value for key, value in pod["spec"].items() if key != "priorityClassName"}
    return [*documents, {**pod, "spec": spec}]


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_and_its_pod(cluster: Any, judged: Judged, name: str) -> None:
    judged(with_its_pod(rendered(cluster, MANIFESTS / "overlays" / name)))


# By component, on which overlay, and what goes with it.
COMPONENTS = {
    "high-availability": ("cluster-wide", "object-store"),
    "monitoring": ("cluster-wide",),
    "object-store": ("single-namespace",),
    "own-object-store": ("high-availability",),
    "shared-volume": ("cluster-wide", "high-availability"),
    "single-namespace": ("cluster-wide",),
}


@pytest.mark.parametrize("name", sorted(path.name for path in (MANIFESTS / "components").iterdir()))
def test_an_overlay_with_a_component_and_its_pod(cluster: Any, judged: Judged, tmp_path: Path, name: str) -> None:
    """ServiceMonitor and PrometheusRule are judged by the Prometheus Operator's own schemas."""
    serve(cluster, *MONITORING)
    overlay, *beside = COMPONENTS[name]
    components = (f"components/{component}" for component in (*beside, name))
    judged(with_its_pod(rendered(cluster, on_top(tmp_path, f"overlays/{overlay}", *components))))


@pytest.mark.parametrize("lost", ["allowPrivilegeEscalation", "capabilities"])
def test_a_pod_that_may_more_is_not_let_in_there(cluster: Any, judged: Judged, lost: str) -> None:
    documents = rendered(cluster, MANIFESTS / "overlays" / "cluster-wide")
    *_, pod = with_its_pod(documents)
    del pod["spec"]["containers"][0]["securityContext"][lost]
    with pytest.raises(ClusterError, match=f'violates PodSecurity "restricted.*{lost}'):
        judged([pod])


def test_a_field_that_the_prometheus_operator_does_not_know_is_refused(cluster: Any, judged: Judged) -> None:
    serve(cluster, *MONITORING)
    (scrape,) = parsed((MANIFESTS / "components" / "monitoring" / "scrape.yaml").read_text())
    scrape["spec"]["endpoints"][0]["intervall"] = "15s"
    with pytest.raises(ClusterError, match="unknown field"):
        judged([scrape])


@pytest.mark.parametrize("kind", RECONCILERS)
def test_what_stands_for_an_owner_in_tests_is_what_its_project_takes(cluster: Any, judged: Judged, strict: str, kind: str) -> None:
    serve(cluster, kind)
    judged([owner(kind, strict)])


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.name)
def test_a_playbook_and_its_access(judged: Judged, path: Path) -> None:
    judged(parsed(path.read_text()))


@pytest.mark.parametrize("example", examples(), ids=lambda example: example["kind"])
def test_an_example_of_the_readme(judged: Judged, example: Object) -> None:
    judged([example])


def test_a_field_that_is_not_served_is_refused(judged: Judged) -> None:
    wrong = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe", "namespace": "default"}, "dtaa": {"a": "b"}}
    with pytest.raises(ClusterError, match="unknown field"):
        judged([wrong])

"""All that is shipped, and all that the README shows, is what the API server serves: strictly, and without a warning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.model import ClusterError
from tests.contract.bad_stage import whoami
from tests.contract.installed import install
from tests.contract.test_manifests import OVERLAYS, dry_run, rendered
from tests.stage.kubectl import parsed
from tests.stage.overlay import MANIFESTS
from tests.unit.shipped import PLAYBOOKS, Object, examples


@pytest.fixture(scope="module", autouse=True)
def stanch(cluster: Any) -> None:
    install(cluster)


Judged = Callable[[list[Object]], None]


@pytest.fixture
def judged(cluster: Any, namespace: str) -> Judged:
    """By the API server, in a namespace that is there, said by who asks. Nothing is kept."""
    me = whoami(cluster)

    def judge(documents: list[Object]) -> None:
        for document in documents:
            if "namespace" in document["metadata"]:
                document["metadata"]["namespace"] = namespace
            for said in {"openedBy", "by"} & document.get("spec", {}).keys():
                document["spec"][said] = me
        dry_run(cluster, documents)

    return judge


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay(cluster: Any, judged: Judged, name: str) -> None:
    judged(rendered(cluster, MANIFESTS / "overlays" / name))


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

"""All that is shipped, unedited and with nothing said, on an API server where nothing was: taken whole, it mitigates in every
namespace, takes back in every namespace when it is uninstalled, and then what is gone and what stays is as the READMEs say.

No pod starts there. The operator is a process under its shipped account and told nothing, and so is what the uninstalling Job runs.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.places import KEPT
from tests.cluster.fixtures import ClusterUnderTest
from tests.cluster.providers.context import NamedContext
from tests.cluster.run import run
from tests.contract.alone import beside, in_force
from tests.contract.deciding import PLAYBOOK, SETTINGS, Deciding, Object, playbook
from tests.contract.installed import until
from tests.stage.account import keep, kubeconfig_of
from tests.stage.install import SHIPPED
from tests.stage.kubectl import Kubectl, established, parsed
from tests.stage.operator import OperatorProcess
from tests.stage.overlay import MANIFESTS
from tests.stage.release import CHART, NAME, run_helm

JOB = "job/stanch-uninstall"
# Between what the Job does and what comes of it: who would be a pod ends.
Ends = Callable[[], object]


@pytest.fixture
def server(cluster: Any) -> Iterator[Kubectl]:
    """Nobody else's: stanch's kinds come and go there."""
    provider = beside(cluster, f"whole-{secrets.token_hex(3)}")
    assert provider.name != NamedContext.name, "it would remove stanch's kinds from your cluster: unset STANCH_KUBE_CONTEXT"
    try:
        yield Kubectl(ClusterUnderTest(provider.up()).kubectl)
    finally:
        provider.down()


@dataclass(frozen=True)
class Kustomized:
    kubectl: Kubectl
    folder: Path

    @property
    def documents(self) -> list[Object]:
        return [document for part in ("overlays/cluster-wide", "uninstall") for document in self.kubectl.rendered(MANIFESTS / part)]

    @property
    def stays(self) -> list[Object]:
        return []

    def install(self) -> None:
        self.kubectl("--warnings-as-errors", "apply", "-k", str(MANIFESTS / "overlays" / "cluster-wide"))

    def leave(self, ends: Ends) -> str:
        self.kubectl("--warnings-as-errors", "apply", "-k", str(MANIFESTS / "uninstall"))
        said = worked_off(self.kubectl, self.folder, ends)
        for part in ("uninstall", "overlays/cluster-wide"):
            # What only a controller lets go is not waited for: none is there.
            self.kubectl("delete", "-k", str(MANIFESTS / part), "--wait=false", "--ignore-not-found")
        return said


@dataclass(frozen=True)
class Charted:
    kubectl: Kubectl
    folder: Path

    @property
    def documents(self) -> list[Object]:
        return [document for part in ("manifest", "hooks") for document in parsed(self.helm("get", part, NAME))]

    @property
    def stays(self) -> list[Object]:
        return [document for document in self.documents if document["kind"] in KEPT]

    def install(self) -> None:
        self.helm("install", NAME, str(CHART), "--create-namespace")

    def leave(self, ends: Ends) -> str:
        with ThreadPoolExecutor(1) as pool:
            leaving = pool.submit(self.helm, "uninstall", NAME)
            said = worked_off(self.kubectl, self.folder, ends)
            leaving.result()
        return said

    def helm(self, *arguments: str) -> str:
        return run_helm(self.kubectl, self.folder, SHIPPED, *arguments)


def worked_off(kubectl: Kubectl, folder: Path, ends: Ends) -> str:
    """What a node and a controller would do: the Job's words are run under the Job's account, then it is complete."""
    here = kubectl.inside(SHIPPED)
    here("wait", "--for=create", JOB, "--timeout=60s")
    pod = here.get(JOB)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert [variable["name"] for variable in container["env"]] == ["STANCH_OPERATOR_NAMESPACE"], "it asks for every namespace"
    begun = now()
    kubeconfig = keep(folder / "uninstall.kubeconfig", kubeconfig_of(here, pod["serviceAccountName"]))
    words = [str(Path(sys.executable).with_name("stanch")), *container["args"], "--kubeconfig", str(kubeconfig)]
    said = run(words, env={**os.environ, "STANCH_OPERATOR_NAMESPACE": SHIPPED}, timeout=300)
    assert all(policy["spec"]["suspended"] for policy in kubectl.get("responsepolicies")["items"]), "every policy is frozen"
    ends()
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": now()} for kind in ("SuccessCriteriaMet", "Complete")]
    status = {"startTime": begun, "completionTime": now(), "succeeded": 1, "conditions": conditions}
    here("patch", JOB, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
    return said


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def switched_for_a_time() -> Object:
    """Nobody is asked, and it is owed for as long as the test lives."""
    spec = playbook()
    (option,) = spec["options"]
    del option["approval"]
    option["steps"][0]["revert"] = {"after": "1h", "onRecovery": False}
    return spec


def opened(server: Kubectl, namespace: str) -> Deciding:
    """An Incident in a new namespace."""
    server("create", "namespace", namespace)
    scene = Deciding(server.inside(namespace), SHIPPED)
    scene.prepare(switched_for_a_time())
    scene.open("switch-it", playbookRef={"name": PLAYBOOK})
    return scene


def mitigated(scene: Deciding) -> bool:
    scene.until("switch-it", "Mitigated", 60)
    return is_on(scene) == "true"


def is_on(scene: Deciding) -> str:
    return scene.kubectl.get("configmap", SETTINGS)["data"]["on"]


def standing(server: Kubectl, documents: list[Object]) -> set[tuple[str, str, str]]:
    """Which of these are there; a namespace and a claim may be on their way out: controllers take their finalizers off."""
    text = server("get", "-f", "-", "--ignore-not-found", "-o", "json", input=yaml.safe_dump_all(documents))
    found = json.loads(text or "{}")
    items = found.get("items", [found] if found else [])
    leaving = ("Namespace", "PersistentVolumeClaim")
    return {identity(item) for item in items if not (item["kind"] in leaving and "deletionTimestamp" in item["metadata"])}


def identity(document: Object) -> tuple[str, str, str]:
    return document["kind"], document["metadata"].get("namespace", ""), document["metadata"]["name"]


@pytest.mark.parametrize("way", [Kustomized, Charted], ids=["kustomization", "chart"])
def test_as_shipped_it_works_in_every_namespace_and_takes_back_in_every_namespace_when_it_goes(
    server: Kubectl, way: type[Kustomized | Charted], tmp_path: Path
) -> None:
    shipped = way(server, tmp_path)
    shipped.install()
    established(server, "crd", "-l", "app.kubernetes.io/part-of=stanch")
    in_force(server)
    documents, stays = shipped.documents, shipped.stays
    scenes = [opened(server, namespace) for namespace in ("one", "two")]
    operator = OperatorProcess(server, tmp_path / "operator", (), SHIPPED)
    operator.start()
    try:
        assert all(mitigated(scene) for scene in scenes)
        scenes.append(opened(server, "made-afterwards"))
        assert mitigated(scenes[-1])
        said = shipped.leave(ends=operator.stop)
    finally:
        code = operator.stop()
    assert code == 0, operator.log.read_text()[-4000:]
    assert not [line for line in operator.log.read_text().splitlines() if "orbidden" in line], "its shipped rights are enough"
    assert "Nothing is owed any more" in said and all(f"{scene.namespace}/switch-it" in said for scene in scenes)
    assert [is_on(scene) for scene in scenes] == ["false"] * 3
    until(lambda: standing(server, documents) == {identity(document) for document in stays})
    if stays:
        assert len(server("get", "playbooks", "--all-namespaces", "-o", "name").split()) == 3, "with their kinds, objects stay"

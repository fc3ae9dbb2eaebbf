"""Where it is measured: namespaces, each with one contestant's rights, the targets in them and the Incidents about those."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stanch.api.kinds import PlaybookSpec
from stanch.cli.rbac import Subject, objects
from tests.bench.api import CONFIG_MAPS, INCIDENTS, Api, Document, connected
from tests.cluster.fixtures import ClusterUnderTest
from tests.cluster.providers import choose
from tests.stage.account import kubeconfig_of
from tests.stage.install import install_operator, install_types, uninstall_operator
from tests.stage.kubectl import Kubectl, documents
from tests.stage.scene import AUREUS

HERE = Path(__file__).resolve().parent
HARNESS, ACCOUNT = "harness", "contestant"
MITIGATES, WAITS = "read-only", "waits"
RBAC = "rbac.authorization.k8s.io"
# What is needed by an operator that writes targets under its own identity, and by a person who keeps logs.
RULES = [
    {"apiGroups": ["stanch.dev"], "resources": ["incidents"], "verbs": ["get", "list", "watch", "patch"]},
    {"apiGroups": ["stanch.dev"], "resources": ["incidents/status"], "verbs": ["get", "patch", "record"]},
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch", "patch"]},
    {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]},
]


@dataclass(frozen=True)
class Place:
    """`name` begins the names of all its namespaces. `folder` is for what contestants write on this machine, `program` is the
    kubectl that a script may run."""

    kubectl: Kubectl
    program: Path
    api: Api
    name: str
    folder: Path
    audit_log: Path
    host_address: str

    @property
    def user(self) -> str:
        return user_of(self.name, HARNESS)

    @property
    def server(self) -> str:
        """The API server's address."""
        return kubeconfig_of(self.kubectl.inside(self.name), HARNESS)["clusters"][0]["cluster"]["server"]

    def stanch_ground(self, namespace: str) -> None:
        """A namespace where stanch, from a namespace beside it, may run the two playbooks."""
        self.kubectl("create", "namespace", namespace)
        install_operator(self.kubectl, beside(namespace))
        for playbook in documents(HERE / "playbook.yaml"):
            self.allow(namespace, playbook)

    def allow(self, namespace: str, playbook: Document) -> None:
        """The playbook there, and exactly the access that it needs."""
        playbook["metadata"]["namespace"] = namespace
        spec = PlaybookSpec.model_validate(playbook["spec"])
        subject = Subject(playbook["metadata"]["name"], namespace, spec, beside(namespace))
        self.kubectl.apply([*objects(subject), playbook])

    def other_ground(self, namespace: str) -> None:
        """A namespace with a ServiceAccount that may do there what a contestant needs."""
        self.kubectl("create", "namespace", namespace)
        self.kubectl.apply(account(namespace, ACCOUNT, {"kind": "Role", "name": ACCOUNT}))
        role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": ACCOUNT, "namespace": namespace}}
        self.kubectl.apply([{**role, "rules": RULES}])

    async def targets(self, namespace: str, names: Iterable[str]) -> None:
        path = CONFIG_MAPS.format(namespace)
        await self.api.create_all(path, ({"metadata": {"name": name}, "data": {"read-only": "false"}} for name in names))

    async def open(self, namespace: str, name: str, playbook: str = MITIGATES) -> Document:
        """An Incident about the target of the same name."""
        return await self.api.create(INCIDENTS.format(namespace), self.incident(name, playbook))

    async def open_all(self, namespace: str, names: Iterable[str], playbook: str = MITIGATES, **more: str) -> None:
        """`more`: fields of the spec that all of them have."""
        await self.api.create_all(INCIDENTS.format(namespace), (self.incident(name, playbook, **more) for name in names))

    def incident(self, name: str, playbook: str, **more: str) -> Document:
        spec = {
            "openedBy": self.user, "title": "It must be read-only", "type": "availability", "severity": "P0",
            "component": name, "playbookRef": {"name": playbook}, **more,
        }  # fmt: skip
        return {"apiVersion": "stanch.dev/v1alpha1", "kind": "Incident", "metadata": {"name": name}, "spec": spec}


def named_cluster() -> ClusterUnderTest:
    """The one that STANCH_TEST_CLUSTER names, up. Raises ClusterError."""
    return ClusterUnderTest(choose(os.environ.get("STANCH_TEST_CLUSTER") or "stanch-test").up())


def unlimited(document: Any) -> None:
    """As many incidents as a burst has: what is measured is not to wait for a guard."""
    document["spec"]["limits"] = {"concurrentIncidents": 10_000, "cooldown": "0s", "changesPerHour": 100_000,
                                  "storm": {"incidents": 10_000, "within": "1s"}}  # fmt: skip


@asynccontextmanager
async def placed(cluster: ClusterUnderTest, name: str, folder: Path) -> AsyncIterator[Place]:
    """On a cluster as the fixture gives it: stanch's types, the policy, the harness's own account, which may do everything. What
    is not for all namespaces is removed again."""
    kubectl = Kubectl(cluster.kubectl)
    with cluster.installing():
        install_types(kubectl)
        kubectl.apply(documents(AUREUS / "policy.yaml", unlimited))
    kubectl("create", "namespace", name)
    role = {"kind": "ClusterRole", "name": "cluster-admin"}
    kubectl.apply(account(name, HARNESS, role, cluster_wide=True))
    try:
        async with connected(kubeconfig_of(kubectl.inside(name), HARNESS)) as api:
            yield Place(kubectl, cluster.cluster.kubectl, api, name, folder, cluster.audit_log, cluster.host_address or "")
    finally:
        kubectl("delete", "clusterrolebinding", f"{name}-{HARNESS}", "--ignore-not-found")
        kubectl("delete", "namespace", name, "--wait=false")


def leave(kubectl: Kubectl, namespace: str) -> None:
    """Removes what `stanch_ground` or `other_ground` made; Incidents and targets go by themselves, later."""
    uninstall_operator(kubectl, beside(namespace))
    kubectl("delete", "namespace", namespace, "--wait=false")


def beside(namespace: str) -> str:
    """Where the operator of that namespace has its leases, plans and before-images."""
    return f"{namespace}-op"


def user_of(namespace: str, name: str) -> str:
    return f"system:serviceaccount:{namespace}:{name}"


def account(namespace: str, name: str, role: Document, *, cluster_wide: bool = False) -> list[Document]:
    """A ServiceAccount and the binding that gives it the role."""
    subject: dict[str, Any] = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    kind = "ClusterRoleBinding" if cluster_wide else "RoleBinding"
    metadata = {"name": f"{namespace}-{name}"} if cluster_wide else {"name": name, "namespace": namespace}
    binding = {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, "roleRef": {"apiGroup": RBAC, **role}}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
        {**binding, "subjects": [subject]},
    ]

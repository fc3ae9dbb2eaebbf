"""That an API server has the policies is not believed before it refuses what is forged: one that follows none of them, and one that
cannot be asked, under the rights that are shipped."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from stanch.api.needs import OPERATOR
from stanch.engine.shipped import DECISIONS, OTHERS
from stanch.engine.summary import ADMISSION
from stanch.engine.vouching import Distrust, NotVouched, Trust
from stanch.kube.client import connect
from stanch.kube.identity import ApiClusters
from stanch.runtime.witness import Witness
from tests.cluster.fixtures import ClusterUnderTest
from tests.contract.alone import restore, standing
from tests.contract.deciding import PLAYBOOK, Deciding, operating, playbook
from tests.contract.world import until
from tests.stage.account import keep, kubeconfig_of
from tests.stage.install import install_operator, install_types, role_of
from tests.stage.kubectl import Kubectl, documents
from tests.stage.scene import AUREUS

POLICIES = (DECISIONS, *OTHERS)


@pytest.fixture(scope="module")
def lax(cluster: ClusterUnderTest) -> Iterator[Kubectl]:
    """An API server that stores the policies and follows none."""
    with standing(cluster, "lax", without=("ValidatingAdmissionPolicy",)) as api:
        install_types(Kubectl(api.kubectl))
        yield Kubectl(api.kubectl)


def installed(kubectl: Kubectl) -> Kubectl:
    """The operator's own namespace, with the rights that are shipped; and a ResponsePolicy."""
    namespace = f"t-{secrets.token_hex(4)}"
    install_operator(kubectl, namespace)
    kubectl.apply(documents(AUREUS / "policy.yaml"))
    return kubectl.inside(namespace)


async def found(own: Kubectl, folder: Path) -> dict[str, Trust]:
    """What a look at each policy finds, by the operator."""
    async with connect(str(keep(folder / "operator.yaml", kubeconfig_of(own, OPERATOR)))) as api:
        witnesses = [Witness(policy, ApiClusters(api).own, api.clock, own.namespace) for policy in POLICIES]
        for one in witnesses:
            await one.look()
        return {one.policy.name: one.trust for one in witnesses}


async def finds(own: Kubectl, folder: Path, reason: Distrust | None) -> list[str]:
    """For this reason each policy of which something can be forged is not believed, and no other; None: all are. Says what is said
    of them. The authorizer learns of a role a moment after it was written."""
    wanted = {policy.name: reason if policy.kind else None for policy in POLICIES}
    told: list[str] = []

    async def so() -> bool:
        looks = await found(own, folder)
        distrusted = {name: trust for name, trust in looks.items() if isinstance(trust, NotVouched)}
        told[:] = [trust.message for trust in distrusted.values()]
        return {name: distrusted[name].reason if name in distrusted else None for name in looks} == wanted

    await until(so)
    return told


async def test_where_they_are_followed_they_are_believed(lone: Kubectl, tmp_path: Path) -> None:
    restore(lone)
    assert await finds(installed(lone), tmp_path, None) == []


@pytest.mark.requirement("A-17")
async def test_where_they_are_not_followed_what_is_forged_is_taken(lax: Kubectl, tmp_path: Path) -> None:
    told = await finds(installed(lax), tmp_path, Distrust.ProbeAccepted)
    assert all("see whether its admission plugin ValidatingAdmissionPolicy is on" in message for message in told)


async def test_where_the_operator_may_not_try_it_is_not_known(lone: Kubectl, tmp_path: Path) -> None:
    """RBAC refuses it first, in other words."""
    restore(lone)
    own = installed(lone)
    less(own, "role/stanch-operator", {"decisions", "incidents", "playbooks"})
    less(own, f"clusterrole/{role_of(own.namespace, 'stanch-operator-policies')}", {"responsepolicies/status"})
    told = await finds(own, tmp_path, Distrust.ProbeUnproven)
    assert all("is refused, but not by" in message and "cannot" in message for message in told)


def less(own: Kubectl, role: str, resources: set[str]) -> None:
    """Without the rules on these."""
    kept = [rule for rule in own.get(role)["rules"] if not resources & set(rule["resources"])]
    own("patch", role, "--type=merge", "-p", json.dumps({"rules": kept}))


@pytest.mark.requirement("A-17")
def test_where_they_are_not_followed_nobody_is_believed_and_nothing_is_planned(lax: Kubectl, tmp_path: Path) -> None:
    with operating(lax, tmp_path, f"t-{secrets.token_hex(4)}") as operator:
        scene = Deciding(lax.inside(operator.namespaces[0]), operator.namespace)
        scene.prepare(playbook(incident_commander=1))
        name = scene.open("open", playbookRef={"name": PLAYBOOK})
        for condition in (ADMISSION, "DecisionsTrusted"):
            scene.kubectl.wait(f"incident/{name}", f".status.conditions[?(@.type=='{condition}')].status", "False", 60)
            assert scene.condition(name, condition)["reason"] == Distrust.ProbeAccepted
        abort = scene.decide(scene.on_call, "Abort", scene.incident(name))
        status = scene.incident(name)["status"]
        assert status["phase"] == "Opened" and "planDigest" not in status and "status" not in scene.decision(abort)
        scene.kubectl("delete", "incident", name, "--timeout=30s")

"""An operator is given all of the bad input that the API server admits, and goes on serving: tests/unit/bad_cases.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.bad_stage import create, set_up, standing, whoami
from tests.contract.installed import install
from tests.stage.install import install_operator, uninstall_operator
from tests.stage.kubectl import ROOT, Kubectl, documents
from tests.stage.operator import OperatorProcess
from tests.stage.scene import calm
from tests.unit.bad_cases import BAD, LOOKS_LIKE_CODE
from tests.unit.bad_input import SWITCH, Bad, Object, Pair, good

SECONDS = 90

# As much as an object may hold: the API server takes it, and its plan would not fit where plans are kept.
LABELS = {f"k{number:05d}-{'y' * 50}": "x" * 63 for number in range(6000)}
HEAVY = Bad(
    "2 MB of parameters",
    "a megabyte of labels",
    lambda pair: pair.incident["metadata"].update(labels=LABELS),
    reason="PlanTooLarge",
    says="bytes, expected 700000 or fewer",
)


@pytest.fixture(scope="module")
def installed(cluster: Any) -> Kubectl:
    install(cluster)
    kubectl = Kubectl(cluster.kubectl)
    with cluster.installing():
        kubectl.apply(documents(ROOT / "playbooks" / "aureus" / "policy.yaml", calm))
    return kubectl


@pytest.fixture
def operator(installed: Kubectl, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    own = f"{namespace}-op"
    install_operator(installed, own)
    process = OperatorProcess(installed, tmp_path / "operator", (namespace,), namespace=own)
    yield process
    code = process.stop()
    uninstall_operator(installed, own)
    assert code == 0, process.log.read_text()[-4000:]


def serving(here: Kubectl, name: str, mode: str, me: str) -> Pair:
    """A good Incident whose parameters look like code."""
    pair = good(name, me, aim=SWITCH)
    pair.gives(mode=mode, note=LOOKS_LIKE_CODE)
    create(here, pair)
    return pair


def served(here: Kubectl, name: str, mode: str) -> None:
    here.wait(f"incident/{name}", ".status.steps[0].state", "Done", SECONDS)
    assert here.get("configmap", SWITCH)["data"] == {"mode": mode, "note": LOOKS_LIKE_CODE}


def statuses(here: Kubectl, kind: str) -> dict[str, Object]:
    return {obj["metadata"]["name"]: obj.get("status", {}) for obj in here.get(kind)["items"]}


def test_all_of_it_at_once_is_refused_with_its_reason_while_others_are_served(
    installed: Kubectl, operator: OperatorProcess, cluster: Any, namespace: str
) -> None:
    me, here = whoami(cluster), installed.inside(namespace)
    set_up(here, operator.namespace)
    if cluster.can_run_pods:  # made by a controller, some time after its namespace
        here("wait", "--for=create", "configmap/kube-root-ca.crt", "--timeout=60s")
    before = standing(here)
    bads: dict[str, Bad] = {f"bad-{number}": bad for number, bad in enumerate((*BAD, HEAVY)) if bad.reason}
    operator.start()
    create(here, *(bad.pair(name, me) for name, bad in bads.items()))
    serving(here, "good", "first", me)
    served(here, "good", "first")
    refused(here, bads, me)
    serving(here, "good-again", "second", me)
    served(here, "good-again", "second")
    unchanged(before, standing(here))
    assert operator.running and not crashed(operator)


def refused(here: Kubectl, bads: dict[str, Bad], me: str) -> None:
    """Each Incident says why and waits for who opened it; each Playbook that no Incident can use says so itself."""
    for name, bad in bads.items():
        here.wait(f"incident/{name}", ".status.reason", bad.reason, SECONDS)
    incidents, playbooks = statuses(here, "incidents"), statuses(here, "playbooks")
    for name, bad in bads.items():
        status = incidents[name]
        assert bad.says in status["message"] and bad.where in status["message"], (str(bad), status)
        assert (status["phase"], status["waitsFor"]) == ("Waiting", me), (str(bad), status)
        if bad.reason.endswith("Invalid") and bad.where:
            (ready,) = playbooks[name]["conditions"]
            assert ready["status"] == "False" and bad.where in ready["message"], (str(bad), ready)


def unchanged(before: Object, after: Object) -> None:
    """Only the switch was set: what the bad ones aimed at is as it was, and nothing was made."""
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == {f"ConfigMap/{SWITCH}"}


def crashed(operator: OperatorProcess) -> list[str]:
    """Log lines about errors that nobody foresaw."""
    return [json.dumps(line)[:500] for line in operator.lines() if "Traceback" in json.dumps(line)]

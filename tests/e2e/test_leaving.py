"""`stanch uninstall` on a real cluster: what is owed is taken back, what stays is said, who comes back takes it up.

An operator in its pod, installed and removed as users do it, is in `test_in_cluster.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from stanch.cli.leaving import SILENT
from stanch.runtime.write import FINALIZER
from tests.e2e.test_reverts import BEFORE, RAISED, STEP, raised, revert_of
from tests.stage.command import CommandError, Stanch
from tests.stage.install import ROLES, install_operator, role_of
from tests.stage.kubectl import Kubectl
from tests.stage.operator import OperatorProcess
from tests.stage.pack import folder_of, lines
from tests.stage.scene import Scene


@pytest.fixture
def admin(stage: Scene, tmp_path: Path) -> Stanch:
    return Stanch(stage.kubectl, tmp_path)


def uninstall(admin: Stanch, scene: Scene) -> str:
    """For this test's namespace: policies are every test's."""
    where = ("--namespace", scene.namespace, "--operator-namespace", scene.operator_namespace)
    return admin("uninstall", "--yes", *where, "--timeout", "2m", timeout=180)


def test_what_is_owed_is_taken_back_and_its_pack_is_sealed(scene: Scene, admin: Stanch) -> None:
    name = raised(scene, after="1h")
    incident = scene.incident(name)
    said = uninstall(admin, scene)
    assert scene.environment() == BEFORE
    assert STEP in said and "Nothing is owed any more" in said
    assert name not in scene.kubectl("get", "incidents", "-o", "name")
    assert "1/revert/raise-limits/raise/done" in lines(incident) and (folder_of(incident) / "seal.json").exists()


def test_what_cannot_be_taken_back_stays_until_a_person_says_so(scene: Scene, admin: Stanch, tmp_path: Path) -> None:
    name = raised(scene, after="1h")
    scene.kubectl("set", "env", "deployment/frontend", "RATE_LIMIT_QUERY=99")
    with pytest.raises(CommandError, match="exit 1") as refused:
        uninstall(admin, scene)
    assert "RATE_LIMIT_QUERY" in str(refused.value) and "1 incident still there" in str(refused.value)
    assert FINALIZER in scene.incident(name)["metadata"]["finalizers"]
    commander = Stanch(scene.commander, tmp_path)
    commander("confirm", name, STEP, "--reason", "99 stays", "--yes", "--no-wait")
    scene.kubectl("wait", "--for=delete", f"incident/{name}", "--timeout=60s")
    assert "Nothing is owed any more" in uninstall(admin, scene)
    assert scene.environment() == RAISED | {"RATE_LIMIT_QUERY": "99"}


def test_killed_and_removed_it_leaves_what_it_owes_and_one_that_is_installed_again_takes_it_back(
    scene: Scene, admin: Stanch, operator: OperatorProcess, installed: Kubectl
) -> None:
    name = raised(scene, after="1h")
    operator.kill()
    removed(installed, operator)
    scene.until_time(datetime.now(UTC) + SILENT)
    with pytest.raises(CommandError, match="no operator leads in namespace") as left:
        uninstall(admin, scene)
    assert STEP in str(left.value) and "installed again takes them up" in str(left.value)
    incident = scene.incident(name)
    assert FINALIZER in incident["metadata"]["finalizers"] and "deletionTimestamp" not in incident["metadata"]
    assert scene.environment() == RAISED and revert_of(incident)["state"] == "Owed"
    assert STEP in admin("reverts")
    install_operator(installed, operator.namespace)
    operator.start()
    assert "Nothing is owed any more" in uninstall(admin, scene)
    assert scene.environment() == BEFORE


def removed(installed: Kubectl, operator: OperatorProcess) -> None:
    """As `helm uninstall --no-hooks` leaves it: account and rights go, the namespace with its Secrets and the Lease stay."""
    installed("delete", "clusterrole,clusterrolebinding", *(role_of(operator.namespace, role) for role in ROLES))
    inside = installed.inside(operator.namespace)
    inside("delete", "serviceaccount/stanch", "role/stanch-operator", "rolebinding/stanch-operator")
    # The token of an account that is gone.
    (operator.folder / "operator.kubeconfig").unlink()

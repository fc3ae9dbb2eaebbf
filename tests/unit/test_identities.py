"""What stands for the operator in tests speaks under its shipped ServiceAccount. Who speaks as admin is named here, and why."""

import re
from collections.abc import Mapping

from tests.stage.kubectl import ROOT

TESTS = ROOT / "tests"
# What takes the kubeconfig of the cluster's administrator into Python. kubectl, which sets every scene, does so in `cluster/`.
ADMINS = re.compile(r"\b(cluster|alone)\.kubeconfig\b")
AS_ADMIN: Mapping[str, str] = {
    "contract/conftest.py": "`world.admin` sets the scene: objects, nodes, grants, ServiceAccounts that are deleted and made again",
    "contract/test_cli.py": "a person's kubeconfig is the administrator's with their name in it; who freezes every policy is one",
    "contract/test_forged.py": "is everybody in turn, by impersonation; the operator is a process of its own",
    "contract/test_permissions.py": "`stanch lint --cluster`, which an administrator runs under a kubeconfig of their own",
    "e2e/test_actions_exec.py": "`world.admin` sets the scene",
    "stage/prometheus.py": "`kubectl port-forward`, by which the test itself asks",
}


def test_nobody_else_takes_the_administrators_kubeconfig() -> None:
    found = {
        str(path.relative_to(TESTS))
        for tier in ("contract", "e2e", "stage")
        for path in (TESTS / tier).rglob("*.py")
        if ADMINS.search(path.read_text())
    }
    assert found == AS_ADMIN.keys()

"""The adapter on a real API server keeps the contract."""

from tests.contract.suite_bindings import BindingContract
from tests.contract.suite_cluster import ClusterContract
from tests.contract.suite_exec import ExecRefusals


class TestKubeCluster(ClusterContract, ExecRefusals, BindingContract):
    pass

"""The adapter on a real API server keeps the contract."""

from tests.contract.suite_cluster import ClusterContract


class TestKubeCluster(ClusterContract):
    pass

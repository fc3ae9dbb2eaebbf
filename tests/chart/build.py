"""Helm, with which the tests render the chart, from the Go module in `helm/`."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.goprogram import GoProgram

SOURCE = Path(__file__).resolve().parent / "helm"
HELM = GoProgram("helm", SOURCE, "helm.sh/helm/v4/cmd/helm", "Helm")


def helm() -> Path:
    """The program. Raises ClusterError."""
    return HELM.path()

"""The Go operator of `peer/`."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.goprogram import GoProgram

SOURCE = Path(__file__).resolve().parent / "peer"
PEER = GoProgram("peer", SOURCE, ".", "the Go operator that stanch is measured against")


def peer() -> Path:
    """The program. Raises ClusterError."""
    return PEER.path()

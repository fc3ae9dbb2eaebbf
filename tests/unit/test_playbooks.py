"""The playbooks that are shipped: each lints clean, and its access is exactly what `stanch rbac` prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from stanch.cli.main import app

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"


def test_every_file_lints_clean() -> None:
    result = CliRunner().invoke(app, ["lint", "--strict", str(PLAYBOOKS)])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("playbook", "access"),
    [
        ("frontend-down.yaml", "access.yaml"),
        ("database-connections.yaml", "database-connections-access.yaml"),
        ("policy-bypass.yaml", "policy-bypass-access.yaml"),
        ("rate-limiting.yaml", "rate-limiting-access.yaml"),
        ("read-only.yaml", "read-only-access.yaml"),
        ("storage-full.yaml", "storage-full-access.yaml"),
    ],
)
def test_access_is_what_rbac_prints(playbook: str, access: str) -> None:
    path = PLAYBOOKS / "aureus" / playbook
    result = CliRunner().invoke(app, ["rbac", "-f", str(path)])
    assert result.exit_code == 0, result.output
    assert result.stdout == (path.parent / access).read_text(), f"write it again: stanch rbac -f {playbook} >{access}"

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


@pytest.mark.parametrize("playbook", ["aureus/frontend-down.yaml"])
def test_access_is_what_rbac_prints(playbook: str) -> None:
    path = PLAYBOOKS / playbook
    result = CliRunner().invoke(app, ["rbac", "-f", str(path)])
    assert result.exit_code == 0, result.output
    assert result.stdout == (path.parent / "access.yaml").read_text(), "write it again: stanch rbac -f PLAYBOOK >access.yaml"

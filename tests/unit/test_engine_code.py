"""Where a command holds code: there a template is refused, everywhere else it is data."""

from __future__ import annotations

from typing import Any

import pytest

from stanch.engine.code import code_in


@pytest.mark.parametrize(
    "params",
    [
        {"command": ["sh", "-c", "CODE"]},
        {"command": ["/usr/bin/psql", "-U", "aureus", "-Atc", "CODE"]},
        {"command": ["psql", "--command", "CODE"]},
        {"argv": ["psql"], "stdin": {"text": "CODE"}},
        {"argv": ["bash"], "stdin": "CODE"},
        {"template": {"command": ["python3", "-c", "CODE"]}},
        {"argv": ["su", "postgres", "-c", "CODE"]},
        {"argv": ["timeout", "5", "runuser", "-u", "x", "--session-command", "CODE"]},
        {"argv": ["runuser", "-u", "x", "--", "awk", "CODE"]},
        {"argv": ["sed", "CODE"]},
        {"argv": ["sqlite3", "CODE"]},
        {"argv": ["redis-cli", "EVAL", "CODE"]},
        {"argv": ["node", "-p", "CODE"]},
        {"argv": ["perl", "-E", "CODE"]},
        {"argv": ["ssh", "CODE"]},
    ],
)
def test_code_is_found(params: dict[str, Any]) -> None:
    assert list(code_in(params)) == ["CODE"]


@pytest.mark.parametrize(
    "params",
    [
        {"argv": ["tee", "/app/evidence/decision.log"], "stdin": {"text": "DATA"}},
        {"argv": ["tee", "DATA"], "stdin": {"secretRef": {"name": "a", "key": "b"}}},
        {"command": ["psql", "--dbname=options=-cstanch.idle=DATA"]},
        {"argv": ["psql"], "stdin": {"secretRef": {"name": "DATA", "key": "DATA"}}},
        {"argv": ["psql", "-p", "DATA", "-U", "DATA"]},
        {"argv": ["redis-cli", "DEL", "DATA"]},
    ],
)
def test_data_is_none(params: dict[str, Any]) -> None:
    assert list(code_in(params)) == []

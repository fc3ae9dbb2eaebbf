"""The pack of an incident, as an auditor opens it: its folder, and the lines of its timeline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


def folder_of(incident: dict[str, Any]) -> Path:
    return Path(urlsplit(incident["status"]["pack"]["uri"]).path)


def lines(incident: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Key -> line, oldest first."""
    return {line["key"]: line for line in timeline(incident)}


def timeline(incident: dict[str, Any]) -> list[dict[str, Any]]:
    """Oldest first."""
    return [json.loads(path.read_text())["line"] for path in sorted((folder_of(incident) / "chain").glob("*.json"))]

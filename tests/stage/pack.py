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
    entries = [json.loads(path.read_text()) for path in sorted((folder_of(incident) / "chain").glob("*.json"))]
    return {entry["line"]["key"]: entry["line"] for entry in entries}

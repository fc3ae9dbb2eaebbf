"""The IDs and their titles, from tests/requirements.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

FILE = Path(__file__).resolve().parents[1] / "requirements.yaml"


def load() -> Mapping[str, str]:
    """ID -> title, in the file's order."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))

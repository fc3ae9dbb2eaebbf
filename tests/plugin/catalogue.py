"""The IDs and their titles, from tests/requirements.yaml, and what is known to be lacking, from tests/in-part.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

TESTS = Path(__file__).resolve().parents[1]


def load() -> Mapping[str, str]:
    """ID -> title, in the file's order."""
    return yaml.safe_load((TESTS / "requirements.yaml").read_text(encoding="utf-8"))


def lacking() -> Mapping[str, str]:
    """ID -> what of it no test shows yet, though some name it."""
    return yaml.safe_load((TESTS / "in-part.yaml").read_text(encoding="utf-8"))

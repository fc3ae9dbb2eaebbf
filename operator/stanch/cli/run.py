"""`stanch run`: hands the settings to the composition root."""

from __future__ import annotations

import importlib
import sys

from stanch.runtime.settings import Settings


def run(settings: Settings) -> None:
    """Ends the process with the operator's exit code."""
    # By name: `stanch.app` stands above the command line in the layers, and is what the command line starts.
    sys.exit(importlib.import_module("stanch.app").run(settings))

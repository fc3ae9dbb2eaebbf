"""python -m tests.chart FOLDER: writes the chart there; what was generated before and is not any more goes.

python -m tests.chart --helm: builds the Helm that tests render it with, and prints its path.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.chart.build import helm
from tests.chart.chart import chart
from tests.cluster.model import ClusterError
from tests.cluster.run import say

# Written by people.
PROSE = "NOTES.txt"


def main() -> int:
    """0 when it is there, 1 with a message when not."""
    parser = argparse.ArgumentParser(prog="python -m tests.chart", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", metavar="FOLDER")
    parser.add_argument("--helm", action="store_true", help="build Helm")
    options = parser.parse_args()
    try:
        if options.helm:
            print(helm())
        if options.folder:
            write(options.folder)
    except ClusterError as wrong:
        say(f"error: {wrong}")
        return 1
    return 0


def write(folder: Path) -> None:
    made = {folder / name: text for name, text in chart().items()}
    for old in folder.rglob("*"):
        if old.is_file() and old not in made and old.name != PROSE:
            old.unlink()
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

"""python -m tests.image: builds stanch's container image, and says what came of it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.cluster.model import ClusterError
from tests.cluster.run import say

from .build import Built, build


def main() -> int:
    """0 when the image is there, 1 with a message when not."""
    parser = argparse.ArgumentParser(prog="python -m tests.image", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("dist"), metavar="FOLDER", help="where it is written (default: dist)")
    parser.add_argument("--cached", action="store_true", help="with the Debian packages of the last time, not the newest")
    options = parser.parse_args()
    try:
        tell(build(options.out, anew=not options.cached))
    except ClusterError as wrong:
        say(f"error: {wrong}")
        return 1
    return 0


def tell(built: Built) -> None:
    print(f"image    {built.ref}\ndigest   {built.digest}")
    for name, path in (("archive", built.archive), ("SBOM", built.bill)):
        print(f"{name:<8} {path} ({path.stat().st_size / 1e6:.0f} MB)")


if __name__ == "__main__":
    sys.exit(main())

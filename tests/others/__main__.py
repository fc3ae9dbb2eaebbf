"""python -m tests.others: fetches the CRDs, and prints the folder in which they are."""

from __future__ import annotations

import sys

from tests.cluster.model import ClusterError
from tests.cluster.run import say
from tests.others.kinds import kept


def main() -> int:
    """0 when they are there, 1 with a message when not."""
    try:
        print(kept())
    except ClusterError as wrong:
        say(f"error: {wrong}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

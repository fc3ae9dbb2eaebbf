"""python -m tests.s3: builds the S3 server that the tests put packs into, and prints its path."""

from __future__ import annotations

import sys

from tests.cluster.model import ClusterError
from tests.cluster.run import say
from tests.s3.build import SERVER


def main() -> int:
    """0 when it is there, 1 with a message when not."""
    try:
        print(SERVER.path())
    except ClusterError as wrong:
        say(f"error: {wrong}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

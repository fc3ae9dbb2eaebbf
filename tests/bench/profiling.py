"""python -m tests.bench.profiling: where stanch's processor time goes in a burst, function by function.

Only the operator's own loop is seen: kopf's runs in a thread of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import pstats
import secrets
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.bench.api import following
from tests.bench.contestants import Stanch, running
from tests.bench.lives import all_settled
from tests.bench.place import Place, beside, named_cluster, placed
from tests.stage.operator import OperatorProcess

PATIENCE = 300.0
LINES = 40


@dataclass
class Profiled(OperatorProcess):
    """Under Python's own profiler, which writes its file when the operator has ended."""

    @property
    def profile(self) -> Path:
        return self.folder / "profile"

    def _command(self, kubeconfig: Path) -> list[str]:
        return [sys.executable, "-m", "cProfile", "-o", str(self.profile), *super()._command(kubeconfig)]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.profiling", description=__doc__)
    parser.add_argument("--incidents", type=int, default=200, help="how many are opened at once (default: 200)")
    print(asyncio.run(profiled(parser.parse_args(arguments).incidents)))
    return 0


async def profiled(size: int) -> str:
    with tempfile.TemporaryDirectory(prefix="stanch-profile-") as folder:
        async with placed(named_cluster(), f"profile-{secrets.token_hex(2)}", Path(folder)) as place:
            return table(await burst(place, size))


async def burst(place: Place, size: int) -> Path:
    """The profiler's file of an operator that had so many Incidents at once."""
    namespace, names = f"{place.name}-stanch", [f"one-{number}" for number in range(size)]
    place.stanch_ground(namespace)
    stanch = Stanch(namespace, place)
    stanch.process = Profiled(place.kubectl, place.folder / namespace, (namespace,), beside(namespace))
    with running(stanch):
        async with following(place.api, namespace) as followed:
            await place.targets(namespace, names)
            await place.open_all(namespace, names)
            assert await followed.until(all_settled(names), PATIENCE)
    return stanch.process.profile


def table(profile: Path) -> str:
    """The functions with the most time of their own, and those below which the most was spent."""
    told = io.StringIO()
    stats = pstats.Stats(str(profile), stream=told)
    stats.strip_dirs().sort_stats("tottime").print_stats(LINES)
    stats.sort_stats("cumulative").print_stats(LINES)
    return told.getvalue()


if __name__ == "__main__":
    sys.exit(main())

"""python -m tests.bench.profiling: where stanch's processor time goes in a burst, thread by thread and function by function.

Of the functions only those of the operator's own loop are seen, which the profiler makes slower. kopf's loop runs in a thread of
its own, as does what reads and writes files.
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
from tests.bench.process import Spent, threads
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
            return table(*await burst(place, size))


async def burst(place: Place, size: int) -> tuple[Path, dict[str, Spent]]:
    """The profiler's file of an operator that had so many Incidents at once, and what its threads used for each of them."""
    namespace, names = f"{place.name}-stanch", [f"one-{number}" for number in range(size)]
    place.stanch_ground(namespace)
    stanch = Stanch(namespace, place)
    stanch.process = Profiled(place.kubectl, place.folder / namespace, (namespace,), beside(namespace))
    with running(stanch):
        async with following(place.api, namespace) as followed:
            await place.targets(namespace, names)
            before = threads(stanch.pid)
            await place.open_all(namespace, names)
            assert await followed.until(all_settled(names), PATIENCE)
            each = {name: share(spent, before.get(name, (0.0, 0.0)), size) for name, spent in threads(stanch.pid).items()}
    return stanch.process.profile, each


def share(spent: Spent, before: Spent, size: int) -> Spent:
    return (spent[0] - before[0]) / size, (spent[1] - before[1]) / size


def table(profile: Path, each: dict[str, Spent]) -> str:
    """The threads; the functions with the most time of their own, and those below which the most was spent."""
    told = io.StringIO()
    print("processor time of an Incident, by the name of its threads (main: the operator's loop, under the profiler)", file=told)
    for name, (own, kernel) in sorted(each.items(), key=lambda one: -sum(one[1])):
        print(f"  {name:<20} {own * 1000:6.1f} ms  in the kernel {kernel * 1000:6.1f} ms", file=told)
    stats = pstats.Stats(str(profile), stream=told)
    stats.strip_dirs().sort_stats("tottime").print_stats(LINES)
    stats.sort_stats("cumulative").print_stats(LINES)
    return told.getvalue()


if __name__ == "__main__":
    sys.exit(main())

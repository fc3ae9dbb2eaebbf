"""python -m tests.bench: measures stanch on the cluster that STANCH_TEST_CLUSTER names, and prints one table."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import secrets
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench import build
from tests.bench.api import ApiError
from tests.bench.contestants import Field
from tests.bench.measurements.registry import MEASUREMENTS
from tests.bench.place import named_cluster, placed
from tests.bench.report import WIDTH, as_json, draw, from_json
from tests.bench.rows import Row, Verdict, last_line
from tests.bench.scale import BRIEF, FULL, SHORT, Scale
from tests.cluster.fixtures import ClusterUnderTest
from tests.cluster.model import ClusterError
from tests.cluster.run import say
from tests.stage.audit.log import AuditLogGap

SCALES = {"full": FULL, "brief": BRIEF, "short": SHORT}
README = Path(__file__).resolve().parents[2] / ".readme"


def main(arguments: list[str] | None = None) -> int:
    """0: everything is within its limit; 1: something is not, or could not be measured."""
    options = parser().parse_args(arguments)
    # Contestants end with the harness, also when it is asked to end.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # An image has its bytecode: where none is kept, a cold start would measure Python's compiler.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        cluster = named_cluster()
    except ClusterError as wrong:
        say(f"error: {wrong}")
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    report = Report(options.out, facts(options.scale), again=bool(options.only))
    asyncio.run(measure(cluster, options.only or list(MEASUREMENTS), SCALES[options.scale], report))
    report.draw(Console(width=None if sys.stdout.isatty() else WIDTH))
    print(last_line(report.rows, report.missing))
    return int(bool(report.missing) or any(row.verdict is Verdict.beyond for row in report.rows))


class Report:
    """What was measured so far, in `folder`. `again`: beside what an earlier run of this scale on this machine left there."""

    def __init__(self, folder: Path, about: dict[str, Any], *, again: bool) -> None:
        self.folder, self.about, self.missing = folder, about, list[str]()
        self.measured = from_json(self.json.read_text(), about) if again and self.json.exists() else {}

    @property
    def json(self) -> Path:
        return self.folder / "bench.json"

    @property
    def rows(self) -> list[Row]:
        """In the order of the table."""
        return [row for name in MEASUREMENTS for row in self.measured.get(name, ())]

    def keep(self, name: str, rows: list[Row]) -> None:
        self.measured[name] = rows
        self.json.write_text(as_json(self.measured, self.about))

    def draw(self, console: Console) -> None:
        draw(console, self.rows, caption(self.about), self.folder / "bench.svg")


async def measure(cluster: ClusterUnderTest, names: Sequence[str], scale: Scale, report: Report) -> None:
    """What is measured is kept at once, and what cannot be is told: an hour's others are not lost for that."""
    program = build.peer()
    with tempfile.TemporaryDirectory(prefix="stanch-bench-") as folder:
        async with placed(cluster, f"bench-{secrets.token_hex(2)}", Path(folder)) as place:
            for name in names:
                say(f"measuring: {name}")
                try:
                    report.keep(name, await MEASUREMENTS[name](Field(place, program), scale))
                except (AssertionError, ApiError, AuditLogGap, ClusterError, ExceptionGroup) as wrong:
                    say(f"{name} could not be measured: {wrong}")
                    report.missing.append(name)


def facts(scale: str) -> dict[str, Any]:
    return {"scale": scale, "cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}


def caption(told: dict[str, Any]) -> str:
    return f"{told['cores']} cores with API server, etcd and everything measured on them; scale: {told['scale']}"


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    found.add_argument("--scale", choices=SCALES, default="full", help="how much is measured (default: full, some two hours)")
    only = "only this, the rest of the table stays; may be given several times"
    found.add_argument("--only", action="append", choices=list(MEASUREMENTS), help=only)
    found.add_argument("--out", type=Path, default=README, help="folder of bench.json and bench.svg (default: the README's)")
    return found


if __name__ == "__main__":
    sys.exit(main())

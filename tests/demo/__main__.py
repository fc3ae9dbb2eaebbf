"""python -m tests.demo: a broken release on a real cluster, mitigated before your eyes. `down` removes it again."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from rich.console import Console

from tests.cluster.model import ClusterError
from tests.cluster.run import locked
from tests.demo import place, prepare, proof
from tests.demo.steps import Steps, duration
from tests.demo.story import STEPS_EACH, STORIES, Told


def main(arguments: list[str] | None = None) -> int:
    """0: every incident was resolved and every pack verified (or: removed); 1: not; 130: interrupted."""
    options = parser().parse_args(arguments)
    # A shell that starts it in the background has it ignore the first.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    console = Console(markup=False, emoji=False, highlight=False)
    try:
        with locked(place.state() / place.LOCK, "the demo"):
            return down(console, options.packs) if options.what == "down" else up(console, options.svg)
    except KeyboardInterrupt:
        console.print("demo: interrupted; `make demo` goes on from here, `make demo-down` removes it")
        return 130


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    found.add_argument("what", nargs="?", choices=["up", "down"], default="up", help="play it (the default), or remove it")
    found.add_argument("--svg", type=Path, metavar="FILE", help="also draw the first incident into this file")
    found.add_argument("--packs", action="store_true", help="with down: remove the packs too")
    return found


def up(console: Console, svg: Path | None) -> int:
    began = time.monotonic()
    told: list[Told] = []
    proven = 0
    console.print("A broken release on a real cluster, and what stanch does about it\n")
    try:
        teller = prepare.prepare(Steps(console, prepare.STEPS + STEPS_EACH * len(STORIES)))
        for number, story in enumerate(STORIES, 1):
            told.append(teller.tell(number, story, svg if number == 1 else None))
        proven = proof.prove(teller, told)
        proof.point_on(teller, told)
        console.print(f"\nAll of it took {duration(time.monotonic() - began)}.")
    except ClusterError as wrong:
        complain(console, wrong)
    resolved = sum(one.resolved for one in told)
    console.print(proof.last_line(len(STORIES), resolved, proven))
    return 0 if resolved == proven == len(STORIES) else 1


def down(console: Console, packs: bool) -> int:
    try:
        prepare.remove(Steps(console, 3), packs)
    except ClusterError as wrong:
        complain(console, wrong)
        return 1
    return 0


def complain(console: Console, wrong: ClusterError) -> None:
    console.print(f"\nerror: {wrong}", soft_wrap=not console.is_terminal)


if __name__ == "__main__":
    sys.exit(main())

"""The list of steps: one aligned line for each that ended, with its time; a sign of life for the one under way.

On a terminal the step under way is a line that moves at the bottom. Elsewhere nothing moves: whoever reads along gets a line
at least every `BEAT` seconds.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from io import TextIOBase
from typing import TextIO, cast

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

BEAT = 20.0
NAME = 15
TIME = 12
Clock = Callable[[], float]

# As tests/cluster/progress.py writes them: `[2/11] kubelet … 33 s`, `… 15 s so far`, `… failed after 3 s`.
_PART = re.compile(r"(?P<label>.+) … (?P<failed>failed after )?(?P<seconds>\d+) s(?P<sofar> so far)?")


def duration(seconds: float) -> str:
    """`0.4 s`, `59.9 s`, `6 min 14 s`."""
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60:02} s" if seconds >= 59.95 else f"{seconds:.1f} s"


def heading(number: int, total: int, name: str) -> str:
    """`3/11 cluster`, as wide as each of its kind."""
    width = len(str(total))
    return f"{number:>{width}}/{total} {name:<{NAME}}"


def ended(head: str, seconds: float, detail: str, good: bool = True) -> Text:
    """`✔  3/11 cluster          18.8 s  stanch-demo is up`."""
    mark, style = ("✔", "green") if good else ("✖", "red")
    return Text.assemble((mark, style), f" {head}", (f"{duration(seconds):>{TIME}}", "dim"), f"  {detail}" if detail else "")


def part(line: str, width: int) -> Text:
    """A line of the cluster's own progress: its time below those of the steps, whose heads are `width` wide; else as it is."""
    found = _PART.fullmatch(line)
    if not found:
        return Text(f"{'':{width - NAME + 2}}{line}", style="dim")
    seconds = f"{found['seconds']} s"
    said = f"{found['label']}{' failed' * bool(found['failed'])}{' …' * bool(found['sofar'])}"
    return Text(f"{'':{width + 2}}{seconds:>{TIME}}  {said}", style="dim")


class Step:
    """The step under way. Set `detail`: what its line says at the end."""

    def __init__(self, console: Console, head: str, clock: Clock) -> None:
        self.detail = ""
        self.now = ""
        self._console, self._head, self._clock = console, head, clock
        self._began = self._spoke = clock()
        self._spinner = Spinner("dots", style="cyan")

    @property
    def seconds(self) -> float:
        return self._clock() - self._began

    def say(self, line: str) -> None:
        """A line below the steps that ended, above the one under way."""
        self._spoke = self._clock()
        self._console.print(part(line, len(self._head)), soft_wrap=not self._console.is_terminal)

    def beat(self) -> None:
        if self._clock() - self._spoke >= BEAT:
            self.say(f"{self.now or self._head[-NAME:].strip()} … {self.seconds:.0f} s so far")

    def line(self, good: bool) -> Text:
        return ended(self._head, self.seconds, self.detail, good)

    def moving(self) -> Table:
        row = Table.grid()
        said = f" {self._head}{duration(self.seconds):>{TIME}}  {self.now}"
        row.add_row(self._spinner, Text(said, style="dim", no_wrap=True, overflow="ellipsis"))
        return row


class Steps:
    """`total` steps, told on `console`; `clock` in seconds."""

    def __init__(self, console: Console, total: int, clock: Clock = time.monotonic) -> None:
        self.console = console
        self._total, self._clock = total, clock
        self._number = 0

    @contextmanager
    def step(self, name: str, *, still: bool = False) -> Iterator[Step]:
        """One step. `still`: something else is shown meanwhile. What the cluster's programs say of themselves is taken in."""
        self._number += 1
        step = Step(self.console, heading(self._number, self._total, name), self._clock)
        good = False
        try:
            with self._alive(step, still), redirect_stderr(cast(TextIO, Said(step, self.console.is_terminal))):
                yield step
            good = True
        finally:
            self.console.print(step.line(good), soft_wrap=not self.console.is_terminal)

    @contextmanager
    def _alive(self, step: Step, still: bool) -> Iterator[None]:
        if still:
            yield
        elif self.console.is_terminal:
            moving = Live(
                get_renderable=step.moving, console=self.console, transient=True, refresh_per_second=8, redirect_stderr=False
            )
            with moving:
                yield
        else:
            with ticking(step.beat):
                yield


@contextmanager
def ticking(tick: Callable[[], None]) -> Iterator[None]:
    over = threading.Event()

    def run() -> None:
        while not over.wait(1.0):
            tick()

    thread = threading.Thread(target=run, name="beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Said(TextIOBase):
    """Standard error as tests.cluster writes it: whole lines become lines of the step, a line rewritten in place its `now`."""

    def __init__(self, step: Step, terminal: bool) -> None:
        self._step, self._terminal = step, terminal
        self._open = ""

    def isatty(self) -> bool:
        """Whether who writes may write a line anew."""
        return self._terminal

    def write(self, text: str) -> int:
        *whole, self._open = (self._open + text).split("\n")
        for line in whole:
            if said := latest(line):
                self._step.say(said)
        if "\r" in self._open:
            self._open = latest(self._open)
            self._step.now = self._open
            self._open = f"\r{self._open}"
        return len(text)


def latest(line: str) -> str:
    """What remains to be seen of a line that was written over."""
    return line.rpartition("\r")[2].removeprefix("\x1b[K").rstrip()

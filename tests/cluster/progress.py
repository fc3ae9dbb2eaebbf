"""Visible progress: one line for each step, with its time, and a sign of life during it."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

BEAT = 15.0  # seconds between signs of life where lines cannot be rewritten


@contextlib.contextmanager
def step(label: str, out: TextIO | None = None) -> Iterator[None]:
    """Print `label … N s` at the block's end, `label … failed after N s` at its failure."""
    out = out or sys.stderr
    start, ended = time.monotonic(), threading.Event()
    ticker = threading.Thread(target=_tick, args=(label, out, start, ended), daemon=True)
    ticker.start()
    word = "failed after "
    try:
        yield
        word = ""
    finally:
        ended.set()
        ticker.join()
        _line(out, f"{label} … {word}{time.monotonic() - start:.0f} s", last=True)


def _tick(label: str, out: TextIO, start: float, ended: threading.Event) -> None:
    live = out.isatty()
    while not ended.wait(1.0 if live else BEAT):
        seconds = time.monotonic() - start
        _line(out, f"{label} … {seconds:.0f} s" + ("" if live else " so far"), last=False)


def _line(out: TextIO, text: str, *, last: bool) -> None:
    if out.isatty():
        out.write(f"\r\x1b[K{text}" + ("\n" if last else ""))
    else:
        out.write(text + "\n")
    out.flush()

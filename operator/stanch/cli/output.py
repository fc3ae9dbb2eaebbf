"""What reaches the terminal. Text from the cluster was written by others: all of it goes through `printable` or `visible` first."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any

from rich.cells import cell_len, chop_cells
from rich.console import Console

from stanch.packs.render import printable, visible

# Before what did not fit into a line of a terminal.
FOLD = "  … "
NARROWEST = 16


class Format(StrEnum):
    """`-o`."""

    text = "text"
    json = "json"


def console() -> Console:
    """Standard output. No colour off a terminal; nothing in the text is taken for markup."""
    return Console(markup=False, emoji=False, highlight=False)


def say(text: str = "") -> None:
    """One line of plain text, never wrapped."""
    sys.stdout.write(f"{text}\n")


def say_line(text: str) -> None:
    """One line that has others' words in it. On a terminal that is narrower, its rest comes below and further in: nothing in it
    may look like a line of its own."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for line in folded(visible(text), width):
        say(line)


def folded(line: str, width: int) -> Iterator[str]:
    """In pieces that fit; whole where there is no width to speak of."""
    if cell_len(line) <= width or width < NARROWEST:
        yield line
        return
    margin = " " * min(len(line) - len(line.lstrip(" ")), width // 2) + FOLD
    first, *rest = chop_cells(line, width)
    yield first
    yield from (f"{margin}{piece}" for piece in chop_cells("".join(rest), width - cell_len(margin)))


def warn(text: str) -> None:
    """One line beside the output proper."""
    sys.stderr.write(f"{printable(text)}\n")


def say_json(value: Any) -> None:
    say(json.dumps(value, indent=2, ensure_ascii=True, default=str))


def columns(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table as kubectl prints them: three spaces apart, not cut, not wrapped."""
    table = [list(heads), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(row[place]) for row in table) for place in range(len(heads))]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def ago(duration: timedelta, *, exactly: bool = False) -> str:
    """Like kubectl: `45s`, `2m5s`, `3h20m`, `15m`; two units from ten of the larger one on only `exactly`. Below zero: `0s`."""
    seconds = max(int(duration.total_seconds()), 0)
    place = next((place for place, (_, size) in enumerate(_UNITS) if seconds >= size), len(_UNITS) - 1)
    unit, size = _UNITS[place]
    number, rest = divmod(seconds, size)
    if place + 1 == len(_UNITS) or (number >= 10 and not exactly):
        return f"{number}{unit}"
    smaller, smaller_size = _UNITS[place + 1]
    return f"{number}{unit}" + (f"{rest // smaller_size}{smaller}" if rest >= smaller_size else "")


def size(count: int) -> str:
    """Bytes for people: `0 B`, `34 kB`, `1.2 MB` (powers of 1000)."""
    amount, unit = float(count), "B"
    for bigger in ("kB", "MB", "GB", "TB"):
        if amount < 999.5:
            break
        amount, unit = amount / 1000, bigger
    return f"{count} B" if unit == "B" else f"{amount:.3g} {unit}"

"""The rows as a table on the terminal, as an SVG for the README, and as JSON, which is also where a later run finds them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table

from tests.bench.intervals import Interval
from tests.bench.rows import Row, Verdict

WIDTH = 150
HEADS = ("WHAT", "N", "MEDIAN", "95 % INTERVAL", "RATIO", "OF", "LIMIT", "")
MEASURED = TypeAdapter(dict[str, list[Row]])
STYLES = {Verdict.within: "green", Verdict.beyond: "bold red", Verdict.shown: ""}


def table(rows: Sequence[Row], about: str) -> Table:
    drawn = Table(caption=about, box=None, header_style="bold", caption_justify="left")
    for head in HEADS:
        drawn.add_column(head, justify="right" if head in ("N", "MEDIAN", "95 % INTERVAL", "RATIO", "LIMIT") else "left")
    for row in rows:
        drawn.add_row(*cells(row), style=STYLES[row.verdict])
    return drawn


def cells(row: Row) -> tuple[str, ...]:
    ratio = f"{figure(row.ratio.middle)} {f'({span(row.ratio)})' if span(row.ratio) else ''}".strip() if row.ratio else ""
    value = f"{figure(row.value.middle)} {row.unit}".strip()
    return row.what, str(row.samples), value, span(row.value), ratio, row.baseline, limit(row), str(row.verdict)


def span(interval: Interval) -> str:
    """Empty for what was counted."""
    return "" if interval.low == interval.high else f"{figure(interval.low)} to {figure(interval.high)}"


def limit(row: Row) -> str:
    if row.limit is None:
        return ""
    return f"{row.limit.sign} {figure(row.limit.bound)}{'x' if row.ratio else f' {row.unit}'.rstrip()}"


def figure(value: float) -> str:
    """Three digits that count; whole numbers whole."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def draw(console: Console, rows: Sequence[Row], about: str, svg: Path) -> None:
    """Onto the terminal and, in a width of its own, into the file."""
    console.print(table(rows, about))
    recorded = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
    recorded.print(table(rows, about))
    svg.write_text(recorded.export_svg(title="make bench"))


def as_json(measured: Mapping[str, Sequence[Row]], about: Mapping[str, Any]) -> str:
    """`measured`: by the name of the measurement."""
    told = MEASURED.dump_python({name: list(rows) for name, rows in measured.items()}, mode="json")
    for name, rows in measured.items():
        for row, its in zip(rows, told[name], strict=True):
            its["verdict"] = str(row.verdict)
    return json.dumps({"about": about, "measured": told}, indent=1, ensure_ascii=False) + "\n"


def from_json(text: str, about: Mapping[str, Any]) -> dict[str, list[Row]]:
    """What an earlier run measured; nothing where it was about another scale or machine."""
    found = json.loads(text)
    return MEASURED.validate_python(found["measured"]) if found.get("about") == about else {}

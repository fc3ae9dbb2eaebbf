"""The transition table as a picture: Mermaid text for the README, between two markers.

    python -m stanch.engine.diagram README.md           rewrites what is between the markers
    python -m stanch.engine.diagram --check README.md   writes nothing; exit code 1 where it differs

Events that lead from one phase to another share an arrow. An event that leads from many phases to one and the same is
said in a note there: its arrows would hide the others. https://mermaid.js.org/syntax/stateDiagram.html
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from stanch.domain.incident import TERMINAL, Phase
from stanch.engine.transitions import TABLE, Event

BEGIN, END = "<!-- transitions:begin -->", "<!-- transitions:end -->"
# From so many phases on, an event that leads to one phase only is a note.
MANY = 5
WIDTH = 40

Table = Mapping[tuple[Phase, Event], Phase]


def mermaid(table: Table = TABLE) -> str:
    """The whole table as a `stateDiagram-v2`, in its own order: the same table gives the same text."""
    notes = {event for event in Event if is_note(table, event)}
    lines = [f"[*] --> {Phase.Opened}", *arrows(table, notes), *ends(table)]
    for event in (event for event in Event if event in notes):
        lines += note(table, event)
    return "\n".join(["stateDiagram-v2", *(f"    {line}" for line in lines)]) + "\n"


def is_note(table: Table, event: Event) -> bool:
    goals = [goal for (_, by), goal in table.items() if by is event]
    return len(goals) >= MANY and len(set(goals)) == 1


def arrows(table: Table, notes: set[Event]) -> Iterator[str]:
    grouped: dict[tuple[Phase, Phase], list[Event]] = defaultdict(list)
    for (phase, event), goal in table.items():
        if event not in notes:
            grouped[phase, goal].append(event)
    for (phase, goal), events in grouped.items():
        yield f"{phase} --> {goal} : {', '.join(events)}"


def ends(table: Table) -> Iterator[str]:
    reached = set(table.values())
    return (f"{phase} --> [*]" for phase in Phase if phase in TERMINAL & reached)


def note(table: Table, event: Event) -> Iterator[str]:
    phases = [phase for phase, by in table if by is event]
    text = f"{event}, from {', '.join(phases[:-1])} or {phases[-1]}"
    yield f"note right of {table[phases[0], event]}"
    yield from (f"    {line}" for line in textwrap.wrap(text, WIDTH))
    yield "end note"


def redrawn(text: str) -> str:
    """`text` with the diagram of today between its markers. Raises ValueError unless it has each marker once, in order."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(END) < text.index(BEGIN):
        raise ValueError(f"expected one line {BEGIN} and below it one line {END}: the diagram stands between them")
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n```mermaid\n{mermaid()}```\n{END}{rest.split(END)[1]}"


def update(path: Path, *, check: bool) -> str:
    """Redraws the file; returns what is wrong with it, empty: nothing. With `check` it only looks."""
    old = path.read_text(encoding="utf-8")
    try:
        new = redrawn(old)
    except ValueError as error:
        return f"{path}: {error}"
    if check and new != old:
        return f"{path}: its diagram is not that of stanch.engine.transitions.TABLE; run `make generate`"
    if new != old:
        path.write_text(new, encoding="utf-8")
    return ""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m stanch.engine.diagram", description="Draws the transition table.")
    parser.add_argument("file", type=Path, help="Markdown file with the two markers")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where the diagram is not up to date")
    asked = parser.parse_args(arguments)
    problem = update(asked.file, check=asked.check)
    if problem:
        print(problem, file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())

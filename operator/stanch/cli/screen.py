"""Where pictures go that follow each other: redrawn in place on a terminal; elsewhere each change below the last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text


class Screen(Protocol):
    def show(self, drawn: RenderableType, key: object) -> None:
        """Off a terminal, a picture with the key of the last one is left out: only its clock has moved."""

    def stale(self, why: str) -> None:
        """The last picture is not up to date."""


@contextmanager
def opened(console: Console) -> Iterator[Screen]:
    if not console.is_terminal:
        yield Appended(console)
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        yield Redrawn(live)


class Redrawn:
    def __init__(self, live: Live) -> None:
        self._live = live
        self._last: RenderableType = Text()

    def show(self, drawn: RenderableType, key: object) -> None:
        self._last = drawn
        self._live.update(drawn, refresh=True)

    def stale(self, why: str) -> None:
        self._live.update(Group(Text(why, style="yellow"), self._last), refresh=True)


def unpadded(console: Console, drawn: RenderableType) -> Text:
    """`drawn` as lines without the blanks that fill them up to the console's width: a file keeps them."""
    lines = console.render_lines(drawn, pad=False)
    plain = ("".join(segment.text for segment in line).rstrip() for line in lines)
    return Text("\n".join(plain), no_wrap=True, overflow="ignore")


class Appended:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._key: object = None

    def show(self, drawn: RenderableType, key: object) -> None:
        if key != self._key:
            self._console.print(drawn)
            self._console.print()
        self._key = key

    def stale(self, why: str) -> None:
        self._console.print(Text(why))

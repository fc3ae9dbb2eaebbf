"""How the timeline reads: `[HH:MM] action, expectation, result, next` (A-17), for Markdown and for a terminal.

Texts of the timeline may come from an enemy (a pod's name, an alert's label): what would steer a terminal, reverse the
reading direction or act as markup is shown, not obeyed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from stanch.domain.timeline import Entry

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&!])")
# Controls, reading direction, zero width, halves of surrogate pairs, private, unassigned, line and paragraph ends.
_STEERING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


_ENDS = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def printable(text: str) -> str:
    """`text` on one line, without characters that a terminal or a reader would obey."""
    return visible(" ".join(text.split()))


def visible(text: str) -> str:
    """The same, with every space kept, and each line feed and tab shown as what it is."""
    return "".join(_shown(c) if unicodedata.category(c) in _STEERING else c for c in text)


def _shown(char: str) -> str:
    return _ENDS.get(char, f"\\u{ord(char):04x}")


def escaped(text: str) -> str:
    """`printable(text)` as it stands in Markdown, none of it markup."""
    return _MARKUP.sub(r"\\\1", printable(text))


def terminal(entry: Entry, before: Entry | None) -> str:
    """One line for a terminal, after the day when it is another than that of the entry before. Times are UTC."""
    heading = f"{entry.at.date().isoformat()}\n" if _new_day(entry, before) else ""
    return heading + _line(entry, printable)


def title(text: str) -> str:
    """How timeline.md begins."""
    legend = r"All times are UTC. Each line: \[HH:MM\] action, expectation, result, next (who)."
    return f"# Timeline: {escaped(text)}\n\n{legend}\n"


def markdown(entry: Entry, before: Entry | None) -> str:
    """The entry as timeline.md has it, with its line feed."""
    heading = f"\n## {entry.at.date().isoformat()}\n\n" if _new_day(entry, before) else ""
    return f"{heading}- {_line(entry, escaped)}\n"


def _line(entry: Entry, shown: Callable[[str], str]) -> str:
    """A dash stands for what was not said, so that the third text is always the result."""
    said = entry.line
    texts = (shown(text) or "-" for text in (said.action, said.expectation, said.result, said.next))
    return f"[{entry.at:%H:%M}] {', '.join(texts)} ({shown(said.actor)})"


def _new_day(entry: Entry, before: Entry | None) -> bool:
    return before is None or before.at.date() != entry.at.date()

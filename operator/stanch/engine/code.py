"""Where a command holds code: what is filled in there would become code, so templates are refused. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

# Programs that take code as an argument, and the options before it.
_PROGRAM = re.compile(
    r"(.*/)?((ba|da|a|z|k|c|tc|fi)?sh|python[0-9.]*|perl|ruby|node|php|lua|psql|mysql|mariadb|mongo(sh)?|sqlite3|awk|sed|env|busybox)",
    re.ASCII,
)
_OPTION = re.compile(r"-[A-Za-z]*[ce]|-r|--(command|eval|execute|expression|print)", re.ASCII)
_JOINED = re.compile(r"--(command|eval|execute|expression|print)=.*|-[ce].+", re.ASCII | re.DOTALL)


def code_in(params: Any) -> Iterator[str]:
    """Every text in `params` (JSON) that is code to a program: in a list that is its command, and what it reads from `stdin`."""
    for value in params.values() if isinstance(params, dict) else ():
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            yield from code_of(value)
            if program_of(value) is not None:
                yield from texts_of(params.get("stdin"))
        elif isinstance(value, dict):
            yield from code_in(value)


def texts_of(stdin: Any) -> Iterator[str]:
    """Said as a text, or as `{text: …}`."""
    said = stdin.get("text") if isinstance(stdin, dict) else stdin
    if isinstance(said, str):
        yield said


def program_of(command: Sequence[str]) -> int | None:
    """Where in the command the first program stands that takes code."""
    return next((place for place, word in enumerate(command) if _PROGRAM.fullmatch(word)), None)


def code_of(command: Sequence[str]) -> Iterator[str]:
    """The arguments of one command that are code: `sh -c CODE`, `psql --command=CODE`. Wherever in it the program stands."""
    program = program_of(command)
    rest = [] if program is None else command[program + 1 :]
    for place, word in enumerate(rest):
        if _OPTION.fullmatch(word):
            yield from [argument for argument in rest[place + 1 :] if not argument.startswith("-")][:1]
        elif _JOINED.fullmatch(word):
            yield word

"""Where a command holds code: what is filled in there would become code, so templates are refused. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

# Programs that take code after an option; shells, interpreters, databases, and those that hand words on to a shell.
_PROGRAM = re.compile(
    r"(.*/)?((ba|da|a|z|k|c|tc|fi)?sh|python[0-9.]*|perl|ruby|node|php|lua|psql|mysql|mariadb|mongo(sh)?|env|busybox"
    r"|su|runuser|script|nsenter|chroot|clickhouse(-client)?|cqlsh|sqlcmd|deno|bun|Rscript|osascript|pwsh)",
    re.ASCII,
)
# Programs to which any of their words may be code, wherever it stands; `eval` is a command of Redis and others.
_WHOLE = re.compile(r"(.*/)?([gmn]?awk|g?sed|sqlite3?|ssh|watch|expect|(?i:eval))", re.ASCII)
_OPTION = re.compile(r"-[A-Za-z]*[ce]|-r|--(command|eval|execute|expression|print|query|session-command)", re.ASCII)
_JOINED = re.compile(r"--(command|eval|execute|expression|print|query|session-command)=.*|-[ce].+", re.ASCII | re.DOTALL)
# Options of single programs: to psql -p is a port, to node it is code.
_OWN = (
    (re.compile(r"(.*/)?(node|deno|bun)"), re.compile(r"-[A-Za-z]*p")),
    (re.compile(r"(.*/)?perl"), re.compile(r"-[A-Za-z0-9]*E")),
)


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
    return next((place for place, word in enumerate(command) if _PROGRAM.fullmatch(word) or _WHOLE.fullmatch(word)), None)


def code_of(command: Sequence[str]) -> Iterator[str]:
    """The arguments of one command that are code: `sh -c CODE`, `psql --command=CODE`, `awk CODE`, wherever in it the program
    stands. What no list knows stays what it is, an argument: the program that gets it must not take it for code."""
    for place, word in enumerate(command):
        if _WHOLE.fullmatch(word):
            yield from command[place + 1 :]
            return
    program = program_of(command)
    rest = [] if program is None else command[program + 1 :]
    own = [option for name, option in _OWN if program is not None and name.fullmatch(command[program])]
    for place, word in enumerate(rest):
        if _OPTION.fullmatch(word) or any(option.fullmatch(word) for option in own):
            yield from [argument for argument in rest[place + 1 :] if not argument.startswith("-")][:1]
        elif _JOINED.fullmatch(word):
            yield word

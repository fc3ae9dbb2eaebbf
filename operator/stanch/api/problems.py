"""What a rule of lint says, and where it looks: paths are those of the YAML (`spec.options[1].steps[0].name`). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from stanch.api.choice import Choice
from stanch.api.playbook import AnyPlaybook, Option


class Severity(StrEnum):
    error = "error"
    warning = "warning"


@dataclass(frozen=True)
class Problem:
    """What is wrong where, and what to do about it."""

    severity: Severity
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f" ({self.hint})" if self.hint else "")


AnyOption = Option[Any, Any]
# One small function for each rule.
Rule = Callable[[AnyPlaybook], Iterable[Problem]]


def error(path: str, message: str, hint: str = "") -> Problem:
    return Problem(Severity.error, path, message, hint)


def warning(path: str, message: str, hint: str = "") -> Problem:
    return Problem(Severity.warning, path, message, hint)


def options(playbook: AnyPlaybook) -> Iterator[tuple[str, AnyOption]]:
    return ((f"spec.options[{place}]", option) for place, option in enumerate(playbook.options))


def steps(playbook: AnyPlaybook) -> Iterator[tuple[str, Any]]:
    for place, option in options(playbook):
        yield from ((f"{place}.steps[{number}]", step) for number, step in enumerate(option.steps))


def choices(playbook: AnyPlaybook) -> Iterator[tuple[str, Choice]]:
    yield from numbered("spec.evidence.collect", playbook.evidence.collect)
    yield from numbered("spec.diagnosis", playbook.diagnosis)
    for path, step in steps(playbook):
        yield path, step
        yield from numbered(f"{path}.smoke", step.smoke)
    for place, option in options(playbook):
        yield from numbered(f"{place}.verify", option.verify)
    if playbook.recovery:
        yield from numbered("spec.recovery.verify", playbook.recovery.verify)


def numbered(path: str, choices: Iterable[Choice]) -> Iterator[tuple[str, Choice]]:
    return ((f"{path}[{number}]", choice) for number, choice in enumerate(choices))


def duplicates(names: Iterable[str], path: str) -> Iterator[Problem]:
    for name, count in Counter(names).items():
        if count > 1:
            yield error(path, f"{count} are named {name}", "give each a name of its own")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    known = list(known)
    close = get_close_matches(word, known, 1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"

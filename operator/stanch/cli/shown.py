"""A step and a check as they would run, whole: who says yes sees every word of what is sent and run, as the plan has it.

A secret is a reference in the plan, and stays one here. What a playbook says stands behind a label or in quotes, each line feed
shown: nothing in it can look like a line of stanch's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from stanch.domain.duration import spell
from stanch.domain.plan import Check, Revert, Step
from stanch.packs.render import visible

# What is longer, or has lines, takes a line for each of its parts.
SHORT = 96
KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")
# How the difference in a preview begins. Before it are sentences.
DIFFERENCE = "--- before"


def of_step(step: Step) -> Iterator[str]:
    expected = f", expecting: {step.expect}" if step.expect else ""
    about = f" of {step.target}" if step.target else ""
    yield visible(f"   step {step.name}: {step.action}{about}{expected}")
    for line in (*conditions(step), *of_params(step.params), *backwards(step), *foreseen(step)):
        yield f"     {line}"
    for check in step.smoke:
        yield visible(f"     then check {check.name}: {of_check(check)}")


def conditions(step: Step) -> Iterator[str]:
    if step.when:
        yield visible(f"when {step.when}")


def of_params(params: Mapping[str, Any]) -> Iterator[str]:
    """Each parameter that says something, all of it."""
    for name, value in params.items():
        if value not in (None, [], {}):
            yield from hung(f"with {name}: ", whole(value))


def whole(value: Any) -> list[str]:
    """As JSON, on one line where that is short; else each part, and each line of a text, on a line of its own."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) <= SHORT and r"\n" not in flat:
        return [visible(flat)]
    if isinstance(value, str):
        return [visible(json.dumps(line, ensure_ascii=False)) for line in re.findall(r".*\n|.+", value)]
    if isinstance(value, Mapping):
        return [line for key, item in value.items() for line in hung(f"{key_of(key)}: ", whole(item))]
    if isinstance(value, list):
        return [line for item in value for line in hung("- ", whole(item))]
    return [visible(flat)]


def key_of(key: str) -> str:
    return key if KEY.fullmatch(key) else visible(json.dumps(key, ensure_ascii=False))


def hung(label: str, lines: list[str]) -> Iterator[str]:
    """The first line behind its label, the others below it."""
    for place, line in enumerate(lines):
        yield (" " * len(label) if place else label) + line


def backwards(step: Step) -> Iterator[str]:
    """What becomes of the change later. Waiting and asking change nothing."""
    if step.follows:
        yield visible(f"done again when step {step.follows} is taken back")
    elif step.revert:
        yield f"taken back {moment(step.revert)}: the difference the other way round"
    elif step.writes:
        yield "not taken back by itself" if step.reversible else "cannot be taken back"


def moment(revert: Revert) -> str:
    if revert.after is None:
        return "on recovery" if revert.on_recovery else "when a person asks"
    return f"{spell(revert.after)} after it{', or earlier on recovery' if revert.on_recovery else ''}"


def foreseen(step: Step) -> Iterator[str]:
    yield "proven: the server would admit it" if step.proven else "Unproven: a dry run could not tell"
    sentences, difference = halves(step.preview)
    yield from (visible(f"foreseen: {line}") for line in sentences)
    yield from (visible(line).rstrip() for line in difference)
    if step.cut:
        yield visible(f"what is left out is stored nowhere: see target {step.target} itself with kubectl get -o yaml")


def halves(preview: str) -> tuple[list[str], list[str]]:
    """The sentences, and the difference with its two lines of heading."""
    lines = preview.split("\n") if preview else []
    begin = lines.index(DIFFERENCE) if DIFFERENCE in lines else len(lines)
    return lines[:begin], lines[begin:]


def of_check(check: Check) -> str:
    about = f" of {check.target}" if check.target else ""
    params = ", ".join(f"{name} {word(value)}" for name, value in sorted(check.params.items()) if value not in ("", [], {}))
    hold = f", then for {spell(check.hold_for)}" if check.hold_for else ""
    return f"{check.check}{about}{f' ({params})' if params else ''} within {spell(check.within)}{hold}"


def word(value: Any) -> str:
    """In quotes where it would not be told from what stands around it."""
    plain = isinstance(value, str) and not re.search(r'[\s"\\(),]', value)
    return value if plain else json.dumps(value, ensure_ascii=False)

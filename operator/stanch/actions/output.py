"""What a command, a call or a Job printed: kept raw in the pack, and one value of it as a fact.

It stays out of every message: it may hold what must not be shown. Secrets that stanch itself handed over are masked in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from stanch.domain.plan import FactType
from stanch.domain.record import SHORT
from stanch.domain.timeline import File
from stanch.engine.errors import Failure
from stanch.engine.judging import Code
from stanch.engine.parts import Stage, Value
from stanch.engine.patterns import Pattern, first
from stanch.engine.values import EXPECTED, text_of, value_of

OUTPUT_LIMIT = 65536
# A mask that is found in every third word tells less than it hides.
SHORTEST_SECRET = 4
FACT_NAME = r"^[a-z][A-Za-z0-9]*$"
POINTER = r"^(/([^~/]|~[01])*)+$"


class Output(BaseModel):
    """The fact that what was printed becomes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fact: Annotated[str, Field(min_length=1, max_length=63, pattern=FACT_NAME)] = Field(
        description="Name of the fact, in camelCase: facts.NAME in later conditions."
    )
    type: FactType = Field(
        default=FactType.String, description="What is printed, stripped of white space, must be this; else the step fails."
    )
    pattern: Annotated[Pattern | None, Code()] = Field(
        default=None,
        description="Regular expression (RE2): its first group in the first match is the value, else the whole match. "
        "Left out: all that was printed.",
    )


class JsonOutput(Output):
    """The fact that an answer becomes."""

    pointer: str | None = Field(
        default=None,
        max_length=SHORT,
        pattern=POINTER,
        description="JSON pointer (RFC 6901) to the value in an answer that is JSON, e.g. /limit/left; left out: the whole answer.",
    )


@dataclass(frozen=True)
class Unreadable:
    """Why what was printed is no value."""

    message: str


def value_in(output: Output, data: bytes) -> Value | Unreadable:
    """The value that `output` finds in what was printed. Pure."""
    if isinstance(output, JsonOutput) and output.pointer:
        return _pointed(output, output.pointer, data)
    if output.pattern:
        found = first(output.pattern, data)
        if found is None:
            return Unreadable(f"output.pattern does not match what came ({len(data)} bytes)")
        data = found
    return _typed(output, data.decode(errors="replace").strip())


def _pointed(output: Output, pointer: str, data: bytes) -> Value | Unreadable:
    try:
        found: Any = json.loads(data)
        for part in pointer.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            found = found[int(key)] if isinstance(found, list) else found[key]
    except (ValueError, LookupError, TypeError, RecursionError):
        return Unreadable(f"the answer ({len(data)} bytes) is no JSON with {pointer}")
    if not isinstance(found, str | int | float):
        return Unreadable(f"the answer has no text, number, true or false at {pointer}")
    return _typed(output, text_of(found).strip())


def _typed(output: Output, text: str) -> Value | Unreadable:
    value = value_of(text, output.type) if len(text) <= SHORT else None
    if value is None:
        return Unreadable(f"for fact {output.fact} expected {EXPECTED[output.type]}, up to {SHORT} characters; got {len(text)}")
    return value


def masked(data: bytes, secrets: Iterable[bytes]) -> bytes:
    """`data` without the secrets that were handed over: a command may print what it was given."""
    for secret in sorted(secrets, key=len, reverse=True):
        for form in {secret, secret.strip()}:
            if len(form) >= SHORTEST_SECRET:
                data = data.replace(form, b"(secret)")
    return data


async def keep(stage: Stage, parts: Mapping[str, bytes]) -> tuple[tuple[File, ...], str]:
    """Puts what is not empty into the pack, by the end of its name. A pack that does not take it changes nothing about what
    was done: the second part says so."""
    files: list[File] = []
    try:
        for suffix, data in parts.items():
            if data:
                files.append(await stage.pack.put(f"{stage.folder}.{suffix}", data))
    except Failure as failure:
        return tuple(files), f"; what it printed could not be kept: {failure.message}"
    return tuple(files), ""

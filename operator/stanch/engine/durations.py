"""The type of a duration in the models of actions, checks and evidence: a string in YAML, a timedelta in Python."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from stanch.domain.duration import MAX_LENGTH, PATTERN, parse, spell


def _read(value: Any) -> Any:
    return parse(value) if isinstance(value, str) else value


Duration = Annotated[
    timedelta,
    BeforeValidator(_read),
    PlainSerializer(spell, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "maxLength": MAX_LENGTH}),
]

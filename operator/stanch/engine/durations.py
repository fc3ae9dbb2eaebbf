"""The type of a duration in the models of actions, checks and evidence: a string in YAML, a timedelta in Python."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from stanch.domain.duration import MAX_LENGTH, PATTERN, parse, spell


def _read(value: Any) -> Any:
    return parse(value) if isinstance(value, str) else value


Duration = Annotated[
    timedelta,
    BeforeValidator(_read),
    PlainSerializer(spell, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "maxLength": MAX_LENGTH}),
]


def between(least: str, most: str) -> Any:
    """A duration type with bounds, both written as durations; said in the CRD too."""
    low, high = parse(least), parse(most)
    message = f"expected a duration from {least} to {most}"

    def check(value: timedelta) -> timedelta:
        if not low <= value <= high:
            raise ValueError(message)
        return value

    rule = {"rule": f"duration(self) >= duration('{least}') && duration(self) <= duration('{most}')", "message": message}
    return Annotated[Duration, AfterValidator(check), Field(json_schema_extra={"x-kubernetes-validations": [rule]})]

"""What the measuring checks share: an expectation in CEL, and the reading that comes of a value. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from stanch.checks.reading import confirmed, denied, unknown
from stanch.domain.duration import parse, spell
from stanch.domain.plan import FactType
from stanch.domain.record import TEXT
from stanch.engine.durations import Duration
from stanch.engine.expressions import Failed
from stanch.engine.judging import fault_of_expectation, meets
from stanch.engine.parts import Reading, Value
from stanch.engine.values import text_of, value_of

SHOWN = 200
_TYPES = {str: FactType.String, int: FactType.Integer, float: FactType.Number, bool: FactType.Boolean}


def _no_template(text: str) -> str:
    """What a template fills in would become code, and an alert's text with it."""
    if "${" in text:
        raise ValueError("is CEL and no template: expected no '${' in it")
    return text


Expression = Annotated[str, Field(min_length=1, max_length=TEXT), AfterValidator(_no_template)]
CONDITION = "Condition in CEL over value, what was measured now, and baseline, what was measured before the first change"


def fitting(expect: str | None, type: FactType) -> None:
    """Raises ValueError where `expect` is no condition over a value of this type."""
    if expect and (fault := fault_of_expectation(expect, type)):
        raise ValueError(f"expect: {fault}")


def judged(expect: str | None, value: Value, baseline: Value | None, what: str) -> Reading:
    """Of a value that was measured: as expected, not as expected, or not to be judged. `what` names it: `backlog is 12`."""
    before = alike(baseline, value)
    told = f"{what}, before the first change {shown(before)}" if before is not None else what
    if expect is None:
        return with_value(confirmed(told), value)
    return with_value(verdict_of(meets(expect, value, before), expect, told), value)


def alike(baseline: Value | None, value: Value | None) -> Value | None:
    """The baseline as a value of the same type: a status keeps it as text, and 400.0 as 400. None: it is none of that type."""
    if baseline is None or value is None:
        return None
    return value_of(text_of(baseline), _TYPES[type(value)])


def verdict_of(met: bool | Failed, expect: str, told: str) -> Reading:
    if isinstance(met, Failed):
        return unknown(f"{told}; {expect[:SHOWN]} cannot be judged: {met.message}")
    return confirmed(f"{told}, as expected") if met else denied(f"{told}, expected {expect[:SHOWN]}")


def with_value(reading: Reading, value: Value | None) -> Reading:
    return Reading(reading.verdict, reading.message, reading.final, value)


def shown(value: Value) -> str:
    return text_of(value)[:SHOWN]


def up_to(least: str, most: str) -> Any:
    """A duration type with bounds, both written as durations; said in the CRD too."""
    low, high = parse(least), parse(most)
    message = f"expected a duration from {spell(low)} to {spell(high)}"

    def check(value: timedelta) -> timedelta:
        if not low <= value <= high:
            raise ValueError(message)
        return value

    rule = {"rule": f"duration(self) >= duration('{least}') && duration(self) <= duration('{most}')", "message": message}
    return Annotated[Duration, AfterValidator(check), Field(json_schema_extra={"x-kubernetes-validations": [rule]})]

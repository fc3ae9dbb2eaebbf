"""Conditions fail closed: what is not known is neither true nor false."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from stanch.engine.expressions import Failed, compile_condition, constant, evaluate_condition

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
KNOWN = {
    "incident": {"name": "i", "type": "availability", "severity": "P0", "component": "shop", "labels": {"team": "web"}},
    "facts": {"lastDeploy": {"at": AT.isoformat(), "age": timedelta(minutes=12), "revision": "4"}},
}


@pytest.mark.requirement("D-06")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("facts.lastDeploy.age < duration('30m')", True),
        ("facts.lastDeploy.age < duration('10m')", False),
        ("facts.lastDeploy.at > timestamp('2026-11-21T08:59:59Z')", True),
        ("facts.lastDeploy.revision == '4' && incident.severity in ['P0', 'P1']", True),
        ("has(incident.labels.team) && incident.labels.team == 'web'", True),
        ("'area' in incident.labels", False),
        ("true || facts.lastDeploy.changedBy == 'x'", True),
    ],
)
def test_conditions_hold_or_not(text: str, expected: bool) -> None:
    assert evaluate_condition(text, KNOWN) is expected


@pytest.mark.requirement("D-06")
def test_an_unknown_fact_is_not_false() -> None:
    verdict = evaluate_condition("facts.lastDeploy.age < duration('30m')", {"incident": {}, "facts": {}})
    assert verdict == Failed("facts.lastDeploy.age is not known")
    negated = evaluate_condition("!(facts.lastDeploy.age < duration('30m'))", {"facts": {}})
    assert isinstance(negated, Failed)


@pytest.mark.parametrize("at", ["yesterday", "", "2026-11-21T09:00:00"])
def test_a_time_that_is_none_or_has_no_zone_is_not_known(at: str) -> None:
    verdict = evaluate_condition("facts.lastDeploy.at > timestamp('2020-01-01T00:00:00Z')", {"facts": {"lastDeploy": {"at": at}}})
    assert verdict == Failed("facts.lastDeploy.at is not known")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("facts.lastDepoy.age < duration('30m')", "undeclared reference to 'facts.lastDepoy.age'"),
        ("incident.severty == 'P0'", "known names: incident.name"),
        ("incident.severity", "gives string, not true or false"),
        ("1 < 'a'", "no matching overload"),
        ("(((", "Syntax error"),
        ("incident.severity == '" + "x" * 1024 + "'", "at most 1024"),
        ("[1, 2].all(a, [1, 2].all(b, true))", "undeclared reference"),
        ("+".join(["incident.name"] * 60) + " == ''", "recursion depth"),
    ],
)
def test_what_does_not_compile_says_why(text: str, why: str) -> None:
    compiled = compile_condition(text)
    assert isinstance(compiled, Failed)
    assert why in compiled.message


@pytest.mark.parametrize("text", ["1 / 0 == 1", "incident.labels['nope'] == 'x'", "duration(incident.name) > duration('1s')"])
def test_what_fails_while_it_is_evaluated_is_no_verdict(text: str) -> None:
    assert isinstance(evaluate_condition(text, KNOWN), Failed)


def test_constants_are_found() -> None:
    assert [constant(text) for text in ("true", "1 > 2", "incident.type == 'a'")] == [True, False, None]
    assert isinstance(constant("((("), Failed)

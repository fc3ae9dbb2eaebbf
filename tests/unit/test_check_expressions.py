"""CEL over what a check measured, and over whole objects: fails closed, and costs no more than its length and the object's size."""

from __future__ import annotations

import time

import pytest

from stanch.domain.plan import FactType
from stanch.engine.expressions import Failed
from stanch.engine.judging import OBJECT_BYTES, fault_of_expectation, fault_on_object, holds_of, look, meets

NUMBER, INTEGER, STRING, BOOLEAN = FactType.Number, FactType.Integer, FactType.String, FactType.Boolean
BIG = {"s": "a" * 100_000, "l": list(range(9000)), "m": {f"k{n}": {"n": n} for n in range(4000)}}
# A second of this event loop is a second of every other incident's.
QUICK = 1.0


@pytest.mark.parametrize(
    ("text", "value", "baseline", "expected"),
    [
        ("value < 50", 12.0, None, True),
        ("value < 50", 50, None, False),
        ("value < 0.01 && value < baseline * 1.2", 0.005, 0.5, True),
        ("value < baseline", 412, 411, False),
        ("value == 'Bound'", "Bound", None, True),
        ("value", True, None, True),
        ("value < 50 || baseline < 1.0", 12.0, None, True),
    ],
)
def test_expectations_hold_or_not(text: str, value: object, baseline: object, expected: bool) -> None:
    assert meets(text, value, baseline) is expected


@pytest.mark.parametrize(
    ("text", "value", "why"),
    [
        ("value < baseline", 3.0, "baseline is not known"),
        ("!(value < baseline)", 3.0, "baseline is not known"),
        ("value < 'a'", 3.0, "No matching overloads"),
        ("value / 0 == 1", 3, "divide by zero"),
        ("value", 3.0, "not true or false"),
        ("value < 50", 2**70, "out of range"),
    ],
)
def test_what_cannot_be_judged_is_neither_true_nor_false(text: str, value: object, why: str) -> None:
    verdict = meets(text, value, None)
    assert isinstance(verdict, Failed) and why in verdict.message


@pytest.mark.parametrize(
    ("text", "type", "why"),
    [
        ("value < 50 && value < baseline * 1.2", NUMBER, ""),
        ("value < baseline * 2", INTEGER, ""),
        ("value", BOOLEAN, ""),
        ("value < baseline * 2", NUMBER, "write 2.0 instead of 2"),
        ("value < 3", STRING, "No matching overloads"),
        ("value", NUMBER, "not true or false"),
        ("1 + 1", NUMBER, "not true or false"),
        ("valeu < 3", NUMBER, "known names: baseline, value"),
        ("object.x == 1", NUMBER, "undeclared reference"),
        ("[1].all(x, value > 0)", NUMBER, "undeclared reference"),
        ("(((", NUMBER, "Syntax error"),
        ("value == '" + "x" * 1024 + "'", STRING, "at most 1024"),
    ],
)
def test_an_expectation_that_cannot_hold_is_found_when_it_is_written(text: str, type: FactType, why: str) -> None:
    fault = fault_of_expectation(text, type)
    assert why in fault and bool(fault) == bool(why)


POD = {
    "spec": {"containers": [{"name": "app"}, {"name": "proxy"}]},
    "status": {"phase": "Running", "ready": 3, "conditions": [{"type": "Ready", "status": "True"}], "lists": [["x"], ["y"]]},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("object.status.phase == 'Running'", True),
        ("object.status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')", True),
        ("object.spec.containers.all(c, c.name.startsWith('a'))", False),
        ("object.status.lists.all(l, l.all(x, x in ['x', 'y']))", True),
        ("has(object.status.podIP)", False),
        ("object.status.ready >= 2.5", True),
        ("object.status.phase.matches('^(Run|Succ)')", True),
        ("object.status.ready < baseline", True),
        ("value == 'x'", True),
    ],
)
def test_conditions_over_an_object(text: str, expected: bool) -> None:
    assert fault_on_object(text, condition=True) == ""
    assert holds_of(text, POD, "x", 4) is expected


@pytest.mark.parametrize("text", ["object.status.podIP == ''", "object.status.phase", "object.status.conditions[3].type == 'x'"])
def test_a_field_that_is_not_there_is_no_verdict(text: str) -> None:
    assert isinstance(holds_of(text, POD, None, None), Failed)


def test_an_expression_gives_a_small_scalar() -> None:
    assert look("object.status.ready", POD) == 3
    assert look("object.status.phase + '/' + string(size(object.spec.containers))", POD) == "Running/2"
    for text in ("object", "object.spec.containers", "object.spec.containers[0]"):
        assert isinstance(look(text, POD), Failed)
    assert isinstance(look("object.s", BIG), Failed)


@pytest.mark.parametrize("large", [{"s": "a" * OBJECT_BYTES}, {"s": "\ud800"}])
def test_an_object_that_is_too_large_or_no_unicode_is_not_looked_at(large: dict) -> None:
    assert isinstance(holds_of("true", large, None, None), Failed)


@pytest.mark.parametrize(
    ("bomb", "why"),
    [
        ("object.l.all(i, object.s.size() > 0)", "speaks of object inside a loop"),
        ("object.l.all(i, object.l.all(j, j >= i))", "speaks of object inside a loop"),
        ("[1, 2].all(i, [1, 2].all(j, i > j))", "speaks of i inside a loop"),
        ("[1].all(i, .object.s == '')", "speaks of object inside a loop"),
        ("object.l.all(value, [1].all(j, value > j))", "speaks of value inside a loop"),
        ("object.l.all(i, 'a'.matches('a{1000}'))", "uses matches, which is not taken inside a loop"),
        ("object.l.all(i, string(i) == '')", "uses string, which is not taken inside a loop"),
        ("object.l.all(i, i + i > 0)", "not taken inside a loop"),
        ("size(" + " + ".join(["object.s"] * 20) + ") > 0", "adds 19 times"),
        ("object.s.contains(object.s)", "not written out as a text"),
        ("''.matches(object.s)", "not written out as a text"),
        ("object.l.map(i, i).size() > 0", "undeclared reference"),
        ("object.l.filter(i, true).size() > 0", "undeclared reference"),
        ("{'a': [object.s + object.s].all(x, object.s == x)}['a']", "speaks of object inside a loop"),
        ("bytes(object.s) == b''", "uses bytes"),
        ("'a'.matches('((a{100}){100}){100}')", ""),
        ("(" * 300 + "true" + ")" * 300, "recursion"),
    ],
)
def test_bombs_do_not_compile_or_give_no_verdict(bomb: str, why: str) -> None:
    fault = fault_on_object(bomb, condition=True)
    assert why in fault
    assert isinstance(holds_of(bomb, BIG, None, None), Failed)


@pytest.mark.parametrize(
    "costly",
    [
        "object.l.all(i, " + " && ".join(["i >= 0"] * 90) + ")",
        "object.m.all(k, k.startsWith('k'))",
        "object.m.exists(k, k.contains('" + "9" * 800 + "'))",
        " && ".join(["object == object"] * 50),
        " && ".join(["!(-1 in object.l)"] * 45),
        " && ".join(["!object.s.matches('(a|b)*c(a|b)*d')"] * 20),
        " && ".join(["!object.s.contains('aaaaaaaaaaaaaab')"] * 20),
        "[0,1,2,3,4,5,6,7,8,9].all(a, [0,1,2,3,4,5,6,7,8,9].all(b, [0,1,2,3,4,5,6,7,8,9].all(c, [0,1,2,3,4,5,6,7,8,9].all(d, "
        "[0,1,2,3,4,5,6,7,8,9].all(e, !'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'.contains('y'))))))",
    ],
)
def test_the_worst_that_is_taken_is_quick(costly: str) -> None:
    assert fault_on_object(costly, condition=True) == ""
    started = time.process_time()
    holds_of(costly, BIG, None, None)
    assert time.process_time() - started < QUICK

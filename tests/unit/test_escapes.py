"""What tries to get out of a condition, a template or a value: each attempt ends in a refusal, or is inert data. Never in an error.

What one may cost is bounded by what is taken at all: characters, templates, sizes (test_templates.py, test_check_expressions.py).
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stanch.domain.plan import FactType
from stanch.engine.expressions import Failed, compile_condition, evaluate, evaluate_condition
from stanch.engine.judging import fault_on_object, look, meets
from stanch.engine.templates import LONGEST_TEXT, Rendered, Scope, bind, render
from stanch.engine.values import value_of

DECLARED = {
    "params.note": FactType.String,
    "params.zone": FactType.String,
    "params.few": FactType.Integer,
    "facts.said": FactType.String,
}
VARIABLES = {
    "incident": {"name": "i", "labels": {"team": "shop"}},
    "params": {"note": "text", "zone": "UTC", "few": "-9223372036854775808"},
    "facts": {"said": "yes", "hidden": "s3cret", "lastDeploy": {"at": "2026-11-21T09:00:00Z"}},
    "env": {"HOME": "s3cret"},
}
ANYTHING = st.text(st.characters(exclude_categories=()), max_size=80)
PLAIN = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=80)


def tried(text: str) -> Any:
    return evaluate(text, VARIABLES, DECLARED)


def filled(value: Any, **params: str) -> Any:
    scope = Scope(VARIABLES | {"params": VARIABLES["params"] | params}, DECLARED)
    return render(value, scope)


TIMES = ["FullYear", "Month", "DayOfYear", "DayOfMonth", "Date", "DayOfWeek", "Hours", "Minutes", "Seconds", "Milliseconds"]


@pytest.mark.parametrize("part", TIMES)
@pytest.mark.parametrize("zone", ["'/proc/self/fd/0'", "'Europe/Berlin'", "params.zone"])
def test_no_expression_opens_a_file(part: str, zone: str) -> None:
    """Time zones are files, and so may be any path: one that never ends stops the operator."""
    for text in (f"facts.lastDeploy.at.get{part}({zone})", f"timestamp('2026-01-01T00:00:00Z').get{part}({zone})"):
        assert "undeclared reference" in tried(text).message
        assert "undeclared reference" in meets(f"{text.replace('facts.lastDeploy.at', 'value')} > 0", 1, None).message
        assert fault_on_object(f"timestamp(object.at).get{part}({zone}) > 0", condition=True)
    assert isinstance(tried(f"facts.lastDeploy.at.get{part}()"), int)


@pytest.mark.parametrize(
    "text",
    [
        "env.HOME", "facts.hidden", "facts", "params", "incident", "incident.uid", "plan.options", "object.data", "secrets.db",
        "this",
        "dyn(facts).hidden", "params['note']", "facts.said.__class__", "facts.said.__globals__['os']", "''.__class__.__mro__",
        "getattr(incident, 'x')", "'{0.__class__}'.format([incident.name])", "'%s'.format([facts.hidden])", "__import__('os')",
        "`env.HOME`", "cel.bind(x, 1, x)", "cel.@block([1], 1)", "@not_strictly_false(true)", "optional.of(1)",
        "math.greatest(1, 2)",
        "strings.quote('a')", "base64.decode('YQ==')", "'a'.replace('a', 'aa')", "['a', 'b'].join()", "'a'.lowerAscii()",
        "[1].map(i, i)", "[1].filter(i, true)", "[1].exists_one(i, true)", "[1].all(i, true)", "{'a': 1}.exists(k, true)",
        "google.api.expr.v1alpha1.Expr{}", "google.protobuf.Any{type_url: 'file:///etc/passwd'} == 1",
    ],
)  # fmt: skip
def test_no_expression_reaches_what_it_was_not_given(text: str) -> None:
    assert isinstance(tried(text), Failed)
    assert isinstance(evaluate_condition(f"{text} == {text}", VARIABLES, DECLARED), Failed)
    assert isinstance(filled(f"x ${{{text}}}"), Failed)


@pytest.mark.parametrize(
    "text",
    [
        "params.few / -1", "params.few % -1", "-params.few", "params.few * -1", "params.few - 1", "9223372036854775807 + 1",
        "9" * 400,
        "int('" + "9" * 400 + "')", "int(1e300)", "1u - 2u", "'a' * 1000000000", "[0] * 1000000000", "1 << 62", "2 ** 62",
        "duration('999999999h')", "timestamp('9999-12-31T23:59:59Z') + duration('87660000h')", "[1][params.few]", "1.0 / 0.0",
        "0.0 / 0.0",
        "-1.0 / 0.0", "double('inf')", "double('nan')", "params.note.matches('(a{1000}){1000}')",
        "params.note.matches('(((a{99}){99}){99}){99}')",
        "params.note.matches('(a)\\\\1')", "params.note.matches('(?=a)')", "'\\ud800'", "'\\x00\\udc00'", "string(b'\\xff')",
        "+".join(["params.note"] * 80), "(" * 200 + "1" + ")" * 200, "[" * 200 + "]" * 200, 
        "1 + " * 255 + "1", "true ? " * 140 + "1", "params" + ".a" * 500, "x" * 1025,
    ],
)  # fmt: skip
def test_no_expression_is_too_much(text: str) -> None:
    assert isinstance(tried(text), Failed), tried(text)


@pytest.mark.parametrize("text", ["\ud800", "'\udfff'", "true\0", "'a\0b' == 'a'", "incident.name == '\0'"])
def test_text_that_the_library_would_misread_is_refused(text: str) -> None:
    assert isinstance(compile_condition(text), Failed)
    assert fault_on_object(text, condition=True) == "holds a NUL, or is no valid Unicode"
    assert isinstance(meets(text, 1, None), Failed)


@pytest.mark.parametrize("bad", ["text\0 or else", "\0", "text\ud800", "\udc00\ud800"])
def test_a_value_that_the_library_would_cut_is_not_known(bad: str) -> None:
    """Compared with what is before the NUL it would be equal."""
    variables = {"incident": {"component": bad, "labels": {"team": bad}}, "facts": {"lastDeploy": {"changedBy": bad}}}
    for name in ("incident.component", "facts.lastDeploy.changedBy", "incident.labels['team']"):
        assert isinstance(evaluate_condition(f"{name} == 'text'", variables), Failed)
        assert isinstance(evaluate_condition(f"{name} != 'text'", variables), Failed)
    assert value_of(bad, FactType.String) is None
    assert isinstance(meets("value == 'text'", bad, None), Failed)
    for obj in ({"data": {"mode": bad}}, {"data": {bad: "text", "mode": "text"}}, {"data": {"mode": "text", "list": [[bad]]}}):
        assert isinstance(look("object.data.mode == 'text'", obj), Failed)


def test_what_only_spells_a_nul_is_text() -> None:
    assert look("object.mode", {"mode": "a\\u0000"}) == "a\\u0000"
    assert isinstance(look("object.mode", {"mode": "a\\\0"}), Failed)


def test_an_object_without_a_bottom_is_not_looked_at() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    assert look("object.a == 1", {"a": 1, "deep": deep}) == Failed("the object is nested too deeply")


@given(ANYTHING)
def test_any_text_is_judged_as_code_and_never_stumbled_over(text: str) -> None:
    for result in (tried(text), look(text, {"a": "b"}), meets(text, "a", None), evaluate_condition(text, VARIABLES, DECLARED)):
        assert isinstance(result, Failed | bool | int | float | str)
    assert isinstance(filled(text), Rendered | Failed)
    assert isinstance(filled(f"${{{text}}}"), Rendered | Failed)


WORDS = st.sampled_from([
    "params.note", "params.few", "facts.said", "incident.labels", "facts.lastDeploy.at", "1", "-1", "0", "2.5", "'a'", "b'a'",
    "null", "true",
    "[", "]", "(", ")", "{", "}", ",", ":", "?", ".", "+", "-", "*", "/", "%", "==", "<", "in", "&&", "||", "!", "size(",
    "int(", "string(",
    ".matches(", ".contains(", "duration('1h')", "timestamp(", "dyn(", "type(", "has(", "google.protobuf.Value{", "object.a",
    "value",
])  # fmt: skip


@given(st.lists(WORDS, max_size=12).map(" ".join))
def test_any_row_of_words_is_judged_as_code_and_never_stumbled_over(text: str) -> None:
    for result in (tried(text), look(text, {"a": "b"}), meets(text, 1.5, 2.5)):
        assert isinstance(result, Failed | bool | int | float | str)
        assert not isinstance(result, str) or len(result) <= LONGEST_TEXT


TEMPLATES = [
    "${params.zone}",
    "${facts.said}",
    "$${params.zone}",
    "${env.HOME}",
    "${",
    "}${",
    "$",
    "$$",
    "{0}",
    "%s",
    "{{ 7 }}",
    "$(HOME)",
]
BREAKS = [
    "\n- evil: 1",
    '"}, {"a": "',
    "' && true || '",
    "\r\nHost: evil",
    "#",
    ": x",
    "&a [*a]",
    "!!python/object:os.system",
    "\u202e",
    "\u2028",
]


@pytest.mark.parametrize("value", [*TEMPLATES, *BREAKS])
@pytest.mark.parametrize("said", ["${params.note}", "<${params.note}>", "$${x}${params.note}"])
def test_a_value_is_filled_in_once_and_breaks_out_of_nothing(value: str, said: str) -> None:
    expected = said.replace("$${", "\1").replace("${params.note}", value).replace("\1", "${")
    rendered = filled({"a": [said, "next"], "late": "${facts.said}"}, note=value)
    assert rendered == Rendered({"a": [expected, "next"], "late": "${facts.said}"}, ("/late",))
    bound = bind(rendered.value, rendered.unbound, Scope(VARIABLES, DECLARED))
    assert bound == {"a": [expected, "next"], "late": "yes"}
    # As what is stored and sent it stays one text.
    assert json.loads(json.dumps(bound)) == bound and yaml.safe_load(yaml.safe_dump(bound)) == bound


@given(PLAIN, PLAIN)
def test_a_value_never_moves_the_place_of_another(one: str, two: str) -> None:
    rendered = filled({"argv": ["x", "${params.note}", "${params.zone}", "-${params.note}-${params.zone}"]}, note=one, zone=two)
    assert rendered == Rendered({"argv": ["x", one, two, f"-{one}-{two}"]})


@given(PLAIN)
def test_a_fact_is_filled_in_once_too(fact: str) -> None:
    found = bind({"a": "${facts.said}", "b": "${facts.said}!"}, ("/a", "/b"), Scope({"facts": {"said": fact}}, DECLARED))
    assert found == {"a": fact, "b": f"{fact}!"}
